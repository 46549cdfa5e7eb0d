"""Errors that a person can mend, as messages on the page: one line each, as text."""

from __future__ import annotations

import html
from collections.abc import Callable
from functools import wraps
from typing import Any

import gradio as gr

from ganpipe.errors import GanpipeError

SHOWN_SECONDS = 15
"""How long a message stays, unless it is closed: two lines are read in less."""


def told(answer: Callable[..., Any]) -> Callable[..., Any]:
    """Return `answer`, the function of an event, with its `GanpipeError` as a message; the page stays as it is."""

    @wraps(answer)
    def call(*values: Any) -> Any:
        try:
            return answer(*values)
        except GanpipeError as error:
            raise gr.Error(html.escape(str(error)), SHOWN_SECONDS, title="", print_exception=False) from None

    return call


def warn(message: str) -> None:
    """Show a message beside what else the page shows."""
    gr.Warning(html.escape(message), SHOWN_SECONDS, title="")
