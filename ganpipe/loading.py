"""`ganpipe.load_generator`: a published generator from a folder, or from the MLflow store by its address."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganpipe.sampling import published
from ganpipe.sampling.published import Generator
from ganpipe.tracking.models import ADDRESSES, fetch_model


def load_generator(path: str | Path, options: Mapping[str, Any] | None = None) -> Generator:
    """Load a published generator from its folder, either of its two files, or an address in the MLflow store.

    Addresses are `models:/NAME/1`, which `ganpipe promote` prints, and `runs:/ID/model` of any run. The rest is as in
    `ganpipe.sampling.published.load_generator`. Raises `ConfigError` besides where the store has no such model, and
    `GanpipeError` where it is out of reach.
    """
    if not str(path).startswith(ADDRESSES):
        return published.load_generator(path, options)
    with tempfile.TemporaryDirectory(prefix="ganpipe-model-") as folder:
        return published.load_generator(fetch_model(str(path), Path(folder)), options)
