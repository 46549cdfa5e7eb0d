"""Experiments at a size that trains in a second."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from ganpipe.config import Params


def changed(params: Params, **sections: dict[str, Any]) -> Params:
    """Return params with some values of some sections replaced, checked anew."""
    content = params.model_dump(mode="json")
    for section, values in sections.items():
        content[section].update(values)
    return Params.model_validate_json(json.dumps(content))


def miniature(params: Params) -> Params:
    """Return the recipe at a size that trains in a second: 16 iterations of 8 images, with few channels."""
    options, small = params.system.options, {"features": 4, "n_critic": 2, "long_n_critic": 3}
    system = {key: min(options[key], most) for key, most in small.items() if key in options}
    per_iteration = 8 * system.get("n_critic", 1)
    kimg = 16 * per_iteration / 1000
    schedule = {"lr_decay_from_kimg": kimg / 2} if params.train.lr_decay_from_kimg is not None else {}
    train = {"kimg": kimg, "batch": 8, "preview_kimg": kimg / 2, "log_kimg": kimg / 5, **schedule}
    few = {"system": system, "sample": {"count": 40}, "runtime": {"threads": 1, "device": "cpu"}}
    return changed(params, train=train, **few)


_TRAIN = """
import sys
from ganpipe.config import Params
from ganpipe.training.run import train
train(Params.model_validate_json(sys.argv[1]), sys.argv[2])
"""


def start_training(params: Params, fingerprint: str) -> subprocess.Popen[str]:
    """Train in the current folder in a process of its own, which may be killed, and which checks no array shapes."""
    command = [sys.executable, "-c", _TRAIN, params.model_dump_json(), fingerprint]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE)
