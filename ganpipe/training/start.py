"""The published generator with which a training begins: copied to data/start when params are checked. Needs no torch.

The copy is an output of the stage `check`. So DVC keeps it, the training does not depend on the place that it came
from, and even the model that the training itself is going to replace can be named.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from ganpipe.errors import ConfigError
from ganpipe.files import write_bytes, write_json
from ganpipe.paths import PARAMS, START_NOTE, resolved
from ganpipe.sampling.publication import DESCRIPTION, WEIGHTS, folder_of, read_description, read_weights


def take_start(start_from: str | None, into: Path, copy_run: Callable[[str, Path], Path | None]) -> None:
    """Fill the folder `into` with the generator that `train.start_from` names, and with a note; blank: the note alone.

    The note holds the sha256 of the weights, or null if the training begins with random ones.
    `start_from` is a folder with a published generator, or one of its files; a relative path also counts from the main
    checkout. Or it is the name or id of an MLflow run, from which `copy_run` copies the generator to a folder. Raises
    `ConfigError` where there is neither, `CheckpointError` where the generator is damaged.
    """
    shutil.rmtree(into, ignore_errors=True)
    sha256 = None
    if start_from is not None:
        folder = find_published(start_from, into / "run", copy_run)
        if folder is None:
            raise ConfigError(
                f"{PARAMS}: train.start_from = {start_from!r}: there is no such folder, and no MLflow run of this name "
                "or id that holds a generator"
            )
        sha256 = read_description(folder)["sha256"]
        write_bytes(into / WEIGHTS, read_weights(folder, sha256))
        write_bytes(into / DESCRIPTION, (folder / DESCRIPTION).read_bytes())
        shutil.rmtree(into / "run", ignore_errors=True)
    write_json(into / START_NOTE.name, {"sha256": sha256})


def find_published(named: str, into: Path, copy_run: Callable[[str, Path], Path | None]) -> Path | None:
    """Return the folder of a published generator, named as in `take_start`; None where there is none of this name.

    That of an MLflow run is copied to the folder `into` by `copy_run`.
    """
    path = resolved(named)
    return folder_of(path) if path.exists() else copy_run(named, into)
