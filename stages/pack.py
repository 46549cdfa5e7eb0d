"""Stage 2: pack the raw files into one HDF5 file, data/packed/data.h5."""

from __future__ import annotations

import typer

from ganpipe.stage import checked_params

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main() -> None:
    """Pack data/raw into data/packed: one HDF5 file, a manifest with its content hash, and a picture of it."""
    with checked_params() as params:
        from ganpipe import paths
        from ganpipe.data.packing import pack

        pack(params.data, paths.RAW, paths.PACKED)


if __name__ == "__main__":
    app()
