"""One image to pixels: equal to torchvision's transforms bit for bit, and odd kinds of images by the stated rules."""

from __future__ import annotations

import contextlib
import io
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from data.torchvision_pixels import torchvision_pixels
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from raw_files import encoded, jpeg, picture

from ganpipe.data.pack.images import MAX_PIXELS, TooLargeError, Transform, UnreadableError


def folder_of(package: str) -> Path:
    """Where an installed package is, found without importing it, which takes long."""
    spec = find_spec(package)
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent


PHOTOGRAPHS = [
    *sorted(folder_of("sklearn").glob("datasets/images/*.jpg")),
    folder_of("matplotlib") / "mpl-data/sample_data/grace_hopper.jpg",
]
RGB = Transform(crop=None, size=None, channels=3)
GREY = Transform(crop=None, size=None, channels=1)


@pytest.mark.parametrize("photograph", PHOTOGRAPHS, ids=lambda path: path.stem)
@pytest.mark.parametrize(
    ("crop", "size"), [(None, 64), (128, None), (108, 64), (178, 64), (300, 128), (None, 500), (99, 99)]
)
def test_photographs_equal_torchvision(photograph: Path, crop: int | None, size: int | None) -> None:
    assert len(PHOTOGRAPHS) == 3
    ours = Transform(crop, size, 3).of_bytes(photograph.read_bytes())
    assert np.array_equal(ours, torchvision_pixels(Image.open(photograph).convert("RGB"), crop, size))


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 70), st.sampled_from(["RGB", "L"]), st.booleans())
@settings(max_examples=80, deadline=None)
def test_any_size_equals_torchvision(width: int, height: int, size: int, mode: str, crops: bool) -> None:
    image = picture(width, height, size, mode)
    crop = min(width, height, 40) if crops else None
    ours = Transform(crop, size, len(image.getbands())).of_bytes(encoded(image, "PNG"))
    assert np.array_equal(ours.squeeze(), torchvision_pixels(image, crop, size).squeeze())


@pytest.mark.parametrize("photograph", PHOTOGRAPHS, ids=lambda path: path.stem)
@pytest.mark.parametrize("size", [None, 64, 500])
def test_whole_photographs_equal_torchvision(photograph: Path, size: int | None) -> None:
    image = Image.open(photograph).convert("RGB")
    ours = Transform("whole", size, 3).of_bytes(photograph.read_bytes())
    wanted = torchvision_pixels(image, None, size, whole=True)
    assert np.array_equal(ours, wanted)
    assert size is None or (min(ours.shape[:2]) == size and ours.shape[0] != ours.shape[1])


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 70), st.sampled_from(["RGB", "L"]))
@settings(max_examples=60, deadline=None)
def test_whole_pictures_of_any_size_equal_torchvision(width: int, height: int, size: int, mode: str) -> None:
    image = picture(width, height, size, mode)
    ours = Transform("whole", size, len(image.getbands())).of_bytes(encoded(image, "PNG"))
    assert np.array_equal(ours.squeeze(), torchvision_pixels(image, None, size, whole=True).squeeze())


def test_celeba_crop_is_at_the_published_offsets() -> None:
    content = jpeg(178, 218)
    whole = RGB.of_bytes(content)
    assert np.array_equal(Transform(128, None, 3).of_bytes(content), whole[45:173, 25:153])


def test_each_exif_orientation_is_turned_upright() -> None:
    upright = picture(30, 20)
    stored = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the inverse of the turn, as Image.Transpose
    for orientation, turn in stored.items():
        turned = upright if turn is None else upright.transpose(Image.Transpose(turn))
        exif = Image.Exif()
        exif[0x0112] = orientation
        for format in ("PNG", "TIFF"):
            found = RGB.of_bytes(encoded(turned, format, exif=exif))
            assert np.array_equal(found, np.asarray(upright)), (orientation, format)


def test_broken_exif_is_ignored() -> None:
    good = picture()
    for exif in (b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"Exif\0\0II*\0\xff\xff\xff\xff", b"garbage"):
        content = encoded(good, "JPEG", exif=exif)
        assert np.array_equal(RGB.of_bytes(content), np.asarray(Image.open(io.BytesIO(content)).convert("RGB")))


def test_transparent_parts_lie_over_white() -> None:
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[0] = [200, 100, 0, 255]
    pixels[1, 0] = [0, 0, 0, 128]
    found = RGB.of_bytes(encoded(Image.fromarray(pixels), "PNG"))
    assert found.tolist() == [[[200, 100, 0]] * 2, [[127] * 3, [255] * 3]]
    grey = Image.fromarray(np.array([[[10, 255], [10, 0]]], np.uint8), "LA")
    assert GREY.of_bytes(encoded(grey, "PNG")).ravel().tolist() == [10, 255]
    palette = Image.new("P", (2, 1))
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.putpixel((1, 0), 1)
    assert RGB.of_bytes(encoded(palette, "PNG", transparency=1)).tolist() == [[[255, 0, 0], [255, 255, 255]]]
    keyed = Image.new("RGB", (1, 1), (1, 2, 3))
    assert RGB.of_bytes(encoded(keyed, "PNG", transparency=(1, 2, 3))).ravel().tolist() == [255] * 3


def test_palettes_are_looked_up() -> None:
    palette = picture().quantize(16)
    assert np.array_equal(RGB.of_bytes(encoded(palette, "PNG")), np.asarray(palette.convert("RGB")))


def test_cmyk_becomes_rgb() -> None:
    cmyk = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    found = RGB.of_bytes(encoded(cmyk, "TIFF"))
    assert found[0, 0].tolist() == [255, 0, 0]
    assert abs(RGB.of_bytes(encoded(cmyk, "JPEG", quality=100)).astype(int) - found).max() <= 2


def test_of_sixteen_bits_the_upper_eight_are_kept() -> None:
    values = np.array([[0, 255, 256, 0x7FFF, 0xFFFF]], np.uint16)
    for format in ("PNG", "TIFF"):
        content = encoded(Image.fromarray(values), format)
        assert GREY.of_bytes(content).ravel().tolist() == [0, 0, 1, 127, 255]
        assert RGB.of_bytes(content)[0, -2].tolist() == [127] * 3
    integers = Image.fromarray(values.astype(np.int32))
    assert GREY.of_bytes(encoded(integers, "TIFF")).ravel().tolist() == [0, 0, 1, 127, 255]


def test_one_bit_is_black_and_white() -> None:
    one = Image.fromarray(np.array([[True, False]]))
    assert GREY.of_bytes(encoded(one, "PNG")).ravel().tolist() == [255, 0]


def test_grey_and_colour_become_each_other() -> None:
    grey = picture(mode="L")
    assert np.array_equal(RGB.of_bytes(encoded(grey, "PNG")), np.repeat(np.asarray(grey)[..., None], 3, axis=2))
    found = GREY.of_bytes(encoded(picture(), "PNG"))
    assert found.shape == (48, 40, 1) and np.array_equal(found[..., 0], np.asarray(picture().convert("L")))


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_several_frames_the_first_is_taken(format: str) -> None:
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("black", "white", "red")]
    content = encoded(frames[0], format, save_all=True, append_images=frames[1:], duration=10)
    assert getattr(Image.open(io.BytesIO(content)), "n_frames", 1) == 3
    assert not RGB.of_bytes(content).any()


def test_a_crop_never_pads_but_a_size_enlarges() -> None:
    with pytest.raises(UnreadableError, match="is 40 x 48 pixels, smaller than data.crop = 41"):
        Transform(41, 16, 3).of_bytes(jpeg(40, 48))
    assert Transform(None, 64, 3).of_bytes(encoded(Image.new("RGB", (1, 1), "red"), "PNG")).shape == (64, 64, 3)


def test_a_sliver_would_become_a_bomb() -> None:
    sliver = encoded(Image.new("L", (1, 30_000)), "PNG")
    assert RGB.of_bytes(sliver).shape == (30_000, 1, 3)
    with pytest.raises(UnreadableError, match=rf"128 x 3840000 = \d+ pixels, more than data.max_pixels = {MAX_PIXELS}"):
        Transform(None, 128, 3).of_bytes(sliver)


@given(st.binary(max_size=60), st.integers(0, 3), st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_damaged_bytes_are_pixels_or_unreadable(garbage: bytes, kind: int, where: int) -> None:
    good = encoded(picture(24, 20), ("JPEG", "PNG", "GIF", "TIFF")[kind])
    at = where % len(good)
    try:
        found = Transform(None, 16, 3).of_bytes(good[:at] + garbage + good[at + len(garbage) :])
        assert found.shape == (16, 16, 3)
    except UnreadableError as problem:
        assert "\n" not in str(problem) and len(str(problem)) < 300 and "0x" not in str(problem)


def test_the_transform_says_what_it_does() -> None:
    assert str(Transform(108, 64, 1)) == (
        "centre square of 108 pixels, shorter side resized to 64 (bilinear, antialiased), centre square, grey"
    )
    assert str(RGB) == "RGB"
    assert str(Transform("whole", None, 3)) == "whole picture, RGB"
    assert str(Transform("whole", 64, 1)) == ("whole picture, shorter side resized to 64 (bilinear, antialiased), grey")


def test_a_refused_giant_names_its_size_the_limit_and_the_param() -> None:
    content = jpeg(40, 48)
    with pytest.raises(TooLargeError) as refused:
        Transform(None, 16, 3, max_pixels=1919).of_bytes(content)
    assert str(refused.value) == "is 40 x 48 = 1920 pixels, more than data.max_pixels = 1919"
    assert Transform(None, 16, 3, max_pixels=1920).of_bytes(content).shape == (16, 16, 3)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "GIF", "WEBP", "BMP"])
@pytest.mark.parametrize(("crop", "size"), [(None, 16), (30, None), ("whole", None)])
def test_only_our_own_limit_counts(
    format: str, crop: int | None, size: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pillow refuses pictures of more than twice its own limit, when they are opened and again when they are cut."""
    content = encoded(picture(), format)
    wanted = Transform(crop, size, 3).of_bytes(content)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert np.array_equal(Transform(crop, size, 3).of_bytes(content), wanted)
    assert Image.MAX_IMAGE_PIXELS == 100, "the limit of others is as it was"
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(content))
    for broken in (b"no picture", content[: len(content) // 2]):
        with contextlib.suppress(UnreadableError):
            Transform(crop, size, 3).of_bytes(broken)
        assert Image.MAX_IMAGE_PIXELS == 100


def test_a_picture_larger_than_its_header_says_is_refused() -> None:
    """An icon whose picture has another size than the table of the icon announces."""
    content = bytearray(encoded(picture(64, 64), "ICO", sizes=[(64, 64)]))
    content[6] = content[7] = 8
    with pytest.raises(UnreadableError, match=r"more than data.max_pixels = 900$|cannot be decoded"):
        Transform(None, 8, 3, max_pixels=900).of_bytes(bytes(content))


@pytest.mark.parametrize("photograph", PHOTOGRAPHS, ids=lambda path: path.stem)
def test_jpegs_decoded_at_reduced_scale_are_other_pixels(photograph: Path) -> None:
    """Why they are decoded whole: the module says by how much they differ."""
    content = photograph.read_bytes()
    whole = Transform("whole", 64, 3).of_bytes(content).astype(int)
    differences = []
    for scale in (2, 4):
        reduced = Image.open(io.BytesIO(content))
        reduced.draft("RGB", (reduced.width // scale, reduced.height // scale))
        pixels = np.asarray(reduced.resize(whole.shape[1::-1], Image.Resampling.BILINEAR)).astype(int)
        assert reduced.width < Image.open(io.BytesIO(content)).width
        differences.append(abs(pixels - whole))
    assert [0.25 < (one > 0).mean() < 0.65 for one in differences] == [True, True]
    assert 0.2 < differences[0].mean() < differences[1].mean() < 2 and 4 <= differences[0].max() <= 30
