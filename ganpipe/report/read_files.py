"""What the files of an experiment hold, read for a page: a missing file gives nothing, a damaged one an error."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from ganpipe import paths
from ganpipe.errors import DataError
from ganpipe.history.table import Row, read_csv

MOST_PREVIEWS = 48  # on one page; of more, so many are shown, evenly spread, the first and the last among them
LARGE = 400_000  # bytes; a larger PNG is shown as WebP of nearly the same look

CAPTIONS = {
    "grid": "Samples of the published generator",
    "interpolation": "Walks between latents: each row leads from one sample to another",
    "classes": "One row or column of samples for each class",
    "line": "Along a line through latent space",
    "arithmetic": "Sums and differences of latents",
    "truncation": "Latents drawn nearer and nearer to the mean",
    "nearest": "Samples beside their nearest items of the training data",
}
"""What the pictures of the sample stage show, by the name of the file, in the order of the page."""


@dataclass(frozen=True)
class Shown:
    """A picture inside a page."""

    uri: str  # `data:image/...`
    width: int  # pixels
    height: int
    caption: str


@dataclass(frozen=True)
class PerClass:
    """How many of the samples a classifier takes for one class, as shares."""

    name: str
    real_share: float
    fake_share: float
    conditional_accuracy: float | None  # None for a generator that takes no label

    @classmethod
    def read(cls, row: Mapping[str, str]) -> PerClass:
        """Read a row of the file. Raises `KeyError`, `TypeError` or `ValueError`."""
        asked = row["conditional_accuracy"]
        shares = float(row["real_share"]), float(row["fake_share"])
        return cls(row["class"], *shares, float(asked) if asked else None)


def read_history(folder: Path) -> list[Row]:
    """Return the training history, empty where there is none. Raises `DataError`."""
    path = folder / paths.HISTORY.name
    return read_csv(path) if path.is_file() else []


def read_scores(folder: Path) -> dict[str, Any]:
    """Return the content of metrics.json, empty where there is none. Raises `DataError`."""
    content = _read_json(folder / paths.METRICS.name, {})
    if not isinstance(content, dict):
        raise DataError(f"{folder / paths.METRICS.name}: no JSON mapping; run `dvc repro --force evaluate`")
    return content


def read_findings(folder: Path) -> list[dict[str, Any]] | None:
    """Return the signs of a failing training, oldest first; None where nobody looked for them. Raises `DataError`."""
    path = folder / paths.FINDINGS.name
    content = _read_json(path, None)
    fields = {"name", "kimg", "evidence", "remedy"}
    if content is None:
        return None
    if not isinstance(content, list) or any(not isinstance(item, dict) or not fields <= set(item) for item in content):
        raise DataError(f"{path}: no list of findings with {', '.join(sorted(fields))}")
    return content


def read_ideal(model: Path) -> Mapping[str, float]:
    """Return the losses at balance by column, as the published system says; empty where there is none or it knows none.

    Raises `CheckpointError` for damaged files.
    """
    if not all((model / f"generator.{kind}").is_file() for kind in ("json", "safetensors")):
        return {}
    from ganpipe.sampling.published import load_generator  # torch takes seconds

    return load_generator(model).system.ideal


def read_per_class(folder: Path) -> list[PerClass]:
    """Return the rows of per_class.csv, empty where there are none. Raises `DataError`."""
    path = folder / paths.PER_CLASS.name
    try:
        rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline=""), strict=True)
        if "class" not in (rows.fieldnames or ()):
            raise ValueError("row 1 names no class")
        return [PerClass.read(row) for row in rows]
    except FileNotFoundError:
        return []
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: no table: {error}; run `dvc repro --force evaluate`") from None


def read_data_sha256(folder: Path) -> str:
    """Return the content hash of the packed data, empty where its manifest is missing. Raises `DataError`."""
    manifest = _read_json(folder / paths.PACKED.name / paths.MANIFEST.name, {})
    return str(manifest.get("content_sha256", "")) if isinstance(manifest, dict) else ""


def read_previews(folder: Path) -> list[Shown]:
    """Return what the same latents gave during training, oldest first, at most `MOST_PREVIEWS`. Raises `DataError`."""
    named = [(re.fullmatch(r"kimg-(\d+(?:\.\d+)?)", path.stem), path) for path in _pngs(folder / paths.PREVIEWS.name)]
    found = sorted((float(kimg[1]), path) for kimg, path in named if kimg)
    return [show(path, f"{kimg:g} kimg") for kimg, path in _thinned(found)]


def read_samples(folder: Path) -> list[Shown]:
    """Return the pictures of the sample stage: those of `CAPTIONS` first, then all others. Raises `DataError`."""
    order = list(CAPTIONS)
    pngs = _pngs(folder / paths.SAMPLES.name)
    pngs.sort(key=lambda path: order.index(path.stem) if path.stem in order else len(order))
    return [show(path, CAPTIONS.get(path.stem, path.stem.replace("_", " "))) for path in pngs]


def show(path: Path, caption: str) -> Shown:
    """Put a picture into a page. Raises `DataError` for a file that is no picture."""
    content = path.read_bytes()
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            kind = "png"
            if len(content) > LARGE and max(image.size) < 16_384:  # the longest side WebP knows
                kind, content = "webp", _as_webp(image)
            text = base64.b64encode(content).decode("ascii")
            return Shown(f"data:image/{kind};base64,{text}", *image.size, caption)
    except (OSError, SyntaxError) as error:  # what Pillow raises for damaged PNGs
        raise DataError(f"{path}: no picture ({error}); restore it with `dvc checkout`") from None


def _as_webp(image: Image.Image) -> bytes:
    packed = io.BytesIO()
    image.convert("RGB").save(packed, "WEBP", quality=88)
    return packed.getvalue()


def _pngs(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.png"))


def _thinned(found: Sequence[tuple[float, Path]]) -> Sequence[tuple[float, Path]]:
    if len(found) <= MOST_PREVIEWS:
        return found
    return [found[round(index * (len(found) - 1) / (MOST_PREVIEWS - 1))] for index in range(MOST_PREVIEWS)]


def _read_json(path: Path, missing: Any) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return missing
    except ValueError:
        raise DataError(f"{path}: not valid JSON; restore it with `dvc checkout`, or run `dvc repro`") from None
