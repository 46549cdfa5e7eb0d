"""A player for windows of tones below their piano rolls: sound to hear and to download, and MIDI."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from ganpipe.demo.drawing import write_piece
from ganpipe.demo.events import answer
from ganpipe.demo.limits import COUNT, require_piece
from ganpipe.demo.messages import warn
from ganpipe.errors import GanpipeError
from ganpipe.sampling.music import can_write_music


def player(title: str, shape: Sequence[int], rolls: gr.Image, folder: Path) -> gr.State | None:
    """Show a player of the windows that `rolls` shows; files are written to the folder.

    Return what keeps the windows of the model of this title: the bytes of float32 of this shape, row by row; None where
    the package that writes music is missing, which a line says.
    """
    if not can_write_music():
        gr.HTML("No player: the Python package pretty_midi is missing; run <code>pip install 'ganpipe[music]'</code>")
        return None
    windows = gr.State()
    number = gr.Slider(1, COUNT, 1, step=1, label="Piece: click its roll, or choose it", visible=False)
    sound = gr.Audio(label="Sound", interactive=False, buttons=["download"])
    midi = gr.DownloadButton("Download as MIDI", size="sm")

    def chosen(kept: bytes | None, number: Any) -> Sequence[Any]:
        if kept is None:
            return gr.Slider(visible=False), None, None
        found = np.frombuffer(kept, np.float32).reshape(-1, *shape)
        piece = min(require_piece(number), len(found))
        most = max(2, len(found))  # a slider refuses to have one place alone
        slider = gr.Slider(maximum=most, value=piece, visible=len(found) > 1)
        try:
            return slider, *write_piece(found[piece - 1], piece, folder)
        except GanpipeError as problem:
            warn(f"{title}: {problem}")
            return slider, None, None

    def clicked(kept: bytes, shown: Any, event: gr.SelectData) -> int:
        count = len(kept) // (4 * math.prod(shape))
        columns = math.isqrt(count - 1) + 1  # as in `sheet`
        rows = -(-count // columns)
        across, down = (
            int(at / side * many) for at, side, many in zip(event.index, shown.size, (columns, rows), strict=True)
        )
        return min(down * columns + across + 1, count)

    answer([windows.change, number.change], chosen, [windows, number], [number, sound, midi])
    rolls.select(clicked, [windows, rolls], number, show_progress="hidden", api_visibility="private")
    return windows
