"""Progress: a live bar on a terminal, few plain lines elsewhere, silence on the other ranks."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import termios

import pytest

from ganpipe import progress as progress_module
from ganpipe.progress import progress, say


class Clock:
    """A clock that stands until it is told to go."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress_module, "time", clock)
    monkeypatch.delenv("RANK", raising=False)
    return clock


def test_a_log_gets_a_line_every_15_seconds(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress("Training", total=240_000, unit="img") as bar:
        for _ in range(320):
            clock.now += 0.125
            bar.advance(500, loss=0.25)
        assert bar.done == 160_000
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "Training: 25% 60000/240000 img, 4000 img/s, 00:45 left, loss 0.25\n"
        "Training: 50% 120000/240000 img, 4000 img/s, 00:30 left, loss 0.25\n"
        "Training: 160000 img in 40.0 s, 4000 img/s\n"
    )


def test_a_short_step_gets_one_line(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress("Packing", total=10, unit="rows") as bar:
        for _ in range(10):
            bar.advance()
    assert capsys.readouterr().err == "Packing: 10 rows in 0.0 s\n"


def test_an_unknown_total_shows_counts(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress("Reading", unit="rows") as bar:
        clock.now += 100
        bar.advance(50)
        clock.now += 30
    assert capsys.readouterr().err == "Reading: 50 rows, 0.5 rows/s\nReading: 50 rows in 02:10, 0.385 rows/s\n"


def test_a_resumed_step_rates_only_what_it_did(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress("Training", total=1000, unit="img", initial=800) as bar:
        clock.now += 20
        bar.advance(100)
    assert capsys.readouterr().err.splitlines() == [
        "Training: 90% 900/1000 img, 5 img/s, 00:20 left",
        "Training: 900 img in 20.0 s, 5 img/s",
    ]


def test_a_failure_says_where_it_stopped(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError), progress("Training", total=1000, unit="img") as bar:
        bar.advance(250)
        clock.now += 7
        raise KeyError
    assert capsys.readouterr().err == "Training: stopped at 25% 250/1000 img after 7.0 s\n"


def test_other_ranks_are_silent(
    clock: Clock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    with progress("Training", total=100, unit="img") as bar:
        clock.now += 60
        bar.advance(100)
    assert capsys.readouterr().err == "" and bar.done == 100


def test_values_are_read_only_when_shown(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    reads = []

    class Loss:
        def __float__(self) -> float:
            reads.append(clock.now)
            return 0.5

    with progress("Training", unit="img") as bar:
        for _ in range(1000):
            clock.now += 0.1
            bar.advance(1, loss=Loss())
    assert len(reads) == 6 and capsys.readouterr().err.count("loss 0.5") == 6


def test_an_error_is_not_hidden_by_values_that_can_no_longer_be_read(clock: Clock) -> None:
    class Lost:
        def __float__(self) -> float:
            raise RuntimeError("the GPU is gone")

    with pytest.raises(KeyError), progress("Training", total=10, unit="img") as bar:
        bar.advance(1, loss=Lost())
        raise KeyError


def test_a_line_said_leaves_the_log_plain(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress("Training", total=10, unit="img") as bar:
        clock.now += 16
        bar.advance(5)
        say("collapse at 0.005 kimg")
    out, err = capsys.readouterr()
    assert out == "collapse at 0.005 kimg\n"
    assert err == "Training: 50% 5/10 img, 0.312 img/s, 00:16 left\nTraining: 5 img in 16.0 s, 0.312 img/s\n"


SCRIPT = """
import time
from ganpipe.progress import progress
with progress("Training", total=300, unit="img") as bar:
    for _ in range(30):
        time.sleep(0.02)
        bar.advance(10, loss=0.25)
"""


def on_a_terminal(script: str, columns: int) -> str:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    environment = {name: value for name, value in os.environ.items() if name != "RANK"}
    process = subprocess.Popen([sys.executable, "-c", script], stderr=theirs, stdout=subprocess.PIPE, env=environment)
    os.close(theirs)
    shown = b""
    try:
        while block := os.read(ours, 4096):
            shown += block
    except OSError:  # Linux ends a terminal whose other side is closed this way
        pass
    finally:
        os.close(ours)
    assert process.communicate()[0] == b"" and process.returncode == 0
    return shown.decode()


def test_a_terminal_gets_a_live_bar() -> None:
    states = on_a_terminal(SCRIPT, columns=120).split("\r")
    drawn = [state for state in states if "Training: " in state]
    assert 4 <= len(drawn) <= 20
    assert any("Training:  " in state and "<" in state and "300/300" not in state for state in drawn)
    final = drawn[-1]
    assert "Training: 100%" in final and "300/300" in final and " img/s" in final and "loss=0.25" in final


SAYING = (
    SCRIPT.replace("import progress", "import progress, say")
    .replace("        bar.advance", "        say('said') if bar.done == 100 else None\n        bar.advance")
    .replace("import time", "import sys, time; sys.stdout = sys.stderr")
)


def test_a_line_said_stands_above_the_bar() -> None:
    before, _, after = on_a_terminal(SAYING, columns=120).partition("said\r\n")
    assert before.endswith("\r") and before.rstrip(" \r").count("\n") == 0
    assert "300/300" in after and after.count("\n") == 1


def test_a_terminal_without_a_width_gets_lines() -> None:
    assert on_a_terminal(SCRIPT, columns=0).startswith("Training: 300 img in ")
