"""The trials of a sweep one after the other: without MLflow, and where somebody edits the code meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganpipe.errors import DataError, GanpipeError
from ganpipe.sweeps import sweep
from ganpipe.sweeps.preloaded import Preloaded
from ganpipe.sweeps.study import Asked, Study
from ganpipe.sweeps.trial import Trials


@pytest.fixture
def common(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trials:
    """A sweep of three trials that take no time, whose MLflow is away."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    (tmp_path / ".dvc").mkdir()

    def away(*_: object, **__: object) -> None:
        raise GanpipeError("nobody answers")

    monkeypatch.setattr(sweep, "note_progress", away)
    monkeypatch.setattr(Trials, "run", lambda self, claim, python: (float(claim.number), {}))
    asked = Asked((), 1, "pattern.fd", False, "random", "none", {"train.seed": 0})
    return Trials(Study("s", f"sqlite:///{tmp_path}/study.db", asked, 3), {}, range(1), "pattern.fd", "", tmp_path)


@pytest.fixture
def python(monkeypatch: pytest.MonkeyPatch) -> Preloaded:
    """A preloaded Python that no trial of these tests asks."""
    monkeypatch.setattr(Preloaded, "__init__", lambda self: None)
    return Preloaded()


def test_trials_go_on_without_mlflow_and_a_line_says_so(common: Trials, python: Preloaded) -> None:
    lines = list(sweep._run(common, python, 3))
    assert lines[::2] == ["The sweep's own row was not updated: nobody answers"] * 3
    assert [line.partition(":")[0] for line in lines[1::2]] == ["1 of 3", "2 of 3", "3 of 3"]


def test_edited_code_ends_a_sweep_before_the_next_trial_and_it_goes_on_later(
    common: Trials, python: Preloaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = [{"a.py": 1}, {"a.py": 1}, {"a.py": 2}]
    with monkeypatch.context() as edited:
        edited.setattr(sweep, "_code", lambda: code.pop(0))
        with pytest.raises(DataError, match="the code has changed"):
            list(sweep._run(common, python, 3))
    assert len(common.study.done()) == 1
    assert len(list(sweep._run(common, python, 3))) == 4  # two lines for each of the other two
