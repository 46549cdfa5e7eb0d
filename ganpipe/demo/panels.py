"""The panels of a page by the kind of what models are given. A new kind needs a panel and its line in `PANELS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import gradio as gr

from ganpipe.core.spec import VALUES, Kind
from ganpipe.demo.drawing_panel import drawing_panel
from ganpipe.demo.models import Asks, Model
from ganpipe.demo.picture_panel import picture_panel
from ganpipe.demo.text_panel import text_panel
from ganpipe.errors import ConfigError

Panel = Callable[[Asks, Sequence[Model], Path], None]
"""Shows models that ask for the same; what it needs as files goes to the folder."""

PANELS: Mapping[Kind | None, Panel] = {None: drawing_panel, "image": picture_panel, "text": text_panel}
"""The panel of models that are given rows of a kind; None: that are given nothing."""


def show_panels(models: Sequence[Model], folder: Path) -> None:
    """Show all models, those that ask for the same together; files that panels need are written below `folder`.

    Raises `ConfigError` for a model that is given what the page has no input for.
    """
    groups: dict[Asks, list[Model]] = {}
    for model in models:
        given = model.asks.given
        if given is not None and given not in PANELS:
            raise ConfigError(
                f"{model.title}: this generator is given {VALUES[given]}, for which the page has no input; "
                "draw from it with `ganpipe sample`"
            )
        groups.setdefault(model.asks, []).append(model)
    for number, (asks, group) in enumerate(groups.items()):
        with gr.Column(elem_classes="ganpipe-group"):
            PANELS[asks.given](asks, group, folder / str(number))
