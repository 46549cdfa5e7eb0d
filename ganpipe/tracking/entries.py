"""The entries that a stage sends to its MLflow run: points of metrics, pictures, files, texts and tags."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

LONGEST_BATCH = 1000
"""Points that MLflow takes in one call."""


class Point(NamedTuple):
    """One finite value of a metric at `step` (real images shown), taken at `milliseconds` since 1970."""

    key: str
    value: float
    step: int
    milliseconds: int


@dataclass(frozen=True)
class Picture:
    """An image shown with a step slider in the MLflow UI; `step` counts real images shown."""

    key: str
    step: int
    image: Image.Image | Path

    def load(self) -> Image.Image | None:
        """Return the pixels, or None when the file is gone or is no image: a picture is never worth an error."""
        if isinstance(self.image, Image.Image):
            return self.image
        try:
            with Image.open(self.image) as image:
                image.load()
                return image
        except OSError:
            return None


@dataclass(frozen=True)
class File:
    """A file to copy to the run, into its folder `folder` (None: the top one)."""

    path: Path
    folder: str | None = None


@dataclass(frozen=True)
class Text:
    """A text to write to the file `name` of the run."""

    text: str
    name: str


@dataclass(frozen=True)
class Tags:
    """Tags to set on the run; a later value replaces an earlier one."""

    values: Mapping[str, str]


Entry = Picture | File | Text | Tags
"""Anything but points, which are sent in batches."""


def now() -> int:
    """Return the present time, in milliseconds since 1970, as points carry it."""
    return time.time_ns() // 1_000_000


def points(values: Mapping[str, float], step: int, milliseconds: int) -> tuple[list[Point], list[str]]:
    """Turn named scalars into points; return them, and the keys left out because their value is not finite.

    MLflow would store infinity as 1.8e308 and draw it.
    """
    clean = {clean_key(key): float(value) for key, value in values.items()}
    kept = [Point(key, value, step, milliseconds) for key, value in clean.items() if math.isfinite(value)]
    return kept, [key for key, value in clean.items() if not math.isfinite(value)]


def clean_key(key: str) -> str:
    """Replace characters that MLflow forbids in a key and drop empty path parts: `a[0]//b` becomes `a_0_/b`."""
    allowed = re.sub(r"[^a-zA-Z0-9_\-. :/]", "_", key)
    return "/".join(part for part in allowed.split("/") if part not in ("", ".", "..")) or "_"


def finding_tags(findings: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return one tag per finding, so that runs can be searched for it: `ganpipe.finding.mode_collapse`."""
    return {
        clean_key(f"ganpipe.finding.{finding['name']}"): f"at {finding['kimg']:g} kimg: {finding['evidence']}"
        for finding in findings
    }


def score_tags(nested: Mapping[str, Any]) -> dict[str, str]:
    """Return the identity of each extractor and the number of samples: scores compare only where both agree."""
    identities = {
        clean_key(f"eval.{name}.identity"): str(scores["extractor"])
        for name, scores in nested.items()
        if isinstance(scores, Mapping) and "extractor" in scores
    }
    return identities | ({"eval.n_fake": str(nested["n_fake"])} if "n_fake" in nested else {})


def flat_scores(nested: Mapping[str, Any], prefix: str = "eval") -> dict[str, float]:
    """Flatten nested scores to `eval/<extractor>/<metric>`; values that are no numbers are left out."""
    flat: dict[str, float] = {}
    for name, value in nested.items():
        if isinstance(value, Mapping):
            flat |= flat_scores(value, f"{prefix}/{name}")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            flat[f"{prefix}/{name}"] = float(value)
    return flat


def nested_scores(metrics: Mapping[str, float], tags: Mapping[str, str], prefix: str = "eval") -> dict[str, Any]:
    """Return the scores that `flat_scores` and `score_tags` have made metrics and tags of; empty where there are none.

    What is neither a number nor the identity of an extractor is lost.
    """
    nested: dict[str, Any] = {}
    for key, value in metrics.items():
        first, *between, last = key.split("/")
        if first == prefix and between:
            block = nested
            for name in between:
                block = block.setdefault(name, {})
            block[last] = value
        elif first == prefix:
            nested[last] = int(value) if value.is_integer() else value
    for name, block in nested.items():
        if isinstance(block, dict) and (identity := tags.get(f"{prefix}.{name}.identity")):
            block["extractor"] = identity
    return nested
