"""The `pack` stage: check the raw files of a data set and write them as one HDF5 file, a manifest and a preview."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64, UInt8
from PIL import Image

from ganpipe import pictures
from ganpipe.config import Data
from ganpipe.data.catalogue import lookup
from ganpipe.data.dataset import Dataset
from ganpipe.data.fetch import SOURCE
from ganpipe.data.packed import About, Block, Packed, write_packed
from ganpipe.errors import DataError
from ganpipe.files import replacing, write_json
from ganpipe.paths import MANIFEST, PACKED_FILE
from ganpipe.progress import progress

PREVIEW = "preview.png"

_PREVIEW_SEED = 0
_PREVIEW_ROWS = 100
_ADVICE = "run `dvc repro download`"
_PIXELS = 784
_DIGIT_ROW = re.compile(rb"[0-9]{1,3}(?:,[0-9]{1,3}){784}")


def pack(data: Data, raw: Path, into: Path) -> None:
    """Turn the raw files of `data.name` into `data.h5`, `manifest.json` and `preview.png` in the folder `into`.

    All three get their final names, or none does. The published order of the rows is kept. Raises `DataError`
    naming the file and the row where the raw files are missing, of another set, or not as published.
    """
    dataset = lookup(data.name)
    about = _about(dataset, raw)
    packed_file, manifest, preview = into / PACKED_FILE.name, into / MANIFEST.name, into / PREVIEW
    with replacing(packed_file) as new_file, replacing(manifest) as new_manifest, replacing(preview) as new_preview:
        with progress(f"Packing {dataset.name}", dataset.count, "rows") as bar:
            blocks = _counted(_READERS[dataset.name](dataset, raw), bar.advance)
            write_packed(new_file, about, dataset.count, blocks)
        packed = Packed.open(new_file)
        write_json(new_manifest, _manifest(packed))
        pictures.save_png(_preview(packed), new_preview)


def _about(dataset: Dataset, raw: Path) -> About:
    """Return the attributes of the packed file, with the provenance that `download` left."""
    path = raw / SOURCE
    try:
        provenance = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise DataError(f"{path}: missing or not JSON, so nothing is known of the raw files; {_ADVICE}") from None
    found = provenance.get("name") if isinstance(provenance, dict) else None
    if found != dataset.name:
        raise DataError(f"{raw}: holds the raw files of {found!r}, not of {dataset.name!r}; {_ADVICE}")
    return About(
        name=dataset.name,
        kind=dataset.kind,
        source=json.dumps(provenance, sort_keys=True, ensure_ascii=False),
        licence=dataset.licence,
        citation=dataset.citation,
        transform=dataset.transform,
        classes=dataset.classes,
    )


def _counted(blocks: Iterator[Block], advance: Callable[[int], None]) -> Iterator[Block]:
    for block in blocks:
        yield block
        advance(len(next(iter(block.values()))))


def _manifest(packed: Packed) -> dict[str, Any]:
    return {
        "name": packed.name,
        "kind": packed.kind,
        "count": len(packed),
        "shape": packed.shape,
        "classes": packed.classes,
        "class_counts": packed.class_counts,
        "splits": {name: [rows.start, rows.stop] for name, rows in packed.splits.items()},
        "content_sha256": packed.content_sha256,
    }


def _preview(packed: Packed) -> Image.Image:
    """Draw 100 rows drawn with a fixed seed."""
    order = np.random.Generator(np.random.PCG64(_PREVIEW_SEED)).permutation(len(packed))
    return pictures.sheet(packed.read(order[:_PREVIEW_ROWS], packed.kind))


def _digits(dataset: Dataset, raw: Path) -> Iterator[Block]:
    (file,) = dataset.files
    assert file.content is not None
    path = raw / file.name
    yield parse_digits(_expanded(path, at_most=2 * file.content.size), dataset, path)


def _expanded(path: Path, at_most: int) -> bytes:
    """Return what a gzip file expands to, cut at a length that no right content has: it may be a bomb."""
    try:
        with gzip.open(path) as opened:
            return opened.read(at_most)
    except (OSError, EOFError, zlib.error) as error:
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise DataError(f"{path}: cannot be read as gzip: {reason}; {_ADVICE}") from None


def parse_digits(content: bytes, dataset: Dataset, path: Path) -> Block:
    """Read rows of 784 pixels 0..255 and a label 0..9 into `image` (n, 28, 28, 1) and `label` (n,).

    Raises `DataError` naming `path`, the row (from 1) and what is wrong with it.
    """
    lines = content.splitlines()
    if len(lines) != dataset.count:
        raise DataError(f"{path}: holds {len(lines)} rows instead of {dataset.count}; {_ADVICE}")
    for number, line in enumerate(lines, start=1):
        if not _DIGIT_ROW.fullmatch(line):
            raise DataError(f"{path}: row {number} {_row_problem(line)}; {_ADVICE}")
    table = np.fromstring(b",".join(lines), dtype=np.int64, sep=",").reshape(len(lines), _PIXELS + 1)
    pixels, labels = table[:, :-1], table[:, -1]
    wrong = np.flatnonzero((pixels > 255).any(axis=1) | (labels >= len(dataset.classes)))
    if len(wrong):
        raise DataError(f"{path}: row {wrong[0] + 1} {_row_problem(lines[wrong[0]])}; {_ADVICE}")
    return {"image": _images(pixels), "label": labels.copy()}


def _images(pixels: Int64[np.ndarray, "n hw"]) -> UInt8[np.ndarray, "n h w 1"]:
    return pixels.astype(np.uint8).reshape(-1, 28, 28, 1)


def _row_problem(line: bytes) -> str:
    """Return what is wrong with a row that is wrong."""
    fields = line.decode("ascii", "replace").split(",")
    if len(fields) != _PIXELS + 1:
        return f"has {len(fields)} columns instead of {_PIXELS + 1}"
    for column, field in enumerate(fields[:-1], start=1):
        if not re.fullmatch("[0-9]{1,3}", field) or int(field) > 255:
            return f"has {field[:20]!r} in column {column}, which is no pixel 0..255"
    return f"has the label {fields[-1][:20]!r}, which is no digit 0..9"


def _pattern(dataset: Dataset, raw: Path) -> Iterator[Block]:
    (file,) = dataset.files
    path = raw / file.name
    try:
        vectors = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or " ".join(str(error).split())
        raise DataError(f"{path}: cannot be read as NumPy array: {reason}; {_ADVICE}") from None
    yield {"vector": _checked_vectors(vectors, dataset, path)}


def _checked_vectors(vectors: Any, dataset: Dataset, path: Path) -> Float32[np.ndarray, "n d"]:
    expected = (dataset.count, *dataset.shape)
    if not isinstance(vectors, np.ndarray) or vectors.dtype != np.float32 or vectors.shape != expected:
        found = f"{getattr(vectors, 'dtype', type(vectors).__name__)} {getattr(vectors, 'shape', '')}"
        raise DataError(f"{path}: holds {found} instead of float32 {expected}; {_ADVICE}")
    wrong = np.flatnonzero(~((vectors >= 0) & (vectors <= 1)).all(axis=1))
    if len(wrong):
        raise DataError(f"{path}: row {wrong[0] + 1} is {vectors[wrong[0]].tolist()}, not numbers 0..1; {_ADVICE}")
    return vectors


_READERS: dict[str, Callable[[Dataset, Path], Iterator[Block]]] = {"digits": _digits, "pattern": _pattern}
