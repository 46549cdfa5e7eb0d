"""Drawings become pixels: exact colours and places at any size, over white, and a reason where that is impossible."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ganpipe.data.pack.drawing import Drawing
from ganpipe.data.pack.emoji import Icons
from ganpipe.data.pack.images import UnreadableError

HALF = '<rect width="4" height="8" fill="#102030"/>'


def icons(folder: Path, **more: object) -> Icons:
    content = {"width": 8, "height": 8, "icons": {"x": {"body": HALF} | more}}
    (folder / "icons.json").write_text(json.dumps(content))
    return Icons(folder / "icons.json")


@pytest.mark.parametrize("size", [4, 8, 64, 130])
def test_colours_and_places_at_any_size(tmp_path: Path, size: int) -> None:
    pixels = Drawing(size, 3).of_bytes(icons(tmp_path).svg("x"))
    assert pixels.shape == (size, size, 3) and pixels.dtype == np.uint8
    assert (pixels[:, : size // 2] == (0x10, 0x20, 0x30)).all() and (pixels[:, size // 2 :] == 255).all()


def test_what_is_half_transparent_lies_over_white(tmp_path: Path) -> None:
    svg = icons(tmp_path, body='<rect width="8" height="8" fill="#000" fill-opacity=".5"/>').svg("x")
    assert set(Drawing(8, 3).of_bytes(svg).ravel()) <= {127, 128}
    grey = Drawing(8, 1).of_bytes(icons(tmp_path, body='<rect width="8" height="8" fill="#f00"/>').svg("x"))
    assert grey.shape == (8, 8, 1) and (grey == 76).all()


def test_lower_and_higher_icons_are_drawn_at_the_same_scale(tmp_path: Path) -> None:
    low = Drawing(16, 3).of_bytes(icons(tmp_path, body='<rect width="8" height="4"/>', height=4).svg("x"))
    assert [bool((row == 0).all()) for row in low] == [False] * 4 + [True] * 8 + [False] * 4  # in the middle
    high = Drawing(16, 3).of_bytes(icons(tmp_path, height=9, width=9).svg("x"))
    np.testing.assert_array_equal(high, Drawing(16, 3).of_bytes(icons(tmp_path).svg("x")))


def test_gradients_links_masks_and_the_current_colour(tmp_path: Path) -> None:
    body = (
        '<defs><rect id="r" width="8" height="8"/><linearGradient id="g"><stop stop-color="#fff"/>'
        '<stop offset="1" stop-color="#000"/></linearGradient><mask id="m">'
        '<rect width="4" height="8" fill="#fff"/></mask></defs>'
        '<g mask="url(#m)"><use xlink:href="#r" fill="url(#g)"/></g>'
        '<rect x="6" width="2" height="8" fill="currentColor"/>'
    )
    row = Drawing(8, 1).of_bytes(icons(tmp_path, body=body).svg("x"))[4, :, 0].tolist()
    assert row[:4] == sorted(row[:4], reverse=True) and row[0] > 220 and row[3] < 160
    assert row[4:] == [255, 255, 0, 0]


@pytest.mark.parametrize("content", [b"", b"<svg", b"\xff\xfe", b"GIF89a"], ids=["empty", "cut", "no text", "no SVG"])
def test_what_cannot_be_drawn_has_a_reason(content: bytes) -> None:
    with pytest.raises(UnreadableError, match="^cannot be drawn: .") as caught:
        Drawing(8, 3).of_bytes(content)
    assert "\n" not in str(caught.value)
