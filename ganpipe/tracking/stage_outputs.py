"""The outputs of each stage that a run shows, read from the files that the stage leaves.

The table at the end names them. A stage that has just finished, a cached stage whose run is built anew and
`ganpipe track sync` all read them through it, so their runs cannot differ.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganpipe import paths
from ganpipe.errors import DataError
from ganpipe.files import write_json
from ganpipe.history.table import Row, read_csv
from ganpipe.machine import computed_by
from ganpipe.tracking.entries import File, Picture, finding_tags, flat_scores, score_tags

STAGES = ("train", "sample", "evaluate")
PREVIEW_KEY = "samples"
TRAIN_PREFIX = "train/"

Curve = Sequence[tuple[int, Mapping[str, float]]]
"""Named metrics by step (real images shown)."""


@dataclass(frozen=True)
class StageOutputs:
    """All that one stage contributes to a run; `digest` is the sha256 over the files that equal work makes equal."""

    curve: Curve
    pictures: Sequence[Picture]
    files: Sequence[File]
    tags: Mapping[str, str]
    digest: str


@dataclass(frozen=True)
class _Source:
    """Where the outputs of one stage lie. Without the file `proof` the stage has not run here."""

    proof: Path
    files: Sequence[tuple[str, str | None]]  # pattern, folder in the run; a pattern may match no file
    unsent: Sequence[Path] = ()  # files too large to copy; they enter the digest alone
    curve: Callable[[], Curve] = tuple
    measured: Callable[[], Curve] = tuple  # of the machine, so never twice the same: it does not enter the digest
    pictures: Callable[[], Sequence[Picture]] = tuple
    tags: Callable[[], Mapping[str, str]] = dict


def read_outputs(stage: str) -> StageOutputs | None:
    """Read the outputs of `stage` in the current folder, None if it has none. Raises `DataError` for damaged files."""
    source = _SOURCES[stage]
    if not source.proof.exists():
        return None
    files = [File(path, folder) for pattern, folder in source.files for path in sorted(Path().glob(pattern))]
    pictures = source.pictures()
    shown = [picture.image for picture in pictures if isinstance(picture.image, Path)]
    digest = _digest([*(file.path for file in files), *shown, *source.unsent])
    return StageOutputs([*source.curve(), *source.measured()], pictures, files, source.tags(), digest)


def train_metrics(row: Row) -> dict[str, float]:
    """Return the metrics of one history row as `train/...`: the UI groups its charts by this prefix."""
    return {f"{TRAIN_PREFIX}{name}": value for name, value in row.items() if name != "kimg"}


def memory_metrics(peak: Mapping[str, float]) -> dict[str, float]:
    """Return the metrics of the peak memory of a training, in MiB for each kind (`cpu`, `gpu`)."""
    return {f"memory/peak_{kind}_mib": mib for kind, mib in peak.items()}


def note_peak_memory(peak: Mapping[str, float], nimg: int) -> None:
    """Keep the peak memory of a training, in MiB for each kind, for runs that are built from its files later.

    Beside it stands on which CPU and how many threads it ran: others round otherwise.
    """
    write_json(paths.PEAK_MEMORY, {"images": nimg, "mib": dict(peak), "machine": computed_by()})


def images_shown(kimg: float) -> int:
    """Return the step of a metric: the number of real images shown."""
    return round(kimg * 1000)


def _training_curve() -> Curve:
    return [(images_shown(row["kimg"]), train_metrics(row)) for row in read_csv(paths.HISTORY)]


def _peak_memory() -> Curve:
    try:
        noted = json.loads(paths.PEAK_MEMORY.read_text(encoding="utf-8"))
        return [(int(noted["images"]), memory_metrics(noted["mib"]))]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataError(f"{paths.PEAK_MEMORY}: no peak memory; run `dvc repro --force train`") from None


def _previews() -> Sequence[Picture]:
    """Return the preview images by step; the name of a preview ends in its kimg: `kimg-00100.png`."""
    named = ((re.search(r"(\d+(?:\.\d+)?)$", path.stem), path) for path in sorted(paths.PREVIEWS.glob("kimg-*.png")))
    return [Picture(PREVIEW_KEY, images_shown(float(kimg[1])), path) for kimg, path in named if kimg]


def _findings() -> Mapping[str, str]:
    try:
        return finding_tags(json.loads(paths.FINDINGS.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{paths.FINDINGS}: no list of findings; run `dvc repro --force train`") from None


def _scores() -> Mapping[str, Any]:
    try:
        content = json.loads(paths.METRICS.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError
        return content
    except ValueError:
        raise DataError(f"{paths.METRICS}: no JSON mapping; run `dvc repro --force evaluate`") from None


def _digest(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.as_posix()}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


_SOURCES: Mapping[str, _Source] = {
    "train": _Source(
        proof=paths.HISTORY,
        files=(
            (f"{paths.MODEL}/generator.safetensors", "model"),
            (f"{paths.MODEL}/generator.json", "model"),
            (f"{paths.HISTORY}", None),
            (f"{paths.FINDINGS}", None),
            (f"{paths.CURVES}", None),
            (f"{paths.PREVIEWS}/evolution.*", None),
        ),
        curve=_training_curve,
        measured=_peak_memory,
        pictures=_previews,
        tags=_findings,
    ),
    "sample": _Source(
        proof=paths.SAMPLES_FILE,
        files=((f"{paths.SAMPLES}/*.png", "samples"), (f"{paths.MUSIC}/*", "samples/music")),
        unsent=(paths.SAMPLES_FILE,),
    ),
    "evaluate": _Source(
        proof=paths.METRICS,
        files=((f"{paths.METRICS}", None), (f"{paths.PER_CLASS}", None)),
        curve=lambda: [(0, flat_scores(_scores()))],
        tags=lambda: score_tags(_scores()),
    ),
}
