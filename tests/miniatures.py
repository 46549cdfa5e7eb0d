"""Experiments at a size that trains in a second."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from ganpipe import paths, recipes, systems
from ganpipe.config import Evaluate, Params, load_params
from ganpipe.core.inputs import Given
from ganpipe.data.catalogue.sets import lookup
from ganpipe.sampling import stage as sampling
from ganpipe.training import stage as training
from ganpipe.training.stage import Listeners


def changed(params: Params, **sections: dict[str, Any]) -> Params:
    """Return params with some values of some sections replaced, checked anew."""
    content = params.model_dump(mode="json")
    for section, values in sections.items():
        content[section].update(values)
    return Params.model_validate_json(json.dumps(content))


SMALLER = {  # the most that a miniature has of what options of systems say: layer widths, steps, iterations, phases
    "features": 4,  # channels
    "features_discriminator": 4,
    "width": 8,  # of a Transformer
    "blocks": 2,
    "generator_widths": 16,  # each of them
    "discriminator_widths": 16,
    "features_most": 4,
    "hidden": 8,
    "n_critic": 2,
    "stable_kimg": 0.024,  # so that all levels up to 32x32 begin within the 16 iterations
    "fade_kimg": 0.016,
    "batches": 8,
    "r1_every": 4,  # some of the 16 iterations are penalised, some not
    "growth": 2,  # channels
    "dense_discriminator": 8,
    "pretrain_kimg": 0.064,  # 8 of the 16 iterations
    "pixel_steps": 3,
    "units": 8,
    "units_discriminator": 8,
    "decay_kimg": 0.096,  # 12 of the 16 iterations
    "lengthen_kimg": 0.016,  # every second iteration
}

INSTEAD = {
    "trunk": "random-0",
    "layers": ["relu1_2"],
    "content_layers": ["relu1_1"],
    "style_layers": ["relu1_1"],
    "bicubic_skip": True,
    "long_n_critic": 3,  # more than n_critic: the steps of both kinds are taken
}
"""What options of systems say in a miniature: nothing is fetched, narrow networks do not draw one grey for all, long
steps are taken."""


def smaller(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return those options of a system that `SMALLER` limits, numbers and lists of them, and those of `INSTEAD`."""
    found = {name: (options[name], most) for name, most in SMALLER.items() if options.get(name) is not None}
    fewer = {
        name: [min(number, most) for number in value] if isinstance(value, list | tuple) else min(value, most)
        for name, (value, most) in found.items()
    }
    return fewer | {name: value for name, value in INSTEAD.items() if name in options}


LARGEST_GIVEN = 64
"""The side of the pictures that miniatures translate, pixels; the published 256 take 16 times as long."""


def small_pictures(params: Params) -> Params:
    """Return params with a smaller `data.size` if they are those of a translator of larger pictures."""
    translates = any(isinstance(one, Given) for one in systems.configure(params.system).inputs.values())
    side = params.data.size or lookup(params.data.name).size or 0
    return changed(params, data={"size": LARGEST_GIVEN}) if translates and side > LARGEST_GIVEN else params


def offline(params: Params) -> Params:
    """Return params with random features of captions, if there are captions: no encoder is fetched."""
    return changed(params, data={"encoder": "random-0"}) if "text" in lookup(params.data.name).kinds else params


def miniature(params: Params) -> Params:
    """Return the recipe at a size that trains in a second: 16 iterations of 8 images through narrow networks.

    `digits-dcgan` becomes 4 channels wide, the faces of 218x178 pixels are made by layers of 16.
    """
    system = smaller(params.system.options)
    per_iteration = 8 * system.get("n_critic", 1)
    kimg = 16 * per_iteration / 1000
    schedule = {"lr_decay_from_kimg": kimg / 2} if params.train.lr_decay_from_kimg is not None else {}
    train = {
        "kimg": kimg,
        "batch": 8,
        "preview_kimg": kimg / 2,
        "log_kimg": kimg / 5,
        "evaluate_kimg": None,
        **schedule,
    }
    evaluate = {"extractor_epochs": 1, "extractor_accuracy": 0.0, **_light(params.evaluate)}
    runtime = {"threads": 1, "device": "cpu"}
    return changed(params, system=system, train=train, sample={"count": 40}, evaluate=evaluate, runtime=runtime)


def _light(evaluate: Evaluate) -> dict[str, list[str] | None]:
    """Return what judges in place of the large networks: no trunk, and the extractors beside `lite0`, if any."""
    others = [name for name in evaluate.extractors if name != "lite0"]
    return {"extractors": others or list(evaluate.extractors), "trunks": None}


def one_recipe_per(*options: str) -> list[str]:
    """Return one recipe for each combination of values that these options of systems have, of small images if any."""
    found: dict[str, str] = {}
    for name in sorted(recipes.names(), key=lambda name: not name.startswith("digits-")):
        system = load_params(recipes.path_of(name)).system
        values = {"name": system.name, **system.options}
        found.setdefault(str([values.get(option) for option in options]), name)
    return list(found.values())


def train(params: Params, fingerprint: str, listeners: Listeners = Listeners(), family: str | None = None) -> None:
    """Train in the current folder, as the stage does; without a family it neither continues nor is continued."""
    training.train(params, fingerprint, paths.PACKED, paths.DATA, paths.state_dir(), listeners, family)


def sample(params: Params) -> None:
    """Draw samples in the current folder, as the stage does."""
    sampling.sample(params, paths.MODEL, paths.PACKED, paths.SAMPLES)


_TRAIN = """
import sys
from ganpipe import paths, recipes
from ganpipe.config import Evaluate, Params, load_params
from ganpipe.training.stage import train
params = Params.model_validate_json(sys.argv[1])
train(params, sys.argv[2], paths.PACKED, paths.DATA, paths.state_dir())
"""


def start_training(params: Params, fingerprint: str) -> subprocess.Popen[str]:
    """Train in the current folder in a process of its own, which may be killed, and which checks no array shapes."""
    command = [sys.executable, "-c", _TRAIN, params.model_dump_json(), fingerprint]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE)
