"""A cheap fingerprint of the user's own files: names, sizes and times, not contents.

DVC does not look into a folder outside the project. The stage `source` runs at each `dvc repro` and writes the
fingerprint to data/source.json, on which `download` depends: so changed files are gathered anew. Where they hold what
they held, only with other times, the raw files are the same bytes, and nothing further down runs.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ganpipe.config import Data
from ganpipe.data.catalogue.origins import UserFolder
from ganpipe.data.catalogue.sets import lookup
from ganpipe.data.download.user_folder import HIDDEN, Entry, Walk
from ganpipe.files import write_json
from ganpipe.paths import resolved


def look_at_source(data: Data, into: Path) -> None:
    """Write the fingerprint of what `data.source` names to the file `into`.

    Of a folder of the user's own pictures, that of all files which `download` would gather or name, links as
    `data.follow_links` says; of another source, that of the raw files that lie there. Without a source, or with one on
    the web, there is nothing to look at. Where the source is not on this machine but `into` is, from another one,
    `into` stays: what was computed from the source remains valid.
    """
    path = resolved(data.source) if data.source is not None and "://" not in data.source else None
    if path is None:
        write_json(into, {"source": "nothing on this machine to look at"})
    elif path.exists():
        write_json(into, _seen(data, path))
    elif into.exists():
        print(f"data.source = {data.source!r} is not on this machine, so changes go unnoticed", file=sys.stderr)
    else:
        write_json(into, {"source": "is missing"})


def _seen(data: Data, path: Path) -> dict[str, Any]:
    files = lookup(data.name).files
    own = any(isinstance(file.origin, UserFolder) for file in files)
    if own and path.is_dir():
        walk = Walk(path, data.follow_links)
        return _fingerprint(walk.entries(), walk.left_out)
    folder = path if path.is_dir() else path.parent
    named = set() if own else {folder / file.name for file in files}
    return _fingerprint(_entries({path, *named}), {})


def _entries(paths: Iterable[Path]) -> list[Entry]:
    found = [(path.name, path.stat()) for path in sorted(paths) if path.is_file()]
    return [Entry(name, stat.st_size, stat.st_mtime_ns) for name, stat in found]


def _fingerprint(entries: list[Entry], left_out: dict[str, str]) -> dict[str, Any]:
    """Describe files by one hash. Hidden entries do not count: programs write them whenever a folder is opened."""
    digest = hashlib.sha256()
    for entry in entries:
        digest.update(f"{entry.name}\0{entry.size}\0{entry.mtime_ns}\n".encode("utf-8", "surrogateescape"))
    named = {name: reason for name, reason in left_out.items() if reason != HIDDEN}
    digest.update(json.dumps(named, sort_keys=True).encode())
    return {"files": sum(not entry.is_folder for entry in entries), "sha256": digest.hexdigest()}
