"""Signs of failure while a training runs: each is reported once, and may end the training."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from ganpipe.errors import TrainingDiverged
from ganpipe.history.diagnosis import Finding, diagnose, news
from ganpipe.history.table import History
from ganpipe.progress import say


class FailureMonitor:
    """Collects the findings of one training; `notify` is called with all of them whenever there is a new one."""

    def __init__(
        self, history: History, on_failure: Literal["warn", "stop"], notify: Callable[[Sequence[Finding]], None]
    ) -> None:
        self.findings: list[Finding] = []
        self._history, self._on_failure, self._notify = history, on_failure, notify

    def restore(self) -> None:
        """Diagnose the rows of a restored history. `notify` is not called: it has these findings already."""
        self.findings = diagnose(self._history.rows)

    def check_newest_row(self) -> None:
        """Report new findings of the newest row. Raises `TrainingDiverged` for one if `on_failure` is `stop`."""
        for finding in news(self._history.rows, {finding.name for finding in self.findings}):
            self._add(finding)
            if self._on_failure == "stop":
                raise Stopped(f"{finding.name} at {finding.kimg:g} kimg: {finding.evidence}", finding.remedy)
            say(f"Warning: {finding}")

    @contextlib.contextmanager
    def recording_divergence(self, kimg: Callable[[], float]) -> Iterator[None]:
        """Record a `non_finite` finding when the loop raises `TrainingDiverged` in the block, then re-raise.

        `kimg` returns the number of images shown so far, in thousands.
        """
        try:
            yield
        except Stopped:
            raise
        except TrainingDiverged as error:
            self._add(Finding("non_finite", kimg(), error.evidence, error.remedy))
            raise

    def _add(self, finding: Finding) -> None:
        self.findings.append(finding)
        self._notify(self.findings)


class Stopped(TrainingDiverged):
    """Raised for a finding if `on_failure` is `stop`; the finding is recorded already."""
