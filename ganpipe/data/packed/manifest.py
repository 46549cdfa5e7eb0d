"""What `manifest.json` says of the packed files beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ganpipe.errors import DataError


def shards_of(manifest: Path) -> list[Any]:
    """Return the entries of the shards in a manifest; no entry where there is no readable manifest or no shard."""
    try:
        return list(_read(manifest)["shards"])
    except (OSError, ValueError, KeyError, TypeError):
        return []


def require_named(manifest: Path, content_sha256: str, advice: str) -> None:
    """Raise `DataError` where a manifest does not name this content. Files without a manifest beside them are free."""
    if not manifest.is_file():
        return
    try:
        named = _read(manifest)["content_sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        raise DataError(f"{manifest}: names no content_sha256; {advice}") from None
    if named != content_sha256:
        said = f"names the content {str(named)[:8]}, but the file beside it holds {content_sha256[:8]}"
        raise DataError(f"{manifest}: {said}; {advice}")


def _read(manifest: Path) -> Any:
    return json.loads(manifest.read_text(encoding="utf-8"))
