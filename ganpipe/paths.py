"""The files of a workspace, relative to the folder that a stage runs in: a checkout, or the copy DVC makes of one."""

from __future__ import annotations

import os
from pathlib import Path

PARAMS = Path("params.yaml")
PIPELINE = Path("dvc.yaml")
LOCK = Path("dvc.lock")

DATA = Path("data")
PARAMS_CHECKED = DATA / "params.checked"
SOURCE_SEEN = DATA / "source.json"
START = Path("data/start")
START_NOTE = START / "start.json"
RAW = Path("data/raw")
PACKED = Path("data/packed")
PACKED_FILE = PACKED / "data.h5"
MANIFEST = PACKED / "manifest.json"
REFERENCE = Path("data/reference")
MODEL = Path("data/model")
PREVIEWS = Path("data/previews")
HISTORY = Path("data/history.csv")
CURVES = Path("data/curves.png")
FINDINGS = Path("data/findings.json")
PEAK_MEMORY = Path("data/peak_memory.json")
SAMPLES = Path("data/samples")
SAMPLES_FILE = SAMPLES / "samples.h5"
NEAREST = SAMPLES / "nearest.json"
PHOTOGRAPHS = SAMPLES / "photographs"
MUSIC = SAMPLES / "music"
METRICS = Path("data/metrics.json")
PER_CLASS = Path("data/per_class.csv")

_DVC_COPIES = (".dvc", "tmp", "exps")  # the folder of a checkout in which DVC keeps its copies


def main_root() -> Path:
    """Return the user's checkout, also when the stage runs in a copy made by `dvc exp run --temp` or the queue.

    DVC names the checkout in `DVC_ROOT`. Without it, the checkout is the nearest parent folder with a `.dvc` folder,
    else the current folder. The MLflow store, checkpoints and locks lie there, because they must outlive an experiment.
    """
    named = os.environ.get("DVC_ROOT")
    if named and Path(named, ".dvc").is_dir():
        return Path(named).resolve()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if folder.parts[-3:] == _DVC_COPIES:
            return folder.parents[2]
    return next((folder for folder in (here, *here.parents) if (folder / ".dvc").is_dir()), here)


def resolved(named: str) -> Path:
    """Return the path that a param such as `data.source` means; a relative one also counts from the main checkout."""
    path = Path(os.path.expanduser(named))  # noqa: PTH111 - the method raises for an unknown user
    return path if path.exists() else main_root() / path


def state_dir() -> Path:
    """Return `<main checkout>/.ganpipe`: checkpoints in progress and locks; ignored by git and DVC."""
    return main_root() / ".ganpipe"
