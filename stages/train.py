"""Stage 3: train the GAN; publishes data/model, data/previews and data/history.csv."""

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
        from ganpipe.training.run import Listeners, train

        identity = identify_workspace(params)
        with track("train", params, identity) as run:
            listeners = Listeners(
                row=lambda row, nimg: run.metrics(train_metrics(row), nimg),
                preview=lambda picture, nimg: run.image("samples", nimg, picture),
            )
            train(params, identity.train, listeners)


if __name__ == "__main__":
    app()
