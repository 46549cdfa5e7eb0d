"""Stage 2: pack the raw files into HDF5, data/packed/data.h5 or shards of it."""

from __future__ import annotations

import sys

import typer

from ganpipe.command import stage_process

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main() -> None:
    """Pack data/raw into data/packed: HDF5, a manifest with its content hash, and a picture of it."""
    with stage_process() as params:
        from ganpipe import paths
        from ganpipe.data.pack.stage import pack
        from ganpipe.data.packed.file import Packed
        from ganpipe.metrics.rows_needed import missing_rows

        pack(params.data, paths.RAW, paths.PACKED, params.runtime.workers)
        for sentence in missing_rows(params, Packed.open(paths.PACKED_FILE)):
            print(f"Warning: {sentence}", file=sys.stderr)


if __name__ == "__main__":
    app()
