"""Stage 5: judge the samples against the packed data; writes data/metrics.json."""

from __future__ import annotations

from typing import Annotated

import typer

from ganpipe.command import stage_process

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    reference: Annotated[
        bool, typer.Option(help="Only prepare data/reference: extractors and features of the real data.")
    ] = False,
) -> None:
    """Compare data/samples with data/packed through the extractors of params.yaml."""
    with stage_process() as params:
        from ganpipe import paths
        from ganpipe.identity import identify_workspace
        from ganpipe.metrics.reference import prepare_reference
        from ganpipe.metrics.stage import evaluate
        from ganpipe.tracking.api import track

        if reference:
            prepare_reference(params, paths.PACKED, paths.REFERENCE)
            return
        with track("evaluate", params, identify_workspace(params)):
            evaluate(params, paths.PACKED, paths.REFERENCE, paths.SAMPLES, paths.DATA)


if __name__ == "__main__":
    app()
