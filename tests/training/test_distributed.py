"""Two processes under torchrun train one system: both stay the same, and their gradients are averaged."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from miniatures import changed, miniature, start_training

from ganpipe import paths
from ganpipe.config import Params
from ganpipe.generator import load_generator

SCRIPT = """
import sys, hashlib, pathlib, torch
from ganpipe.config import Params
from ganpipe.training import distributed, run
kept = []
class Spy(run.Trainer):
    def __init__(self, *args):
        super().__init__(*args)
        kept.append(self)
run.Trainer = Spy
rank = __import__("os").environ["RANK"]
run.train(Params.model_validate_json(sys.argv[1]), "together")
values = [v for v in kept[0].system.state_dict().values() if v.is_floating_point()]
digest = hashlib.sha256(b"".join(v.numpy().tobytes() for v in values)).hexdigest()
pathlib.Path("rank" + rank).write_text(digest)
"""


def train_together(params: Params) -> None:
    Path("script.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0"]
    command += ["--standalone", "script.py", params.model_dump_json()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("recipe", ["digits-dcgan", "digits-wgan-gp"])
def test_both_ranks_hold_the_same_system(recipe: str, workspace: Callable[[str], Params]) -> None:
    params = miniature(workspace(recipe))
    train_together(params)
    assert Path("rank0").read_text() == Path("rank1").read_text()
    assert load_generator(paths.MODEL).sample(2).shape == (2, 28, 28, 1)


def test_two_halves_of_a_batch_step_like_the_whole(workspace: Callable[[str], Params]) -> None:
    """The 1010 system draws no random numbers: two processes must do what one does, up to rounding."""
    params = changed(miniature(workspace("pattern-1010")), train={"kimg": 0.4})
    assert start_training(params, "alone").wait() == 0
    alone = load_generator(paths.MODEL).system.state_dict()
    before = json.loads((paths.MODEL / "generator.json").read_text())["train_fingerprint"]
    train_together(params)
    together = load_generator(paths.MODEL).system.state_dict()
    assert json.loads((paths.MODEL / "generator.json").read_text())["train_fingerprint"] != before
    for name, value in together.items():
        torch.testing.assert_close(value, alone[name], rtol=1e-5, atol=1e-6)


def test_a_batch_that_does_not_divide_is_refused(workspace: Callable[[str], Params]) -> None:
    params = changed(miniature(workspace("pattern-1010")), train={"batch": 7})
    with pytest.raises(AssertionError, match="train.batch = 7 does not divide among 2 processes"):
        train_together(params)
