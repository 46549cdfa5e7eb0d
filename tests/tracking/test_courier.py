"""The courier loses nothing, repeats nothing, gives up in time, and never lets trouble reach the stage."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from ganpipe.errors import DataError
from ganpipe.tracking import background as courier
from ganpipe.tracking.background import Courier, is_refusal
from ganpipe.tracking.entries import Note, Point, Tags


class Recipient:
    """Takes everything, after failing as often as it is told to in the calls named `failing`."""

    def __init__(self, failures: int = 0, failing: str = "", seconds: float = 0.0) -> None:
        self.failures, self.failing, self.seconds = failures, failing, seconds
        self.points: list[Point] = []
        self.notes: list[Note] = []
        self.calls: list[str] = []

    def _answer(self, call: str) -> None:
        time.sleep(self.seconds)
        self.calls.append(call)
        if self.failures > 0 and call.startswith(self.failing):
            self.failures -= 1
            raise ConnectionError("down")

    def open(self) -> None:
        self._answer("open")

    def send_points(self, points: Sequence[Point]) -> None:
        self._answer("points")
        self.points += points

    def send(self, note: Note) -> None:
        self._answer("note")
        self.notes.append(note)

    def publish(self, stage: str) -> None:
        self._answer(f"publish {stage}")

    def close(self, status: str) -> None:
        self._answer(f"close {status}")


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"FLUSH": 0.01, "FIRST_PAUSE": 0.01, "LONGEST_PAUSE": 0.04, "OPEN": 0.5}.items():
        monkeypatch.setattr(courier, f"{name}_SECONDS", seconds)


def points(count: int, start: int = 0) -> list[Point]:
    return [Point("a", float(step), step, 0) for step in range(start, start + count)]


@pytest.mark.parametrize("failing", ["open", "points", "note", "publish", "close"])
@pytest.mark.parametrize("failures", [0, 1, 7])
def test_everything_arrives_once_and_in_order(failures: int, failing: str) -> None:
    recipient = Recipient(failures, failing)
    messenger = Courier(recipient)
    messenger.start()
    for start in range(0, 60, 20):
        messenger.put_points(points(20, start))
        messenger.put(Tags({"n": str(start)}))
        time.sleep(0.02)
    assert messenger.finish("FINISHED", "train", seconds=5.0) is None
    assert recipient.points == points(60)
    assert [note.values["n"] for note in recipient.notes] == ["0", "20", "40"]
    assert recipient.calls[-2:] == ["publish train", "close FINISHED"]


def test_large_outboxes_go_in_batches_mlflow_accepts(monkeypatch) -> None:
    recipient = Recipient()
    messenger = Courier(recipient)
    messenger.put_points(points(2500))
    messenger.start()
    assert messenger.finish("FINISHED", None, seconds=5.0) is None
    assert recipient.points == points(2500) and recipient.calls.count("points") == 3


def test_a_store_that_is_down_costs_the_stage_nothing_but_the_final_wait() -> None:
    recipient = Recipient(failures=10**6, seconds=0.05)
    messenger = Courier(recipient)
    messenger.start()
    start = time.monotonic()
    for step in range(10_000):
        messenger.put_points(points(1, step))
    assert time.monotonic() - start < 10  # and not 10,000 times 0.05 seconds
    trouble = messenger.finish("FINISHED", "train", seconds=0.3)
    assert trouble == "unreachable (down)"
    assert time.monotonic() - start < 20


def test_the_breaker_pauses_ever_longer(monkeypatch) -> None:
    monkeypatch.setattr(courier, "LONGEST_PAUSE_SECONDS", 10.0)
    recipient = Recipient(failures=10**6)
    messenger = Courier(recipient)
    messenger.start()
    time.sleep(0.7)  # pauses of 10, 20, 40, 80, 160, 320 ms
    assert 3 <= len(recipient.calls) <= 8
    messenger.finish("KILLED", None, seconds=0.0)


def test_a_call_that_hangs_does_not_keep_the_stage() -> None:
    messenger = Courier(Recipient(seconds=30.0))
    start = time.monotonic()
    messenger.start()
    assert messenger.finish("FINISHED", None, seconds=0.2) == "unreachable (no answer)"
    assert time.monotonic() - start < 15


def test_what_is_refused_is_reported_and_does_not_block_the_rest() -> None:
    recipient = Recipient()
    messenger = Courier(recipient)
    messenger.start()
    original = recipient.send

    def picky(note: Note) -> None:
        if note == Tags({"bad": "1"}):
            raise ValueError("bad key\nand more")
        original(note)

    recipient.send = picky  # type: ignore[method-assign]
    messenger.put(Tags({"bad": "1"}))
    messenger.put(Tags({"good": "1"}))
    assert messenger.finish("FINISHED", None, seconds=5.0) == "refused 1 entries (bad key)"
    assert recipient.notes == [Tags({"good": "1"})]


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
