"""The `pack` stage: check the raw files of a data set and write them as HDF5, with a manifest and a preview."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ganpipe.config import Data
from ganpipe.data.catalogue.dataset import Dataset
from ganpipe.data.catalogue.sets import lookup
from ganpipe.data.download.stage import SOURCE
from ganpipe.data.pack.archives import ADVICE
from ganpipe.data.pack.items import TRAIN
from ganpipe.data.pack.left_out import QUARANTINE, Quarantine
from ganpipe.data.pack.rows import ReadySet, ready_set
from ganpipe.data.pack.texts import encoded
from ganpipe.data.packed.columns import Block, Fingerprint, canonical_json, ends, length
from ganpipe.data.packed.file import HINTS, About, Packed, SpaceRows, clipped, write_packed
from ganpipe.data.packed.preview import draw_preview
from ganpipe.data.packed.targets import ALIGNED, COUNTERPARTS
from ganpipe.errors import ConfigError, DataError
from ganpipe.files import read_sealed, replacing, sha256_of, write_json
from ganpipe.paths import MANIFEST, PACKED_FILE, PARAMS
from ganpipe.progress import Progress, progress

PREVIEW = "preview.png"

_LEFTOVERS = (".*.part", PACKED_FILE.name, f"{PACKED_FILE.stem}-*-of-*{PACKED_FILE.suffix}", QUARANTINE)


def pack(data: Data, raw: Path, into: Path, workers: int | None = None) -> None:
    """Turn the raw files of `data.name` into packed rows, `manifest.json` and `preview.png` in the folder `into`.

    The rows are in `data.h5`, or in `data.shards` files that the manifest names. Tables keep the published order;
    images are sorted by split and name. Images that cannot be used, or have another shape than the first one of the
    archive, are left out and listed in `quarantine.csv`, up to `data.max_bad` of them; so are files of the user's own
    that are no images, in any number. All files get their final names, or none does. What looks wrong is printed in a
    line each, and kept in the file, see `hints`. `workers` processes decode images (None: one per core); the result is
    the same for any number. Raises `DataError` naming the file and the row where the raw files are missing, of another
    set, or not as published, `ConfigError` where the params do not suit the set.
    """
    dataset = lookup(data.name)
    provenance = _provenance(dataset, raw)
    into.mkdir(parents=True, exist_ok=True)
    _sweep(into, ".*.part")  # of an earlier run that was killed
    bad = Quarantine(raw, data)
    for file in provenance.get("files", {}).values():
        bad.add_gathered(file.get("left_out", {}))
    with ready_set(dataset, data, raw, into, workers, bad) as ready:
        if not len(bad):
            _require_published_rows(dataset, ready, provenance, raw)
        _require_downloaded(provenance, raw)
        ready = encoded(dataset, ready, data.encoder)
        written = _write(dataset, data, ready, json.dumps(provenance, sort_keys=True, ensure_ascii=False), into, bad)
    _sweep(into, *_LEFTOVERS, keep=written)
    bad.tell(into / QUARANTINE)
    for hint in ready.hints:
        print(f"Hint: {hint}", file=sys.stderr)


def shard_names(count: int) -> list[str]:
    """Return the names of the files of a set in `count` shards: `data.h5`, or `data-00000-of-00008.h5` and so on."""
    if count == 1:
        return [PACKED_FILE.name]
    return [f"{PACKED_FILE.stem}-{number:05d}-of-{count:05d}{PACKED_FILE.suffix}" for number in range(count)]


def _write(dataset: Dataset, data: Data, ready: ReadySet, provenance: str, into: Path, bad: Quarantine) -> set[str]:
    """Write all files of a packed set, the manifest last, and return their names."""
    for space, rows in ready.spaces.items():
        if data.shards > rows.count:
            where = "" if len(ready.spaces) == 1 else f" in the space {space!r}"
            raise ConfigError(
                f"{PARAMS}: data.shards = {data.shards} is more than the {rows.count} rows of {dataset.name}{where}"
            )
    names = shard_names(data.shards)
    with ExitStack() as stack:  # renames in reverse order
        manifest, preview, *files = (
            stack.enter_context(replacing(into / name)) for name in (MANIFEST.name, PREVIEW, *names)
        )
        packed = write_shards(files, _about(dataset, ready, provenance), ready, data.compression)
        write_json(manifest, _manifest(packed, names, bad))
        draw_preview(packed, preview)
        if bad:
            bad.write(stack.enter_context(replacing(into / QUARANTINE)))
            names.append(QUARANTINE)
    return set(names)


def write_shards(paths: Sequence[Path], about: About, ready: ReadySet, compression: str | None) -> Packed:
    """Write a set to one file, or the rows of every space evenly to several, and open them as one set.

    The content hash is that of all rows together: the same for any number of files.
    """
    whole = Fingerprint(dict(sorted(ready.fields.items())), ready.texts)
    splits = {space: {name: range(*ends) for name, ends in rows.splits.items()} for space, rows in ready.spaces.items()}
    with progress(f"Writing {about.name}", sum(rows.count for rows in ready.spaces.values()), "rows") as bar:
        for number, path in enumerate(paths):
            spaces = {}
            for space, rows in ready.spaces.items():
                start, stop = (at * rows.count // len(paths) for at in (number, number + 1))
                local = {name: clipped(part, start, stop) for name, part in splits[space].items()}
                blocks = _counted(rows.blocks(start, stop), space, bar, whole if len(paths) > 1 else None)
                spaces[space] = SpaceRows(stop - start, blocks, {name: ends(part) for name, part in local.items()})
            write_packed(path, about, ready.fields, spaces, compression, ready.texts)
    opened = [Packed.open(path) for path in paths]
    return opened[0] if len(opened) == 1 else Packed.join(paths[0], opened, splits, whole.sha256(splits))


def _counted(blocks: Iterable[Block], space: str, bar: Progress, whole: Fingerprint | None) -> Iterator[Block]:
    for block in blocks:
        if whole is not None:
            whole.update(space, block)
        yield block
        bar.advance(length(block))


def _provenance(dataset: Dataset, raw: Path) -> dict[str, Any]:
    """Return the description of the raw files that `download` wrote."""
    path = raw / SOURCE
    try:
        provenance = read_sealed(path)
    except FileNotFoundError:
        raise DataError(f"{path}: missing, so nothing is known of the raw files; {ADVICE}") from None
    except ValueError as error:
        raise DataError(f"{path}: damaged ({error}), so nothing is known of the raw files; {ADVICE}") from None
    if (found := provenance.get("name")) != dataset.name:
        raise DataError(f"{raw}: holds the raw files of {found!r}, not of {dataset.name!r}; {ADVICE}")
    return provenance


def _require_downloaded(provenance: Mapping[str, Any], raw: Path) -> None:
    """Raise `DataError` where a raw file is not the one that was downloaded, though it could be read."""
    for name, told in provenance.get("files", {}).items():
        if sha256_of(raw / name) != told["sha256"]:
            raise DataError(f"{raw / name}: damaged: it is not the file that was downloaded; {ADVICE}")


def _require_published_rows(dataset: Dataset, ready: ReadySet, provenance: Mapping[str, Any], raw: Path) -> None:
    """Raise `DataError` where the published files gave another number of rows, or other splits, than they have."""
    told = provenance.get("files")
    files = told if isinstance(told, dict) else {}
    if dataset.count is None or any(
        "as_published" in files.get(file.name, {"as_published": None}) for file in dataset.files
    ):
        return
    found: Counter[str] = Counter()
    for rows in ready.spaces.values():
        found.update({name: stop - start for name, (start, stop) in rows.splits.items()})
    due = dict(dataset.splits) or {TRAIN: dataset.count}
    if found != due:
        raise DataError(f"{raw}: gives the splits {dict(found)} instead of {due}; {ADVICE}")


def _about(dataset: Dataset, ready: ReadySet, provenance: str) -> About:
    told = {HINTS: ready.hints, COUNTERPARTS: dataset.counterparts, ALIGNED: dataset.aligned}
    extra = {name: canonical_json(values) for name, values in told.items() if values}
    return About(dataset.name, provenance, dataset.licence, dataset.citation, ready.transform, extra)


def _manifest(packed: Packed, names: Sequence[str], bad: Quarantine) -> dict[str, Any]:
    labels = [name for name, field in packed.fields.items() if field.kind == "label"]
    return {
        "name": packed.name,
        "content_sha256": packed.content_sha256,
        "fields": {
            name: field.model_dump(
                exclude={"names"} if field.kind == "text" else {"encoder"}
            )  # texts: there are thousands
            for name, field in packed.fields.items()
        },
        "spaces": {
            space: {
                "count": packed.count(space),
                "splits": {name: ends(rows) for name, rows in packed.splits(space).items()},
            }
            for space in packed.spaces
        },
        "class_counts": {name: packed.class_counts(name) for name in labels},
        "left_out": len(bad),
        "shards": [
            {
                "file": name,
                "counts": {space: one.count(space) for space in one.spaces},
                "content_sha256": one.content_sha256,
            }
            for name, one in zip(names, packed.shards, strict=False)
        ],
    } | ({"skipped": bad.kinds} if bad.kinds else {})


def _sweep(folder: Path, *patterns: str, keep: Collection[str] = ()) -> None:
    """Delete files of an earlier packing."""
    for pattern in patterns:
        for path in folder.glob(pattern):
            if path.name not in keep:
                path.unlink()
