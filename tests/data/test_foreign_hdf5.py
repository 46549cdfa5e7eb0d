"""Packed files of others: what lies elsewhere, or is declared and not there, is refused at once and not read."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from ganpipe.core.spec import Field
from ganpipe.data.packed.file import About, Packed, SpaceRows, write_packed
from ganpipe.errors import DataError

ROWS = 40
SECRET = b"of another user" * 100


@pytest.fixture
def path(tmp_path: Path) -> Path:
    about = About("toy", "", "", "", "")
    fields = {"vector": Field(kind="vector", shape=(2,))}
    rows = {"items": SpaceRows(ROWS, [{"vector": np.zeros((ROWS, 2), np.float32)}])}
    write_packed(tmp_path / "data.h5", about, fields, rows)
    (tmp_path / "secret").write_bytes(SECRET)
    return tmp_path / "data.h5"


def _replaced(group: h5py.Group, make: Callable[[], object]) -> None:
    """Put something in the place of the rows of the field, with its attributes."""
    told = dict(group["vector"].attrs)
    del group["vector"]
    make()
    if isinstance(group.get("vector", getlink=True), h5py.HardLink):
        group["vector"].attrs.update(told)


def external(group: h5py.Group) -> None:
    place = [(str(Path(group.file.filename).with_name("secret")), 0, ROWS * 8)]
    _replaced(group, lambda: group.create_dataset("vector", (ROWS, 2), np.float32, external=place))


def virtual(group: h5py.Group) -> None:
    layout = h5py.VirtualLayout((ROWS, 2), np.float32)
    layout[:] = h5py.VirtualSource("other.h5", "items/vector", (ROWS, 2))
    _replaced(group, lambda: group.create_virtual_dataset("vector", layout))


def soft(group: h5py.Group) -> None:
    group.move("vector", "other")
    group["vector"] = h5py.SoftLink("/items/other")


def external_link(group: h5py.Group) -> None:
    _replaced(group, lambda: group.__setitem__("vector", h5py.ExternalLink("other.h5", "/items/vector")))


def linked_group(group: h5py.Group) -> None:
    group.file["more"] = h5py.ExternalLink("other.h5", "/items")


def never_written(group: h5py.Group) -> None:
    _replaced(group, lambda: group.create_dataset("vector", (10**12, 2), np.float32))


def empty_chunks(group: h5py.Group) -> None:
    _replaced(group, lambda: group.create_dataset("vector", (10**12, 2), np.float32, chunks=(100, 2)))


def huge_chunk(group: h5py.Group) -> None:
    _replaced(
        group, lambda: group.create_dataset("vector", (ROWS, 2), np.float32, chunks=(2**28, 2), maxshape=(None, 2))
    )


def texts(group: h5py.Group) -> None:
    _replaced(group, lambda: group.create_dataset("vector", (ROWS,), h5py.string_dtype()))


def beside(group: h5py.Group) -> None:
    group.file.create_dataset("endless", (10**12,), np.uint8)


def nested(group: h5py.Group) -> None:
    group["again"] = group.file


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (external, "lie in another file"),
        (virtual, "lie in another file"),
        (soft, "is a link to another place"),
        (external_link, "is a link to another place"),
        (linked_group, "is a link to another place"),
        (never_written, "declares .* only 0 bytes are here"),
        (empty_chunks, "declares .* only 0 bytes are here"),
        (huge_chunk, "declares"),
        (texts, "holds values of no fixed length"),
        (beside, "lies beside the groups"),
        (nested, "is no dataset"),
    ],
)
def test_what_is_not_in_the_file_is_refused(path: Path, spoil: Callable[[h5py.Group], None], reason: str) -> None:
    with h5py.File(path, "r+") as file:
        spoil(file["items"])
    began = time.process_time()
    with pytest.raises(DataError, match=rf"data.h5: truncated or damaged \(.*{reason}.*\); run `dvc repro pack`$"):
        Packed.open(path)
    assert time.process_time() - began < 1


@pytest.mark.parametrize("compression", [None, "gzip", "lzf"])
def test_rows_of_one_value_are_no_bomb(tmp_path: Path, compression: str | None) -> None:
    rows = np.zeros((200, 64, 64, 3), np.uint8)
    fields = {"image": Field(kind="image", shape=(3, 64, 64))}
    spaces = {"items": SpaceRows(len(rows), [{"image": rows}])}
    write_packed(tmp_path / "data.h5", About("toy", "", "", "", ""), fields, spaces, compression)
    Packed.open(tmp_path / "data.h5").verify()
