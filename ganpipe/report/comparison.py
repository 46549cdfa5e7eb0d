"""`ganpipe compare`: experiments side by side on one page, and whether their scores may be compared at all."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganpipe.errors import ConfigError
from ganpipe.report import curves, experiments, rendering, scores
from ganpipe.report import params_table as settings
from ganpipe.report import read_files as material
from ganpipe.report.scores import Score
from ganpipe.tracking.experiment import Experiment

_CONDITIONS = {"evaluate.neighbours": "neighbours", "evaluate.seed": "evaluate.seed"}
"""Params that scores are computed under, and what a page calls them."""


@dataclass(frozen=True)
class Column:
    """One experiment of the comparison with all that is read from its files."""

    experiment: Experiment
    label: str
    colour: str
    found: Mapping[str, Any]  # metrics.json
    pictures: Sequence[material.Shown]
    findings: Sequence[Mapping[str, Any]] | None  # None: nobody looked for them


@dataclass(frozen=True)
class Compared:
    """One score of all experiments; `best` marks the best of comparable ones."""

    title: str
    about: str
    better: str
    cells: Sequence[Score | None]
    best: Sequence[bool]


@dataclass(frozen=True)
class Table:
    """The scores of all experiments through one extractor, and why they must not be compared, if so."""

    extractor: str
    protocol: Sequence[tuple[str, Sequence[str]]]  # what all numbers below depend on
    rows: Sequence[Compared]
    obstacles: Sequence[tuple[str, Sequence[str]]]


def write_comparison(names: Sequence[str], out: Path) -> list[Experiment]:
    """Write the page of the experiments of these names, see `experiments.find`; return them.

    Raises `ConfigError` for fewer than two names or an unknown one, `DataError` for damaged files.
    """
    if len(names) < 2 or len(set(names)) < len(names):
        raise ConfigError(f"ganpipe compare needs two or more different names, got: {', '.join(names) or 'none'}")
    with tempfile.TemporaryDirectory(prefix="ganpipe-compare-") as folder:
        found = experiments.find(names, Path(folder))
        columns = [_column(index, experiment) for index, experiment in enumerate(_told_apart(found, names))]
        histories = {column.label: material.read_history(column.experiment.folder) for column in columns}
    rendering.write_page(
        "compare.html",
        out,
        columns=columns,
        differing=settings.differing([column.experiment.params for column in columns]),
        tables=score_tables(columns),
        charts=curves.overlaid_charts(histories),
        pictures=_pictures(columns),
        facts=_facts(columns),
        missing=_missing(columns, histories),
    )
    return found


def score_tables(columns: Sequence[Column]) -> list[Table]:
    """Arrange scores by extractor and flag those that were computed under unequal conditions."""
    judged = [{one.extractor: one for one in scores.judged(column.found)} for column in columns]
    tables = []
    for extractor in dict.fromkeys(name for found in judged for name in found):
        found = [one.get(extractor) for one in judged]
        identities = [one.identity if one else "" for one in found]
        scored = [column if one else None for column, one in zip(columns, found, strict=True)]
        obstacles = _obstacles(scored, identities)
        named = [{score.name: score for score in one.scores} if one else {} for one in found]
        order = dict.fromkeys(score.name for one in found if one for score in one.scores)
        rows = [_compared([scores_of.get(name) for scores_of in named], bool(obstacles)) for name in order]
        tables.append(Table(extractor, _written(_protocol(scored, identities)), rows, obstacles))
    return tables


def _compared(cells: Sequence[Score | None], incomparable: bool) -> Compared:
    first = next(score for score in cells if score)
    best = [False] * len(cells) if incomparable else scores.best(cells)
    return Compared(first.title, first.about, first.better, cells, best)


def _obstacles(columns: Sequence[Column | None], identities: Sequence[str]) -> list[tuple[str, Sequence[str]]]:
    """Return what differs among the experiments with scores that must be equal, with the value of each."""
    conditions: dict[str, Sequence[Any]] = {
        "data": [column and (column.experiment.data_sha256[:12] or "unknown") for column in columns],
        **_protocol(columns, identities),
    }
    for key, name in _CONDITIONS.items():
        conditions[name] = [column and column.experiment.params.get(key) for column in columns]
    differing: dict[str, Sequence[Any]] = {}
    for name, values in conditions.items():
        present = [value for value, column in zip(values, columns, strict=True) if column]
        if any(value != present[0] for value in present) or "unknown" in present:
            differing[name] = values
    return _written(differing) if sum(column is not None for column in columns) > 1 else []


def _protocol(columns: Sequence[Column | None], identities: Sequence[str]) -> dict[str, Sequence[Any]]:
    """Return what scored each experiment, and how many items were scored; None for one without scores."""
    return {
        "extractor": identities,
        "samples": [column and column.found.get("n_fake") for column in columns],
        "real items": [column and column.found.get("n_real") for column in columns],
    }


def _written(rows: Mapping[str, Sequence[Any]]) -> list[tuple[str, Sequence[str]]]:
    return [(name, ["" if value is None else str(value) for value in values]) for name, values in rows.items()]


def _told_apart(found: Sequence[Experiment], names: Sequence[str]) -> list[Experiment]:
    """Return the experiments; those of the same name get what they were asked for by."""
    taken = [experiment.name for experiment in found]
    return [
        experiment
        if taken.count(experiment.name) == 1
        else Experiment(**{**vars(experiment), "name": f"{experiment.name} ({name})"})
        for experiment, name in zip(found, names, strict=True)
    ]


def _column(index: int, experiment: Experiment) -> Column:
    return Column(
        experiment,
        label=experiment.name,
        colour=curves.COLOURS[index % len(curves.COLOURS)],
        found=material.read_scores(experiment.folder),
        pictures=material.read_samples(experiment.folder),
        findings=material.read_findings(experiment.folder),
    )


def _pictures(columns: Sequence[Column]) -> list[tuple[str, list[material.Shown | None]]]:
    """Return what the sample stage drew, each kind of picture with that of each experiment."""
    captions = dict.fromkeys(picture.caption for column in columns for picture in column.pictures)
    by_caption = [{picture.caption: picture for picture in column.pictures} for column in columns]
    return [(caption, [found.get(caption) for found in by_caption]) for caption in captions]


def _facts(columns: Sequence[Column]) -> list[tuple[str, list[str]]]:
    rows = [
        ("data (sha256)", [column.experiment.data_sha256[:12] or "unknown" for column in columns]),
        ("recorded", [column.experiment.recorded for column in columns]),
    ]
    for name in dict.fromkeys(name for column in columns for name in column.experiment.facts):
        rows.append((name, [column.experiment.facts.get(name, "") for column in columns]))
    return rows


def _missing(columns: Sequence[Column], histories: Mapping[str, Sequence[Any]]) -> list[str]:
    said = []
    for column in columns:
        parts = {
            "curves": histories[column.label],
            "diagnostics": column.findings is not None,
            "scores": column.found,
            "samples": column.pictures,
        }
        if gone := [name for name, content in parts.items() if not content]:
            said.append(f"{column.label}: no {', no '.join(gone)} to be found")
    return said
