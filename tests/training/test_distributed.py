"""Two processes train one system: both stay the same, and their gradients are averaged.

One training is started by `torchrun`, the others by processes forked with its variables.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from children import started, wait_for
from conftest import REPOSITORY
from miniatures import changed, miniature, train
from ranks import (
    apart,
    damage_the_data,
    error_of_the_training,
    find_a_failure,
    hash_of_the_system,
    kill_rank_1,
    line_of_the_training,
    poison_one_loss_of_rank_1,
    poison_the_loss_of_rank_1,
    train_together,
)

from ganpipe import paths
from ganpipe.config import Params
from ganpipe.core.spec import Field
from ganpipe.data.packed.file import About, Packed, SpaceRows, write_packed
from ganpipe.data.packed.given import GivenRows
from ganpipe.history.table import read_csv
from ganpipe.sampling.draw import all_items
from ganpipe.sampling.published import load_generator

SCRIPT = """
import sys
from ganpipe.config import Params
from ranks import hash_of_the_system
hash_of_the_system(Params.model_validate_json(sys.argv[1]))
"""


def run_torchrun(params: Params) -> None:
    Path("script.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0"]
    command += ["--standalone", "script.py", params.model_dump_json()]
    search = f"{REPOSITORY}{os.pathsep}{REPOSITORY / 'tests'}"
    environment = {**os.environ, "PYTHONPATH": search}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr[-9000:]


@pytest.mark.parametrize(
    ("recipe", "train_in_both"),
    [
        pytest.param("digits-dcgan", run_torchrun, id="digits-dcgan"),
        *(
            pytest.param(recipe, lambda params: train_together(params, hash_of_the_system), id=recipe)
            for recipe in ("digits-wgan-gp", "digits-uci-cyclegan", "chorales-crnngan")
        ),
    ],
)
def test_both_ranks_hold_the_same_system(
    recipe: str, train_in_both: Callable[[Params], None], workspace: Callable[[str], Params]
) -> None:
    params = miniature(workspace(recipe))
    train_in_both(params)
    assert Path("rank0").read_text() == Path("rank1").read_text()
    generator = load_generator(paths.MODEL)
    _, made = all_items(generator.system, 2, 0, GivenRows(Packed.open(paths.PACKED_FILE)))
    for output, field in generator.system.outputs.items():
        assert made[output].shape == (2, *generator.data.fields[field].stored_shape)


def test_two_halves_of_a_batch_step_like_the_whole(workspace: Callable[[str], Params]) -> None:
    """The 1010 system draws no random numbers: two processes must do what one does, up to rounding."""
    params = changed(miniature(workspace("pattern-1010")), train={"kimg": 0.4})
    wait_for(started(train, params, "alone"))
    alone = load_generator(paths.MODEL).system.state_dict()
    before = json.loads((paths.MODEL / "generator.json").read_text())["train_fingerprint"]
    train_together(params, hash_of_the_system)
    together = load_generator(paths.MODEL).system.state_dict()
    assert json.loads((paths.MODEL / "generator.json").read_text())["train_fingerprint"] != before
    for name, value in together.items():
        torch.testing.assert_close(value, alone[name], rtol=1e-5, atol=1e-6)


def test_a_batch_that_does_not_divide_is_refused(workspace: Callable[[str], Params]) -> None:
    params = changed(miniature(workspace("pattern-1010")), train={"batch": 7})
    with pytest.raises(AssertionError, match="train.batch = 7 does not divide among 2 processes"):
        train_together(params, hash_of_the_system)


def test_processes_with_folders_of_their_own_go_on_where_rank_0_was(workspace: Callable[[str], Params]) -> None:
    params = changed(miniature(workspace("pattern-1010")), train={"kimg": 0.4}, runtime={"checkpoint_seconds": 1e-6})
    Path("other").mkdir()
    for name in (".dvc", "data"):
        shutil.copytree(name, Path("other") / name)
    train_together(params, hash_of_the_system, apart)
    together = load_generator(paths.MODEL).system.state_dict()
    (Path(".ganpipe/checkpoints/together") / "last.pt").unlink()  # what is left is older
    train_together(params, hash_of_the_system, apart)
    assert Path("rank0").read_text() == Path("other/rank1").read_text()
    for name, value in load_generator(paths.MODEL).system.state_dict().items():
        assert torch.equal(value, together[name])


def test_an_error_of_rank_0_is_that_of_every_process(workspace: Callable[[str], Params]) -> None:
    params = miniature(workspace("pattern-1010"))
    folder = Path(".ganpipe/checkpoints/together")
    folder.mkdir(parents=True)
    (folder / "last.pt").write_bytes(b"junk")
    train_together(params, error_of_the_training)
    assert "no checkpoint in it is whole" in Path("error0").read_text()
    assert Path("error0").read_text() == Path("error1").read_text()


def test_one_process_of_a_machine_verifies_the_data_and_all_fail_with_it(workspace: Callable[[str], Params]) -> None:
    params = miniature(workspace("pattern-1010"))
    train_together(params, error_of_the_training, damage_the_data)
    assert Path("verified").read_text() == "0"
    assert (Path("error0").read_text(), Path("error1").read_text()) == ("damaged", "damaged")


def test_machines_with_other_data_do_not_train_together(workspace: Callable[[str], Params]) -> None:
    params = miniature(workspace("pattern-1010"))
    shutil.copytree("data", "other/data")
    vectors = Packed.open(paths.PACKED_FILE).slice("vector")
    about = About(name="pattern", source="", licence="", citation="", transform="")
    turned = SpaceRows(len(vectors), [{"vector": vectors[::-1]}])
    write_packed(
        Path("other") / paths.PACKED_FILE, about, {"vector": Field(kind="vector", shape=(4,))}, {"items": turned}
    )
    (Path("other") / paths.MANIFEST).unlink()  # it names the data of this machine
    train_together(params, error_of_the_training, apart)
    assert "data.h5: other data than on the other machines" in Path("error0").read_text()
    assert Path("error0").read_text() == Path("other/error1").read_text()


def test_a_loss_that_is_not_finite_in_another_process_is_a_finding_of_rank_0(
    workspace: Callable[[str], Params],
) -> None:
    params = miniature(workspace("pattern-1010"))
    train_together(params, error_of_the_training, poison_the_loss_of_rank_1)
    assert "discriminator/fake is nan after 0 kimg" in Path("error0").read_text()
    assert Path("error0").read_text() == Path("error1").read_text()
    assert Path("finding0").read_text() == "non_finite"
    assert not Path("finding1").exists()


@pytest.mark.parametrize(("policy", "column"), [("rollback", "rollbacks"), ("skip", "skipped_steps")])
def test_all_ranks_decide_alike_about_a_step_that_is_not_finite(
    policy: str, column: str, workspace: Callable[[str], Params]
) -> None:
    params = changed(miniature(workspace("pattern-1010")), train={"on_nonfinite": policy, "kimg": 0.4})
    printed = train_together(params, hash_of_the_system, poison_one_loss_of_rank_1)
    assert Path("rank0").read_text() == Path("rank1").read_text()
    assert read_csv(paths.HISTORY)[-1][column] == 1
    assert printed.count("going back to 0 kimg, on with other data (1 of 3)") == (policy == "rollback")


def test_a_finding_that_stops_the_training_stops_all_ranks_with_one_line(workspace: Callable[[str], Params]) -> None:
    params = changed(miniature(workspace("pattern-1010")), train={"on_failure": "stop", "kimg": 0.4})
    printed = train_together(params, line_of_the_training, find_a_failure)
    assert (Path("ended0").read_text(), Path("ended1").read_text()) == ("1", "1")
    (line,) = [line for line in printed.splitlines() if line.startswith("Error")]
    assert re.fullmatch(r"Error: collapse at [\d.]+ kimg: all alike; start anew", line)


def test_a_training_whose_rank_was_killed_goes_on_when_it_is_started_again(workspace: Callable[[str], Params]) -> None:
    params = changed(miniature(workspace("pattern-1010")), train={"kimg": 0.4}, runtime={"checkpoint_seconds": 1e-6})
    train_together(params, hash_of_the_system)
    undisturbed = (paths.MODEL / "generator.safetensors").read_bytes(), Path("rank0").read_text()
    shutil.rmtree(".ganpipe/checkpoints")
    shutil.rmtree(paths.MODEL)
    with pytest.raises(AssertionError):
        train_together(params, hash_of_the_system, kill_rank_1)
    assert not paths.MODEL.exists()
    assert "Resuming at" in train_together(params, hash_of_the_system)
    assert ((paths.MODEL / "generator.safetensors").read_bytes(), Path("rank0").read_text()) == undisturbed
    assert Path("rank1").read_text() == Path("rank0").read_text()
