"""What one of several processes does that train a system together. They start with the variables of `torchrun`."""

from __future__ import annotations

import hashlib
import itertools
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import typer
from children import started, wait_for
from torch.distributed import TCPStore

from ganpipe import paths
from ganpipe.command import exit_on_sigterm, one_line_errors
from ganpipe.config import Params
from ganpipe.core.batch import Batch
from ganpipe.core.system import Terms
from ganpipe.data.packed.file import Packed
from ganpipe.errors import DataError, GanpipeError
from ganpipe.history.diagnosis import Finding
from ganpipe.history.table import Row
from ganpipe.systems.pattern_gan import PatternGAN
from ganpipe.training import distributed, failures
from ganpipe.training import stage as run

Act = Callable[[], None]


def train_together(params: Params, work: Callable[[Params], None], *before: Act) -> str:
    """Do `work` in two processes, each after the acts `before`; return what they printed."""
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)  # `torchrun` has one as well
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port)}
    shared |= {"TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "0"}
    processes = [
        started(_work, work, before, params, environment={**shared, "RANK": rank, "LOCAL_RANK": rank}) for rank in "01"
    ]
    return wait_for(*processes)


def _work(work: Callable[[Params], None], before: tuple[Act, ...], params: Params) -> None:
    for act in before:
        act()
    work(params)


def rank() -> str:
    return os.environ["RANK"]


def hash_of_the_system(params: Params) -> None:
    """Train, and leave the hash of all numbers of the system in a file of this process."""
    trainers: list[run.Trainer] = []

    class Spy(run.Trainer):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)  # type: ignore[arg-type]
            trainers.append(self)

    run.Trainer = Spy  # type: ignore[misc]
    run.train(params, "together", paths.PACKED, paths.DATA, paths.state_dir())
    state = trainers[0].system.state_dict().values()
    values = [v for v in state if torch.is_tensor(v) and v.is_floating_point()]  # pools differ, their pictures do too
    digest = hashlib.sha256(b"".join(v.numpy().tobytes() for v in values)).hexdigest()
    Path(f"rank{rank()}").write_text(digest)


def error_of_the_training(params: Params) -> None:
    """Train, and leave the error and the newest finding in files of this process."""
    told = run.Listeners(finding=lambda findings: _write("finding", findings[-1].name))
    try:
        run.train(params, "together", paths.PACKED, paths.DATA, paths.state_dir(), told)
    except GanpipeError as error:
        _write("error", str(error))


def _write(name: str, text: str) -> None:
    Path(f"{name}{rank()}").write_text(text)


def apart() -> None:
    """Be on a machine of its own: the first process there, in another folder."""
    os.environ["LOCAL_RANK"] = "0"
    if rank() != "0":
        os.chdir("other")


def damage_the_data() -> None:
    """Let the verification of the data fail, and note who did it."""

    def verify(packed: Packed) -> None:
        with Path("verified").open("a") as file:
            file.write(rank())
        raise DataError("damaged")

    Packed.verify = verify  # type: ignore[method-assign]


def poison_the_loss_of_rank_1() -> None:
    plain = PatternGAN.fake_loss

    def poisoned(system: PatternGAN, batch: Batch) -> tuple[Terms, Batch]:
        terms, tensors = plain(system, batch)
        return ({"fake": terms["fake"] * float("nan")} if rank() == "1" else terms), tensors

    PatternGAN.fake_loss = poisoned  # type: ignore[method-assign]
    distributed._GRACE_SECONDS = 0.1  # no launcher waits here


def signal_to_rank_1(params: Params) -> None:
    """Train, rank 1 being asked to stop in its tenth step; leave the exit codes in files."""
    plain, steps = PatternGAN.fake_loss, itertools.count(1)

    def asked(system: PatternGAN, batch: Batch) -> tuple[Terms, Batch]:
        if rank() == "1" and next(steps) == 10:
            signal.raise_signal(signal.SIGTERM)
        return plain(system, batch)

    PatternGAN.fake_loss = asked  # type: ignore[method-assign]
    exit_on_sigterm()
    try:
        run.train(params, "together", paths.PACKED, paths.DATA, paths.state_dir())
    except SystemExit as end:
        _write("ended", str(end.code))


def poison_one_loss_of_rank_1() -> None:
    """Let one loss of rank 1, in its tenth step, be infinite; no launcher waits."""
    plain, steps = PatternGAN.fake_loss, itertools.count(1)

    def poisoned(system: PatternGAN, batch: Batch) -> tuple[Terms, Batch]:
        terms, tensors = plain(system, batch)
        return ({"fake": terms["fake"] * float("inf")} if rank() == "1" and next(steps) == 10 else terms), tensors

    PatternGAN.fake_loss = poisoned  # type: ignore[method-assign]
    distributed._GRACE_SECONDS = 0.1


def kill_rank_1() -> None:
    """Let rank 1 be killed in its tenth step."""
    plain, steps = PatternGAN.fake_loss, itertools.count(1)

    def killed(system: PatternGAN, batch: Batch) -> tuple[Terms, Batch]:
        if rank() == "1" and next(steps) == 10:
            os.kill(os.getpid(), signal.SIGKILL)
        return plain(system, batch)

    PatternGAN.fake_loss = killed  # type: ignore[method-assign]


def find_a_failure() -> None:
    """Let the second row of the history show a sign of failure."""

    def found(rows: Sequence[Row], known: set[str]) -> list[Finding]:
        return [Finding("collapse", rows[-1]["kimg"], "all alike", "start anew")] if len(rows) == 2 else []

    failures.news = found
    distributed._GRACE_SECONDS = 0.1


def line_of_the_training(params: Params) -> None:
    """Train as a command does, and leave the exit code in a file of this process."""
    code = 0
    try:
        with one_line_errors():
            run.train(params, "together", paths.PACKED, paths.DATA, paths.state_dir())
    except typer.Exit as end:
        code = end.exit_code
    _write("ended", str(code))
