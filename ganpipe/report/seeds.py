"""The spread of scores over seeds: experiments of a comparison that differ in `train.seed` alone."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ganpipe.report.params_table import differing
from ganpipe.report.scores import Score, read_blocks
from ganpipe.tracking.experiment import Experiment

SEED = "train.seed"


@dataclass(frozen=True)
class Spread:
    """One score over seeds."""

    block: str  # of scores
    title: str
    about: str
    mean: float
    std: float  # of the single values, n - 1 in its denominator
    lowest: float
    highest: float


@dataclass(frozen=True)
class Seeds:
    """Experiments that are the same but for the seed of their training."""

    labels: Sequence[str]
    spreads: Sequence[Spread]  # of the scores that all of them have


class _Member(NamedTuple):
    label: str
    experiment: Experiment
    scores: Mapping[str, Any]


def over_seeds(found: Sequence[tuple[str, Experiment, Mapping[str, Any]]]) -> list[Seeds]:
    """Return the groups of two or more among experiments, each given by its label and the content of metrics.json.

    Their params are equal but for the seed of the training and the section `runtime`, and so is their data, if known.
    """
    groups: list[list[_Member]] = []
    for label, experiment, scores in found:
        if not scores:
            continue
        member = _Member(label, experiment, scores)
        same = next((group for group in groups if _differ_in_the_seed(member, group)), None)
        if same is None:
            groups.append([member])
        else:
            same.append(member)
    return [_seeds(group) for group in groups if len(group) > 1]


def _differ_in_the_seed(member: _Member, group: Sequence[_Member]) -> bool:
    return all(
        [key for key, _ in differing([member.experiment.params, other.experiment.params])] == [SEED]
        and member.experiment.data_sha256 == other.experiment.data_sha256
        for other in group
    )


def _seeds(members: Sequence[_Member]) -> Seeds:
    tables = [
        {(block.name, score.name): score for block in read_blocks(member.scores) for score in block.scores}
        for member in members
    ]
    common = [key for key in tables[0] if all(key in table for table in tables)]
    return Seeds(
        [member.label for member in members], [_spread(key[0], [table[key] for table in tables]) for key in common]
    )


def _spread(block: str, cells: Sequence[Score]) -> Spread:
    values = [cell.value for cell in cells]
    return Spread(
        block,
        cells[0].title,
        cells[0].about,
        statistics.fmean(values),
        statistics.stdev(values),
        min(values),
        max(values),
    )
