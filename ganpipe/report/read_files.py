"""Reading the files of an experiment for a page. A missing file gives empty content, a damaged one an error."""

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

MOST_PREVIEWS = 48  # on one page; of more, this many are shown, evenly spread, with the first and the last
MOST_SOUNDS = 3  # pieces of music on one page: each takes about a megabyte
LARGE = 400_000  # bytes; a larger PNG is shown as WebP of nearly the same look

CAPTIONS = {
    "grid": "Samples of the published generator",
    "interpolation": "Walks between latents: each row leads from one sample to another",
    "classes": "One row or column of samples for each class",
    "line": "Along a line through latent space",
    "arithmetic": "Sums and differences of latents",
    "truncation": "Latents drawn nearer and nearer to the mean",
    "strips": "What the generator was given, what it made of it, the target where there is one, and the way back",
    "gatys": "Given, made, and pixels moved downhill on the same losses without a generator",
    "nearest": "Samples beside their nearest items of the training data",
}
"""The captions of the pictures of the sample stage by the name of the file, in the order of the page."""


@dataclass(frozen=True)
class EmbeddedPicture:
    """A picture inside a page."""

    uri: str  # `data:image/...`
    width: int  # pixels
    height: int
    caption: str


@dataclass(frozen=True)
class EmbeddedSound:
    """A piece of music inside a page."""

    uri: str  # `data:audio/...`
    name: str


@dataclass(frozen=True)
class PerClass:
    """One class: its share of the real data, and of the samples by the verdict of a classifier."""

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
    """Return the findings of a training, oldest first; None where there is no file of them. Raises `DataError`."""
    path = folder / paths.FINDINGS.name
    content = _read_json(path, None)
    fields = {"name", "kimg", "evidence", "remedy"}
    if content is None:
        return None
    if not isinstance(content, list) or any(not isinstance(item, dict) or not fields <= set(item) for item in content):
        raise DataError(f"{path}: no list of findings with {', '.join(sorted(fields))}")
    return content


def read_ideal(model: Path) -> Mapping[str, float]:
    """Return the losses at balance by column, from the description of the published generator.

    Empty where there is no generator, or where nothing is known about its balance. Raises `DataError`.
    """
    path = model / "generator.json"
    content = _read_json(path, {})
    ideal = content.get("ideal", {}) if isinstance(content, dict) else None
    if not isinstance(ideal, dict) or not all(isinstance(value, int | float) for value in ideal.values()):
        raise DataError(f"{path}: no description of a generator; run `dvc checkout`")
    return ideal


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


def read_previews(folder: Path) -> list[EmbeddedPicture]:
    """Return the outputs for the same inputs during training, oldest first, at most `MOST_PREVIEWS`.

    Raises `DataError`.
    """
    named = [(re.fullmatch(r"kimg-(\d+(?:\.\d+)?)", path.stem), path) for path in _pngs(folder / paths.PREVIEWS.name)]
    found = sorted((float(kimg[1]), path) for kimg, path in named if kimg)
    return [embed(path, f"{kimg:g} kimg") for kimg, path in _thinned(found)]


def read_samples(folder: Path) -> list[EmbeddedPicture]:
    """Return the pictures of the sample stage: those of `CAPTIONS` first, then all others. Raises `DataError`."""
    order = [*CAPTIONS, ""]
    pngs = sorted(_pngs(folder / paths.SAMPLES.name), key=lambda path: order.index(_known_name(path.stem)))
    return [embed(path, caption_of(path.stem)) for path in pngs]


def read_sounds(folder: Path) -> list[EmbeddedSound]:
    """Return the first `MOST_SOUNDS` pieces of music of the sample stage, empty where it wrote none."""
    found = sorted((folder / paths.SAMPLES.name / paths.MUSIC.name).glob("*.wav"))[:MOST_SOUNDS]
    return [
        EmbeddedSound(f"data:audio/wav;base64,{base64.b64encode(path.read_bytes()).decode('ascii')}", path.stem)
        for path in found
    ]


def caption_of(name: str) -> str:
    """Return the caption of a picture by the name of its file.

    `grid_fake_b`, the grid of one of several outputs, has the caption of `grid` with the name of the output. An unknown
    name is its own caption.
    """
    known = _known_name(name)
    rest = name.removeprefix(known).strip("_").replace("_", " ")
    return ": ".join(part for part in (CAPTIONS.get(known, ""), rest) if part)


def embed(path: Path, caption: str) -> EmbeddedPicture:
    """Put a picture into a page. Raises `DataError` for a file that is no picture."""
    content = path.read_bytes()
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            kind = "png"
            if len(content) > LARGE and max(image.size) < 16_384:  # the longest side WebP knows
                kind, content = "webp", _as_webp(image)
            text = base64.b64encode(content).decode("ascii")
            return EmbeddedPicture(f"data:image/{kind};base64,{text}", *image.size, caption)
    except (OSError, SyntaxError) as error:  # what Pillow raises for damaged PNGs
        raise DataError(f"{path}: no picture ({error}); restore it with `dvc checkout`") from None


def _known_name(name: str) -> str:
    """Return the key of `CAPTIONS` that a name is or begins with, empty where there is none."""
    return next((known for known in CAPTIONS if re.match(rf"{known}(?![a-z0-9])", name)), "")


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
