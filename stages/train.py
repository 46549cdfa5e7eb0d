"""Stage 3: train the GAN; publishes data/model, previews, history.csv, curves.png, findings.json, peak_memory.json."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ganpipe.command import stage_process

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    check: Annotated[bool, typer.Option(help="Only check params.yaml, and write what the check leaves.")] = False,
) -> None:
    """Train the system of params.yaml on data/packed; an interrupted training is taken up where it was saved."""
    with stage_process() as params:
        if check:
            _note_checked(params.system.name, params.train.start_from)
            return
        from ganpipe import paths
        from ganpipe.history.diagnosis import as_json
        from ganpipe.identity import identify_workspace
        from ganpipe.sweeps.pruning import telling_sweep
        from ganpipe.tracking.api import track
        from ganpipe.training.stage import Listeners, train

        identity = identify_workspace(params)
        with track("train", params, identity) as run:
            listeners = Listeners(
                row=telling_sweep(run.training_row),
                preview=lambda picture, nimg: run.image("samples", nimg, picture),
                finding=lambda findings: run.findings(as_json(findings)),
                memory=run.peak_memory,
            )
            train(params, identity.train, paths.PACKED, paths.DATA, paths.state_dir(), listeners, identity.family)


def _note_checked(system: str, start_from: str | None) -> None:
    """Write which networks and losses the system has, so that others retrain nothing, and the weights to begin with."""
    from ganpipe import files, paths
    from ganpipe.identity import networks_digest
    from ganpipe.training.start import take_start

    text = f"params.yaml has been checked.\nnetworks and losses of {system}: {networks_digest(system)}\n"
    files.write_bytes(paths.PARAMS_CHECKED, text.encode())
    take_start(start_from, paths.START, _copied_from_run)


def _copied_from_run(name: str, into: Path) -> Path | None:
    from ganpipe.tracking.api import copy_generator  # MLflow takes seconds to import

    return copy_generator(name, into)


if __name__ == "__main__":
    app()
