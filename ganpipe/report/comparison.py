"""`ganpipe compare`: experiments side by side on one page, with a warning where their scores are not comparable."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganpipe.errors import ConfigError
from ganpipe.report import curves, experiments, params_table, read_files, rendering, scores
from ganpipe.report.read_files import EmbeddedPicture
from ganpipe.report.scores import Block, Score
from ganpipe.report.seeds import over_seeds
from ganpipe.tracking.experiment import Experiment

_CONDITIONS = {"evaluate.neighbours": "neighbours", "evaluate.seed": "evaluate.seed"}
"""Params that decide scores: the key, and the name on the page."""


@dataclass(frozen=True)
class Contestant:
    """One experiment of the comparison with all that is read from its files."""

    experiment: Experiment
    label: str
    colour: str
    found: Mapping[str, Any]  # metrics.json
    pictures: Sequence[EmbeddedPicture]
    findings: Sequence[Mapping[str, Any]] | None  # None: there is no file of them


@dataclass(frozen=True)
class ScoreLine:
    """One score of all experiments."""

    title: str
    about: str
    better: str
    cells: Sequence[Score | None]  # None: this experiment lacks the score
    best: Sequence[bool]  # False for all if the experiments are not comparable


@dataclass(frozen=True)
class ScoreTable:
    """The same block of scores of all experiments, and the reasons not to compare them."""

    name: str  # of the block
    protocol: Sequence[tuple[str, Sequence[str]]]  # a condition of all scores in the table, and its values
    lines: Sequence[ScoreLine]
    obstacles: Sequence[tuple[str, Sequence[str]]]  # a condition that differs, and its values


def write_comparison(names: Sequence[str], out: Path) -> list[Experiment]:
    """Write the page of the experiments of these names, see `experiments.find`; return them.

    Raises `ConfigError` for fewer than two names or an unknown one, `DataError` for damaged files.
    """
    if len(names) < 2 or len(set(names)) < len(names):
        raise ConfigError(f"ganpipe compare needs two or more different names, got: {', '.join(names) or 'none'}")
    with tempfile.TemporaryDirectory(prefix="ganpipe-compare-") as folder:
        found = experiments.find(names, Path(folder))
        contestants = [_contestant(index, experiment) for index, experiment in enumerate(_told_apart(found, names))]
        histories = {one.label: read_files.read_history(one.experiment.folder) for one in contestants}
    rendering.write_page(
        "compare.html",
        out,
        contestants=contestants,
        differing=params_table.differing([one.experiment.params for one in contestants]),
        tables=score_tables(contestants),
        groups=over_seeds([(one.label, one.experiment, one.found) for one in contestants]),
        charts=curves.overlaid_charts(histories),
        pictures=_pictures(contestants),
        facts=_facts(contestants),
        missing=_missing(contestants, histories),
    )
    return found


def score_tables(contestants: Sequence[Contestant]) -> list[ScoreTable]:
    """Return a table for each block of scores that any experiment has."""
    blocks = [{block.name: block for block in scores.read_blocks(one.found)} for one in contestants]
    names = dict.fromkeys(name for found in blocks for name in found)
    return [_score_table(name, contestants, [found.get(name) for found in blocks]) for name in names]


def _score_table(name: str, contestants: Sequence[Contestant], blocks: Sequence[Block | None]) -> ScoreTable:
    identities = [block.identity if block else "" for block in blocks]
    scored = [one if block else None for one, block in zip(contestants, blocks, strict=True)]
    obstacles = _obstacles(scored, identities)
    named = [{score.name: score for score in block.scores} if block else {} for block in blocks]
    order = dict.fromkeys(score.name for block in blocks if block for score in block.scores)
    lines = [_score_line([found.get(score) for found in named], bool(obstacles)) for score in order]
    return ScoreTable(name, _written(_protocol(scored, identities)), lines, obstacles)


def _score_line(cells: Sequence[Score | None], incomparable: bool) -> ScoreLine:
    first = next(score for score in cells if score)
    best = [False] * len(cells) if incomparable else scores.best(cells)
    return ScoreLine(first.title, first.about, first.better, cells, best)


def _obstacles(scored: Sequence[Contestant | None], identities: Sequence[str]) -> list[tuple[str, Sequence[str]]]:
    """Return the conditions that differ between the experiments with scores, each with all its values."""
    conditions: dict[str, Sequence[Any]] = {
        "data": [one and (one.experiment.data_sha256[:12] or "unknown") for one in scored],
        **_protocol(scored, identities),
    }
    for key, name in _CONDITIONS.items():
        conditions[name] = [one and one.experiment.params.get(key) for one in scored]
    differing: dict[str, Sequence[Any]] = {}
    for name, values in conditions.items():
        present = [value for value, one in zip(values, scored, strict=True) if one]
        if any(value != present[0] for value in present) or "unknown" in present:
            differing[name] = values
    return _written(differing) if sum(one is not None for one in scored) > 1 else []


def _protocol(scored: Sequence[Contestant | None], identities: Sequence[str]) -> dict[str, Sequence[Any]]:
    """Return the extractor and the numbers of items for each experiment; None for one without scores."""
    return {
        **({"extractor": identities} if any(identities) else {}),
        "samples": [one and one.found.get("n_fake") for one in scored],
        "real items": [one and one.found.get("n_real") for one in scored],
    }


def _written(conditions: Mapping[str, Sequence[Any]]) -> list[tuple[str, Sequence[str]]]:
    return [(name, ["" if value is None else str(value) for value in values]) for name, values in conditions.items()]


def _told_apart(found: Sequence[Experiment], names: Sequence[str]) -> list[Experiment]:
    """Return the experiments; those with the same name get the name by which they were found behind it."""
    taken = [experiment.name for experiment in found]
    return [
        experiment
        if taken.count(experiment.name) == 1
        else Experiment(**{**vars(experiment), "name": f"{experiment.name} ({name})"})
        for experiment, name in zip(found, names, strict=True)
    ]


def _contestant(index: int, experiment: Experiment) -> Contestant:
    return Contestant(
        experiment,
        label=experiment.name,
        colour=curves.COLOURS[index % len(curves.COLOURS)],
        found=read_files.read_scores(experiment.folder),
        pictures=read_files.read_samples(experiment.folder),
        findings=read_files.read_findings(experiment.folder),
    )


def _pictures(contestants: Sequence[Contestant]) -> list[tuple[str, list[EmbeddedPicture | None]]]:
    """Return every caption with the picture that each experiment has under it."""
    captions = dict.fromkeys(picture.caption for one in contestants for picture in one.pictures)
    by_caption = [{picture.caption: picture for picture in one.pictures} for one in contestants]
    return [(caption, [found.get(caption) for found in by_caption]) for caption in captions]


def _facts(contestants: Sequence[Contestant]) -> list[tuple[str, list[str]]]:
    facts = [
        ("data (sha256)", [one.experiment.data_sha256[:12] or "unknown" for one in contestants]),
        ("recorded", [one.experiment.recorded for one in contestants]),
    ]
    for name in dict.fromkeys(name for one in contestants for name in one.experiment.facts):
        facts.append((name, [one.experiment.facts.get(name, "") for one in contestants]))
    return facts


def _missing(contestants: Sequence[Contestant], histories: Mapping[str, Sequence[Any]]) -> list[str]:
    lines = []
    for one in contestants:
        parts = {
            "curves": histories[one.label],
            "diagnostics": one.findings is not None,
            "scores": one.found,
            "samples": one.pictures,
        }
        if gone := [name for name, content in parts.items() if not content]:
            lines.append(f"{one.label}: no {', no '.join(gone)} to be found")
    return lines
