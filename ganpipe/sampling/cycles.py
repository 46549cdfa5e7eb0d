"""The way back: what a generator makes of its own outputs, where it can make what it was given.

A generator goes back where each picture that it is given is of a field that it also makes: its outputs take the place
of the given rows, and choices are those that the rows have by themselves. So a translation between two sets goes there
and back, and a picture sent to another class is sent home.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from ganpipe.core.batch import Batch, batch_size, to_network
from ganpipe.core.inputs import Choice, Given
from ganpipe.core.system import System
from ganpipe.sampling.draw import GivenSource, Items, render_block

PREFIX = "back_"
"""Of the names under which samples.h5 keeps what came back, before the name of the field."""


def goes_back(system: System) -> Mapping[str, str]:
    """Return the output that made each given field, by the name of the field; {} where there is no way back."""
    kinds, made = system.data.fields, {field: output for output, field in system.outputs.items()}
    given = [one.field for one in system.inputs.values() if isinstance(one, Given)]
    if not given or any(field not in made or kinds[field].kind != "image" for field in given):
        return {}
    return {field: made[field] for field in given}


def sent_back(
    system: System, inputs: Batch, made: Items, given: GivenSource, start: int, seed: int, number: int
) -> Items:
    """Return what comes back of outputs, by the name of the given field; {} where there is no way back.

    `made` are the outputs in stored form, as files would hold them; they were made from the rows that `given` has from
    `start` on. `seed` and `number` are those of `render_block`. Without the choices of the rows there is no way back.
    """
    back, count = goes_back(system), batch_size(inputs)
    if not back:
        return {}
    returned = dict(inputs)
    for name, one in system.inputs.items():
        if isinstance(one, Given):
            returned[name] = to_network("image", torch.from_numpy(made[back[one.field]])).to(system.device)
        elif isinstance(one, Choice):
            own = given.own(one.field, system.data.names(one.field), start, count)
            if own is None:
                return {}
            returned[name] = own.to(system.device)
    outputs = render_block(system, returned, seed, number)
    return {field: outputs[output] for field, output in back.items()}
