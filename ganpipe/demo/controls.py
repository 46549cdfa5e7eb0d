"""What a person sets: a seed, and the controls of every choice that generators declare, by the kind of its field."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gradio as gr

from ganpipe.core.spec import Kind
from ganpipe.demo.drawing import Wish
from ganpipe.demo.limits import SEEDS, require_seed
from ganpipe.demo.models import Asks

Controls = Mapping[str, Any]
"""Components by the field of `Wish` that each of them sets."""

_ANY = -1
"""The class where none is asked for."""


def seed_control(label: str = "Seed", value: int = 0) -> gr.Number:
    """Show a seed to type; `limits.require_seed` looks at it."""
    return gr.Number(value, label=label, precision=None, step=1, min_width=120)


def new_draw(*seeds: gr.Number) -> None:
    """Show a button that gives seeds other values, in the browser: clicks cost the server nothing."""
    button = gr.Button("New draw", variant="primary", min_width=120)
    values = ", ".join([f"Math.floor(Math.random() * {SEEDS})"] * len(seeds))
    script = f"() => [{values}]" if seeds[1:] else f"() => {values}"
    button.click(None, None, list(seeds), js=script, queue=False, api_visibility="private")


def choice_controls(asks: Asks) -> Controls:
    """Show the controls of all choices, and return them."""
    found: dict[str, Any] = {}
    for kind, names in asks.choices:
        found |= CHOICES[kind](names, asks.draws_choices)
    return found


def wish_of(asks: Asks, controls: Controls, seed: Any, values: Sequence[Any]) -> Wish:
    """Return what a person asks for, with the values of the controls. Raises `ConfigError` for a seed that is none.

    Of a given picture attributes that are not on are off, as `ganpipe apply` has them.
    """
    found: dict[str, Any] = {
        name: None if value == _ANY else value for name, value in zip(controls, values, strict=True)
    }
    if not asks.draws_choices:
        found["off"] = [name for name in asks.names("attributes") if name not in found["on"]]
    return Wish(require_seed(seed), **found)


def _label(names: Sequence[str], drawn: bool) -> Controls:
    numbered = [(name, number) for number, name in enumerate(names)]
    every = [("any, drawn evenly", _ANY)] if drawn else []
    return {"label": gr.Dropdown(every + numbered, value=_ANY if drawn else 0, label="Class", min_width=120)}


def _attributes(names: Sequence[str], drawn: bool) -> Controls:
    found = {"on": gr.Dropdown(list(names), value=[], multiselect=True, label="Attributes on", min_width=120)}
    if drawn:
        found["off"] = gr.Dropdown(list(names), value=[], multiselect=True, label="Attributes off", min_width=120)
    return found


CHOICES: Mapping[Kind, Callable[[Sequence[str], bool], Controls]] = {"label": _label, "attributes": _attributes}
"""The controls of a choice by the kind of its field: a function of the names, and whether unnamed ones are drawn."""
