"""Stage 1: bring the raw files of the data set to data/raw."""

from __future__ import annotations

from typing import Annotated

import typer

from ganpipe.command import stage_process

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    look: Annotated[
        bool, typer.Option(help="Only look at data.source for changes, and write data/source.json.")
    ] = False,
) -> None:
    """Bring the raw files of data.name (params.yaml) to data/raw, verified."""
    with stage_process() as params:
        from ganpipe import paths
        from ganpipe.data.download.look import look_at_source
        from ganpipe.data.download.stage import download

        if look:
            look_at_source(params.data, paths.SOURCE_SEEN)
            return
        download(params.data, paths.RAW)


if __name__ == "__main__":
    app()
