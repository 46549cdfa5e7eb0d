"""Stage 3: train the GAN; publishes data/model, previews, history.csv, curves.png and findings.json."""

from __future__ import annotations

import typer

from ganpipe.stage import checked_params

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main() -> None:
    """Train the system of params.yaml on data/packed; an interrupted training is taken up where it was saved."""
    with checked_params() as params:
        from ganpipe.tracking.identity import identify_workspace
        from ganpipe.tracking.mlflow import track
        from ganpipe.tracking.slots import train_metrics
        from ganpipe.training.diagnostics import as_json
        from ganpipe.training.run import Listeners, train

        identity = identify_workspace(params)
        with track("train", params, identity) as run:
            listeners = Listeners(
                row=lambda row, nimg: run.metrics(train_metrics(row), nimg),
                preview=lambda picture, nimg: run.image("samples", nimg, picture),
                finding=lambda findings: run.findings(as_json(findings)),
                memory=lambda peak, nimg: run.metrics({f"memory/peak_{kind}_mib": peak[kind] for kind in peak}, nimg),
            )
            train(params, identity.train, listeners)


if __name__ == "__main__":
    app()
