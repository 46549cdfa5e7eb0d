"""The `pack` stage: check the raw files of a data set and write them as HDF5, with a manifest and a preview."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ganpipe import pictures
from ganpipe.config import Data
from ganpipe.data.catalogue.dataset import Dataset
from ganpipe.data.catalogue.sets import lookup
from ganpipe.data.download.stage import SOURCE
from ganpipe.data.pack.archives import ADVICE
from ganpipe.data.pack.left_out import QUARANTINE, Quarantine
from ganpipe.data.pack.rows import Gathered, gathered
from ganpipe.data.packed.columns import Block, Fingerprint, length
from ganpipe.data.packed.file import About, Packed, clipped, write_packed
from ganpipe.errors import ConfigError, DataError
from ganpipe.files import replacing, write_json
from ganpipe.paths import MANIFEST, PACKED_FILE, PARAMS
from ganpipe.progress import Progress, progress

PREVIEW = "preview.png"

_PREVIEW_SEED = 0
_PREVIEW_ROWS = 100
_PREVIEW_BYTES = 1 << 26
_LEFTOVERS = (".*.part", PACKED_FILE.name, f"{PACKED_FILE.stem}-*-of-*{PACKED_FILE.suffix}", QUARANTINE)


def pack(data: Data, raw: Path, into: Path, workers: int | None = None) -> None:
    """Turn the raw files of `data.name` into packed rows, `manifest.json` and `preview.png` in the folder `into`.

    The rows are in `data.h5`, or in `data.shards` files that the manifest names. Tables keep the published order;
    images are sorted by split and name. Images that cannot be used, or have another shape than the first one of the
    archive, are left out and listed in `quarantine.csv`, up to `data.max_bad` of them. All files get their final names,
    or none does. `workers` processes decode images (None: one per core); the result is the same for any number. Raises
    `DataError` naming the file and the row where the raw files are missing, of another set, or not as published,
    `ConfigError` where the params do not suit the set.
    """
    dataset = lookup(data.name)
    provenance = _provenance(dataset, raw)
    into.mkdir(parents=True, exist_ok=True)
    _sweep(into, ".*.part")  # what a killed run left
    bad = Quarantine(raw, data)
    with gathered(dataset, data, raw, into, workers, bad) as rows:
        written = _write(dataset, data, rows, provenance, into, bad)
    _sweep(into, *_LEFTOVERS, keep=written)
    bad.tell(into / QUARANTINE)


def shard_names(count: int) -> list[str]:
    """Return the names of the files of a set in `count` shards: `data.h5`, or `data-00000-of-00008.h5` and so on."""
    if count == 1:
        return [PACKED_FILE.name]
    return [f"{PACKED_FILE.stem}-{number:05d}-of-{count:05d}{PACKED_FILE.suffix}" for number in range(count)]


def _write(dataset: Dataset, data: Data, rows: Gathered, provenance: str, into: Path, bad: Quarantine) -> set[str]:
    """Write all files of a packed set, the manifest last, and return their names."""
    if data.shards > rows.count:
        raise ConfigError(f"{PARAMS}: data.shards = {data.shards} is more than the {rows.count} rows of {dataset.name}")
    names = shard_names(data.shards)
    with ExitStack() as stack:  # renames in reverse order
        manifest, preview, *files = (
            stack.enter_context(replacing(into / name)) for name in (MANIFEST.name, PREVIEW, *names)
        )
        packed = write_shards(files, _about(dataset, rows, provenance), rows, data.compression)
        write_json(manifest, _manifest(packed, names, len(bad)))
        pictures.save_png(_preview(packed), preview)
        if len(bad):
            bad.write(stack.enter_context(replacing(into / QUARANTINE)))
            names.append(QUARANTINE)
    return set(names)


def write_shards(paths: Sequence[Path], about: About, rows: Gathered, compression: str | None) -> Packed:
    """Write rows to one file, or evenly to several, and open them as one set.

    The content hash is that of all rows together: the same for any number of files.
    """
    whole = Fingerprint()
    splits = {name: range(*ends) for name, ends in rows.splits.items()}
    bounds = [number * rows.count // len(paths) for number in range(len(paths) + 1)]
    with progress(f"Writing {about.name}", rows.count, "rows") as bar:
        for path, start, stop in zip(paths, bounds, bounds[1:], strict=False):
            local = {name: clipped(part, start, stop) for name, part in splits.items()}
            blocks = _counted(rows.blocks(start, stop), bar, whole if len(paths) > 1 else None)
            ends = {name: (part.start, part.stop) for name, part in local.items()}
            write_packed(path, about, stop - start, blocks, ends, compression)
    opened = [Packed.open(path) for path in paths]
    if len(opened) == 1:
        return opened[0]
    return Packed.join(paths[0], opened, splits, whole.sha256(rows.splits, about.classes, about.attributes))


def _counted(blocks: Iterable[Block], bar: Progress, whole: Fingerprint | None) -> Iterator[Block]:
    for block in blocks:
        if whole is not None:
            whole.update(block)
        yield block
        bar.advance(length(block))


def _provenance(dataset: Dataset, raw: Path) -> str:
    """Return what `download` says about the raw files, as JSON."""
    path = raw / SOURCE
    try:
        provenance = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise DataError(f"{path}: missing or not JSON, so nothing is known of the raw files; {ADVICE}") from None
    found = provenance.get("name") if isinstance(provenance, dict) else None
    if found != dataset.name:
        raise DataError(f"{raw}: holds the raw files of {found!r}, not of {dataset.name!r}; {ADVICE}")
    return json.dumps(provenance, sort_keys=True, ensure_ascii=False)


def _about(dataset: Dataset, rows: Gathered, provenance: str) -> About:
    return About(
        name=dataset.name,
        kind=dataset.kind,
        source=provenance,
        licence=dataset.licence,
        citation=dataset.citation,
        transform=rows.transform,
        classes=rows.classes,
        attributes=dataset.attributes,
    )


def _manifest(packed: Packed, names: Sequence[str], bad: int) -> dict[str, Any]:
    files = zip(names, packed.shards, strict=False)
    return {
        "name": packed.name,
        "kind": packed.kind,
        "count": len(packed),
        "left_out": bad,
        "shape": packed.shape,
        "classes": packed.classes,
        "class_counts": packed.class_counts,
        "attributes": packed.attribute_names,
        "splits": {name: [rows.start, rows.stop] for name, rows in packed.splits.items()},
        "content_sha256": packed.content_sha256,
        "shards": [{"file": name, "count": len(one), "content_sha256": one.content_sha256} for name, one in files],
    }


def _preview(packed: Packed) -> Image.Image:
    """Draw 100 rows drawn with a fixed seed, fewer where images are large."""
    order = np.random.Generator(np.random.PCG64(_PREVIEW_SEED)).permutation(len(packed))
    shown = min(_PREVIEW_ROWS, max(1, _PREVIEW_BYTES // packed.row_bytes))
    return pictures.sheet(packed.read(order[:shown], packed.kind))


def _sweep(folder: Path, *patterns: str, keep: Collection[str] = ()) -> None:
    """Delete files of an earlier packing."""
    for pattern in patterns:
        for path in folder.glob(pattern):
            if path.name not in keep:
                path.unlink()
