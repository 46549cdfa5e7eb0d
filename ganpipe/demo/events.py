"""How functions answer what happens on the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gradio as gr
from gradio.context import Context

from ganpipe.demo.messages import told


def answer(
    triggers: Any, function: Callable[..., Sequence[Any]], inputs: Sequence[Any], outputs: Sequence[Any]
) -> None:
    """Let a function answer events; None: the opening of the page, and changes of its inputs.

    All answers wait in one queue, since a generator and the random numbers of torch serve one at a time. While one is
    computed, only the newest values of its inputs are kept: a hundred quick clicks make two answers.
    """

    def answered(*values: Any) -> Mapping[Any, Any]:
        return dict(zip(outputs, function(*values), strict=True))

    gr.on(
        triggers,
        told(answered),
        list(inputs),
        list(outputs),
        show_progress="minimal",
        trigger_mode="always_last",
        concurrency_limit=1,
        concurrency_id="generators",
        api_visibility="private",
    )


def opening() -> Any:
    """Return the event of the opening of the page that is being built."""
    assert Context.root_block is not None
    return Context.root_block.load
