"""The states of finished trainings, from which a training with a larger `train.kimg` continues.

They lie in `<main checkout>/.ganpipe/finished/<fingerprint without train.kimg>.pt`. The newest `KEPT` of all trainings
are kept, older ones are deleted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganpipe.files import replacing
from ganpipe.training import sealed

FORMAT = "ganpipe/finished/3"
KEPT = 5


class Finished:
    """The state of the newest finished training of a family: of trainings that differ in `train.kimg` alone."""

    def __init__(self, root: Path, family: str) -> None:
        self._path, self._family = root / "finished" / f"{family}.pt", family

    def keep(self, state: Mapping[str, Any], previews: Sequence[Path]) -> None:
        """Write the state and the preview pictures of a training that has ended, and delete the oldest of other ones.

        `state` must be free of what the end alone adds: a row of the history, a preview or a score that is not due yet.
        """
        pictures = {path.name: torch.from_numpy(np.fromfile(path, np.uint8)) for path in previews}
        with replacing(self._path) as part:
            sealed.save({"format": FORMAT, "family": self._family, "previews": pictures, **state}, part)
        kept = sorted(self._path.parent.glob("*.pt"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in kept[KEPT:]:
            path.unlink(missing_ok=True)

    def shorter_than(self, nimg: int) -> dict[str, Any] | None:
        """Return the state if its training has shown fewer than `nimg` images; None also where no file can be read."""
        if not self._path.exists():
            return None
        try:
            state = sealed.load(self._path)
        except sealed.Damaged as damage:
            print(f"{self._path} is damaged ({damage}): training from the start.", flush=True)
            return None
        fits = state.get("format") == FORMAT and state.get("family") == self._family
        return state if fits and state["nimg"] < nimg else None


def restore_previews(state: Mapping[str, Any], into: Path) -> list[Path]:
    """Write the preview pictures of a state to a folder; return their files in order."""
    into.mkdir(parents=True, exist_ok=True)
    for name, content in state["previews"].items():
        (into / name).write_bytes(content.numpy().tobytes())
    return [into / name for name in sorted(state["previews"])]
