"""`ganpipe demo`: the page and its server, on this machine only."""

from __future__ import annotations

import os
import time
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

try:
    import gradio as gr
except ModuleNotFoundError as error:
    from ganpipe.errors import ConfigError

    raise ConfigError("ganpipe demo needs gradio, which is not installed: `pip install 'ganpipe[demo]'`") from error

from ganpipe.demo.limits import QUEUE, UPLOAD_BYTES, forget_oldest
from ganpipe.demo.models import load_models
from ganpipe.demo.panels import show_panels
from ganpipe.tracking.server import HOST, require_free

_SWEEP_SECONDS = 5.0  # between looks at the temporary files

_STYLE = """
.gradio-container {max-width: 1400px !important}
.ganpipe-group + .ganpipe-group {border-top: 1px solid var(--border-color-primary); padding-top: 1.5rem}
.ganpipe-model h2 {font-size: 1.1rem; font-weight: 600; overflow-wrap: anywhere}
.ganpipe-model p {font-size: 0.9rem; opacity: 0.75}
.ganpipe-picture {padding-top: 2.25rem !important}
.ganpipe-picture .icon-button-wrapper {top: -2.2rem !important}
.ganpipe-caption .input-container {border: 1px solid var(--border-color-primary); border-radius: var(--input-radius);
  padding: 0.25rem}
.ganpipe-sheet img {width: auto !important; height: auto !important; min-width: 12rem; max-width: 100%;
  margin: auto; object-fit: contain !important; image-rendering: pixelated}
.ganpipe-examples .grid-wrap {height: auto !important; min-height: 0; overflow: hidden}
.ganpipe-examples .grid-container {grid-template-columns: repeat(4, minmax(0, 1fr)) !important; padding-top: 0;
  grid-template-rows: none !important; grid-auto-rows: min-content !important}
.ganpipe-examples .thumbnail-item {aspect-ratio: 1; height: auto; image-rendering: pixelated}
"""


def serve(named: Sequence[str], port: int | None, open_browser: bool) -> NoReturn:
    """Show generators on a page until the process is ended, see `running`; print its address, open it in a browser."""
    with running(named, port) as (address, folder):
        print(f"{address}\nOn this machine only; Ctrl-C ends it.", flush=True)
        if open_browser:
            webbrowser.open(address)
        kept = frozenset(folder.rglob("*"))
        while True:
            time.sleep(_SWEEP_SECONDS)
            forget_oldest(folder, kept)


@contextmanager
def running(named: Sequence[str], port: int | None = None) -> Iterator[tuple[str, Path]]:
    """Serve a page of generators, see `load_models`, during the block; give it the address and the folder of files.

    The page is on 127.0.0.1, at a free port where none is named, and loads nothing from elsewhere. The folder holds
    all files of the page and of its requests, and vanishes afterwards. Raises `ConfigError` for a port that is taken.
    """
    if port is not None:
        require_free(port, "ganpipe demo")
    with _temporary_files() as folder:
        models = load_models(named, folder / "runs")
        with gr.Blocks(title="ganpipe demo", analytics_enabled=False) as page:
            gr.HTML("<h1>ganpipe demo</h1>")
            show_panels(models, folder / "examples")
        page.queue(max_size=QUEUE, api_open=False)
        try:
            _, address, _ = page.launch(
                server_name=HOST,
                server_port=port,
                share=False,
                prevent_thread_lock=True,
                quiet=True,
                inbrowser=False,
                max_file_size=UPLOAD_BYTES,
                footer_links=[],
                run_history=False,
                enable_monitoring=False,
                ssr_mode=False,
                mcp_server=False,
                pwa=False,
                css=_STYLE,
                _frontend=False,  # no request to itself, which a busy machine would not answer within three seconds
            )
            yield address, folder
        finally:
            page.close(verbose=False)


@contextmanager
def _temporary_files() -> Iterator[Path]:
    """Give the block a folder for all files of Gradio, which vanishes afterwards."""
    with TemporaryDirectory(prefix="ganpipe-demo-") as temporary:
        folder = Path(temporary).resolve()
        os.environ["GRADIO_TEMP_DIR"] = str(folder)  # Gradio has no other way to be told
        try:
            yield folder
        finally:
            del os.environ["GRADIO_TEMP_DIR"]
