"""The background sender loses nothing, repeats nothing, gives up in time, and raises nothing into the stage."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from itertools import pairwise

import pytest
from filelock import Timeout

from ganpipe.errors import DataError
from ganpipe.tracking import background
from ganpipe.tracking.background import BackgroundSender, is_refusal
from ganpipe.tracking.entries import Entry, Point, Tags


class FailingSink:
    """Takes everything, after failing as often as it is told to in the calls named `failing`."""

    def __init__(self, failures: int = 0, failing: str = "", seconds: float = 0.0) -> None:
        self.answered = 0
        self.failures, self.failing, self.seconds = failures, failing, seconds
        self.points: list[Point] = []
        self.entries: list[Entry] = []
        self.calls: list[str] = []

    def _answer(self, call: str) -> None:
        time.sleep(self.seconds)
        self.calls.append(call)
        self.answered += 1
        if self.failures > 0 and call.startswith(self.failing):
            self.failures -= 1
            raise ConnectionError("down")

    def open(self) -> None:
        self._answer("open")

    def send_points(self, points: Sequence[Point]) -> None:
        self._answer("points")
        self.points += points

    def send(self, entry: Entry) -> None:
        self._answer("entry")
        self.entries.append(entry)

    def publish(self, stage: str) -> None:
        self._answer(f"publish {stage}")

    def close(self, status: str) -> None:
        self._answer(f"close {status}")


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"FLUSH": 0.01, "FIRST_PAUSE": 0.01, "LONGEST_PAUSE": 0.04, "OPEN": 0.5}.items():
        monkeypatch.setattr(background, f"{name}_SECONDS", seconds)


def points(count: int, start: int = 0) -> list[Point]:
    return [Point("a", float(step), step, 0) for step in range(start, start + count)]


@pytest.mark.parametrize("failing", ["open", "points", "entry", "publish", "close"])
@pytest.mark.parametrize("failures", [0, 1, 7])
def test_everything_arrives_once_and_in_order(failures: int, failing: str) -> None:
    sink = FailingSink(failures, failing)
    sender = BackgroundSender(sink)
    sender.start()
    for start in range(0, 60, 20):
        sender.put_points(points(20, start))
        sender.put(Tags({"n": str(start)}))
        time.sleep(0.02)
    assert sender.finish("FINISHED", "train", quiet=5.0) is None
    assert sink.points == points(60)
    assert [entry.values["n"] for entry in sink.entries] == ["0", "20", "40"]
    assert sink.calls[-2:] == ["publish train", "close FINISHED"]


def test_large_outboxes_go_in_batches_mlflow_accepts(monkeypatch) -> None:
    sink = FailingSink()
    sender = BackgroundSender(sink)
    sender.put_points(points(2500))
    sender.start()
    assert sender.finish("FINISHED", None, quiet=5.0) is None
    assert sink.points == points(2500) and sink.calls.count("points") == 3


def test_a_store_that_is_down_costs_the_stage_nothing_but_the_final_wait() -> None:
    sink = FailingSink(failures=10**6, seconds=0.05)
    sender = BackgroundSender(sink)
    sender.start()
    start = time.monotonic()
    for step in range(10_000):
        sender.put_points(points(1, step))
    assert time.monotonic() - start < 10  # and not 10,000 times 0.05 seconds
    trouble = sender.finish("FINISHED", "train", quiet=0.3)
    assert trouble == "unreachable (down)"
    assert time.monotonic() - start < 20


def test_the_breaker_pauses_ever_longer(monkeypatch) -> None:
    monkeypatch.setattr(background, "LONGEST_PAUSE_SECONDS", 10.0)
    times = failing_calls(6)
    gaps = [after - before for before, after in pairwise(times)]
    assert all(gap >= 0.01 * 2**number for number, gap in enumerate(gaps)), gaps


def test_the_pause_of_the_breaker_has_a_limit() -> None:
    begun = time.monotonic()
    failing_calls(13)  # without the limit of 0.04 s the twelve pauses between them take 41 s
    assert time.monotonic() - begun < 30


def failing_calls(count: int) -> list[float]:
    """The times of the first `count` calls of a sender to a sink that always fails."""
    times: list[float] = []
    enough = threading.Event()
    sink = FailingSink(failures=10**6)
    answer = sink.open

    def timed() -> None:
        times.append(time.monotonic())
        if len(times) >= count:
            enough.set()
        answer()

    sink.open = timed  # type: ignore[method-assign]
    sender = BackgroundSender(sink)
    sender.start()
    assert enough.wait(60)
    sender.finish("KILLED", None, quiet=60.0, total=0.0)
    return times[:count]


def test_a_call_that_hangs_does_not_keep_the_stage() -> None:
    sender = BackgroundSender(FailingSink(seconds=30.0))
    start = time.monotonic()
    sender.start()
    assert sender.finish("FINISHED", None, quiet=0.2) == "unreachable (no answer)"
    assert time.monotonic() - start < 15


def test_what_is_refused_is_reported_and_does_not_block_the_rest() -> None:
    sink = FailingSink()
    sender = BackgroundSender(sink)
    sender.start()
    original = sink.send

    def picky(entry: Entry) -> None:
        if entry == Tags({"bad": "1"}):
            raise ValueError("bad key\nand more")
        original(entry)

    sink.send = picky  # type: ignore[method-assign]
    sender.put(Tags({"bad": "1"}))
    sender.put(Tags({"good": "1"}))
    assert sender.finish("FINISHED", None, quiet=5.0) == "refused 1 entries (bad key)"
    assert sink.entries == [Tags({"good": "1"})]


class SlowSink(FailingSink):
    """Is down or busy at first, then answers one call of many after the other."""

    def __init__(self, down: float, error: Exception, calls: int) -> None:
        super().__init__()
        self.up, self.error, self.rest = time.monotonic() + down, error, calls

    def publish(self, stage: str) -> None:
        if time.monotonic() < self.up:
            raise self.error
        for _ in range(self.rest):
            time.sleep(0.1)
            self.answered += 1
        super().publish(stage)


@pytest.mark.parametrize("error", [ConnectionError("down"), Timeout("mlflow.lock")])
def test_a_store_that_answers_in_the_last_moment_gets_everything(error: Exception) -> None:
    sink = SlowSink(down=0.5, error=error, calls=25)
    sender = BackgroundSender(sink)
    sender.start()
    assert sender.finish("FINISHED", "train", quiet=2.0) is None  # in all it takes three seconds
    assert sink.calls[-2:] == ["publish train", "close FINISHED"]


def test_a_busy_store_is_waited_for_longer_than_one_that_fails(monkeypatch) -> None:
    monkeypatch.setattr(background, "FINISH_SECONDS", 0.2)
    for error, trouble in ((Timeout("mlflow.lock"), None), (OSError("no disk"), "unreachable (no disk)")):
        sender = BackgroundSender(SlowSink(down=0.6, error=error, calls=0))
        sender.start()
        assert sender.finish("FINISHED", "train", quiet=5.0) == trouble


def test_a_store_that_stays_busy_is_called_busy() -> None:
    sender = BackgroundSender(SlowSink(down=60.0, error=RuntimeError("(sqlite3) database is locked"), calls=0))
    sender.start()
    assert sender.finish("FINISHED", "train", quiet=0.2) == "busy ((sqlite3) database is locked)"


def test_a_killed_stage_does_not_wait_for_a_store_that_answers() -> None:
    sender = BackgroundSender(SlowSink(down=0.0, error=OSError(), calls=100))
    sender.start()
    begun = time.monotonic()
    assert sender.finish("KILLED", "train", quiet=60.0, total=0.3) == "unreachable (no answer)"
    assert time.monotonic() - begun < 5


class Answer(Exception):
    """Looks like an MlflowException."""

    def __init__(self, status: int) -> None:
        self.status = status

    def get_http_status_code(self) -> int:
        return self.status


FINAL = [Answer(400), Answer(404), ValueError(), TypeError(), FileNotFoundError(), DataError()]
PASSING = [*map(Answer, (401, 408, 429, 500, 503)), OSError(), ConnectionError(), RuntimeError()]


@pytest.mark.parametrize("error", FINAL)
def test_a_refusal_is_final(error: Exception) -> None:
    assert is_refusal(error)


@pytest.mark.parametrize("error", PASSING)
def test_an_outage_is_not(error: Exception) -> None:
    assert not is_refusal(error)
