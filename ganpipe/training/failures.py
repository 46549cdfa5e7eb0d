"""Keeps watch over a running training: says each finding once, and ends the training where that is wanted."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from ganpipe.errors import TrainingDiverged
from ganpipe.history.diagnosis import Finding, diagnose, news
from ganpipe.history.table import History
from ganpipe.progress import say


class Watch:
    """The findings of one training so far; `tell` is given all of them whenever there is one more."""

    def __init__(
        self, history: History, on_failure: Literal["warn", "stop"], tell: Callable[[Sequence[Finding]], None]
    ) -> None:
        self.findings: list[Finding] = []
        self._history, self._on_failure, self._tell = history, on_failure, tell

    def resume(self) -> None:
        """Take up what the rows of a restored history say; it was told when they were new."""
        self.findings = diagnose(self._history.rows)

    def look(self) -> None:
        """Look at the newest row of the history. Raises `TrainingDiverged` where a finding is to end the training."""
        for finding in news(self._history.rows, {finding.name for finding in self.findings}):
            self._note(finding)
            if self._on_failure == "stop":
                raise _Stopped(f"{finding.name} at {finding.kimg:g} kimg: {finding.evidence}", finding.remedy)
            say(f"Warning: {finding}")

    @contextlib.contextmanager
    def guard(self, kimg: Callable[[], float]) -> Iterator[None]:
        """Make a finding of what the loop itself ends a training for, numbers that are not finite, and pass it on."""
        try:
            yield
        except _Stopped:
            raise
        except TrainingDiverged as error:
            self._note(Finding("non_finite", kimg(), error.evidence, error.remedy))
            raise

    def _note(self, finding: Finding) -> None:
        self.findings.append(finding)
        self._tell(self.findings)


class _Stopped(TrainingDiverged):
    """A finding has ended the training."""
