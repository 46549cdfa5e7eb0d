"""Under bf16 every loss of every system is averaged in fp32."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from miniatures import changed, miniature, one_recipe_per

from ganpipe import paths, recipes
from ganpipe.config import Params, load_params
from ganpipe.core.system import Iteration, Outcome
from ganpipe.data.packed.file import Packed
from ganpipe.training.loop import autocast
from ganpipe.training.prepared import prepare

SYSTEMS = {load_params(recipes.path_of(name)).system.name: name for name in one_recipe_per("name")}
REMEDIES = {"dcgan": {"diversity_weight": 1.0, "class_balance_weight": 1.0, "flip_real_labels": 0.1}}


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_term_is_fp32(system: str, workspace: Callable[[str], Params]) -> None:
    recipe = "digits-dcgan" if system == "dcgan" else SYSTEMS[system]
    options = {"system": REMEDIES[system], "train": {"batch": 20}} if system in REMEDIES else {}
    params = changed(miniature(workspace(recipe)), **options)
    device = torch.device("cpu")
    prepared = prepare(params, Packed.open(paths.PACKED_FILE), device)
    steps = prepared.system.updates(Iteration(0, prepared.sampler.fetch, params.train.batch))
    update, formats = next(steps), {}
    try:
        while True:
            with autocast(device, "bf16"):
                result = update.loss(update.batch)
            terms, tensors = result if isinstance(result, tuple) else (result, {})
            formats |= {f"{update.player}/{name}": term.dtype for name, term in terms.items()}
            update = steps.send(Outcome(terms, tensors))
    except StopIteration:
        pass
    assert formats
    assert set(formats.values()) == {torch.float32}, formats
