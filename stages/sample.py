"""Stage 4: draw from the published generator; writes data/samples."""

from __future__ import annotations

import typer

from ganpipe.command import stage_process

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main() -> None:
    """Draw samples from data/model into one HDF5 file, and the pictures that sample.pictures names."""
    with stage_process() as params:
        from ganpipe import paths
        from ganpipe.identity import identify_workspace
        from ganpipe.sampling.published import train_fingerprint
        from ganpipe.sampling.stage import sample
        from ganpipe.tracking.api import track
        from ganpipe.training.checkpoint import Checkpoints

        with track("sample", params, identify_workspace(params)):
            sample(params, paths.MODEL, paths.PACKED, paths.SAMPLES)
        Checkpoints(paths.state_dir(), train_fingerprint(paths.MODEL)).discard()  # DVC has recorded the generator


if __name__ == "__main__":
    app()
