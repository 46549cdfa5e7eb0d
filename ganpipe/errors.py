"""The errors a user can act on: one line each, with what, where, the value and what would do.

A command prints the message alone, without a traceback, and exits with `exit_code`. What the machine does is told in
one line as well, see `faults`. Every other exception is a defect of ganpipe and keeps its traceback.
"""

from __future__ import annotations


class GanpipeError(Exception):
    """Base of all errors addressed to the user; the message is one complete line."""

    exit_code = 1
    told_elsewhere = False  # another process of this training prints the line


class ConfigError(GanpipeError):
    """params.yaml, a recipe or a command-line value is not acceptable. Nothing has been written."""

    exit_code = 2


class DataError(GanpipeError):
    """Raw, packed or sampled data is missing, damaged or of the wrong kind."""


class TrainingDiverged(GanpipeError):
    """A loss, score, sample or parameter is not finite, or `train.on_failure` is stop and a finding came."""

    def __init__(self, evidence: str, remedy: str) -> None:
        super().__init__(f"{evidence}; {remedy}")
        self.evidence = evidence
        self.remedy = remedy

    def __reduce__(self) -> tuple[type[TrainingDiverged], tuple[str, str]]:
        """Let it be sent to another process."""
        return type(self), (self.evidence, self.remedy)


class OutOfMemory(GanpipeError):
    """A GPU has less memory than the training of params.yaml needs."""


class PreflightError(GanpipeError):
    """A check before the training found that the system cannot learn this data with these params."""


class CheckpointError(GanpipeError):
    """A checkpoint or a published generator cannot be loaded."""


class MetricError(GanpipeError):
    """A metric has no honest value for this input: too few items, or values that are not finite."""
