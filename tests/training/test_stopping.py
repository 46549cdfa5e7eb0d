"""SIGTERM and Ctrl-C: the step ends, the state is saved, and nothing of the work is lost."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import torch
from miniatures import changed, miniature, train
from ranks import signal_to_rank_1, train_together
from trained import FINGERPRINT, published

from ganpipe import paths
from ganpipe.command import exit_on_sigterm
from ganpipe.config import Params
from ganpipe.training.stage import Listeners

Workspace = Callable[[str], Params]
LAST = Path(".ganpipe/checkpoints") / FINGERPRINT / "last.pt"


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    exit_on_sigterm()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # xdist ignores it
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def sending(*signals: signal.Signals) -> Listeners:
    """Return what sends signals to this process at the first row of the history."""

    def row(row: Mapping[str, float], nimg: int) -> None:
        for number in signals:
            signal.raise_signal(number)

    return Listeners(row=row)


@pytest.fixture
def params(workspace: Workspace) -> Params:
    """A training whose only checkpoint in time is the last one."""
    return changed(miniature(workspace("pattern-1010")), train={"kimg": 0.4}, runtime={"checkpoint_seconds": 1e6})


@pytest.mark.parametrize(
    ("signals", "ends_with"),
    [
        ((signal.SIGTERM,), SystemExit(128 + signal.SIGTERM)),
        ((signal.SIGINT,), KeyboardInterrupt()),
        ((signal.SIGINT, signal.SIGTERM), KeyboardInterrupt()),
        ((signal.SIGTERM, signal.SIGTERM), SystemExit(128 + signal.SIGTERM)),
    ],
)
def test_a_training_that_is_asked_to_stop_saves_its_last_step(
    params: Params,
    signals: tuple[signal.Signals, ...],
    ends_with: BaseException,
    trained: Callable[[Params], None],
    capfd: pytest.CaptureFixture[str],
) -> None:
    trained(params)
    once = published()
    shutil.rmtree(LAST.parent)
    shutil.rmtree(paths.MODEL)
    with pytest.raises(type(ends_with)) as raised:
        train(params, FINGERPRINT, sending(*signals))
    assert raised.value.args == ends_with.args
    reached = int(torch.load(LAST, weights_only=True)["nimg"])
    assert 0 < reached < 400
    assert f"Saved at {reached / 1000:g} of 0.4 kimg" in capfd.readouterr().out
    assert not paths.MODEL.exists()
    train(params, FINGERPRINT)
    assert f"Resuming at {reached / 1000:g} of 0.4 kimg" in capfd.readouterr().out
    assert published() == once


def test_a_second_ctrl_c_acts_at_once(params: Params) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(params, FINGERPRINT, sending(signal.SIGINT, signal.SIGINT))
    assert not LAST.exists()


def test_a_signal_that_is_ignored_stays_ignored(params: Params) -> None:
    """As Ctrl-C is for what a shell runs in the background."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    train(params, FINGERPRINT, sending(signal.SIGINT))
    assert paths.MODEL.exists()


def test_the_handlers_are_given_back(params: Params) -> None:
    before = signal.getsignal(signal.SIGTERM)
    train(params, FINGERPRINT)
    assert signal.getsignal(signal.SIGTERM) is before
    with pytest.raises(SystemExit):
        signal.raise_signal(signal.SIGTERM)


def test_all_processes_stop_at_the_step_in_which_one_is_asked(params: Params) -> None:
    printed = train_together(params, signal_to_rank_1)
    assert "Saved at" in printed
    assert (Path("ended0").read_text(), Path("ended1").read_text()) == ("143", "143")
    assert 0 < int(torch.load(Path(".ganpipe/checkpoints/together/last.pt"), weights_only=True)["nimg"]) < 400
