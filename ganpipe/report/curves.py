"""Curves as charts for a page: a path in a stretched SVG, with its ticks as texts beside it.

This is a second drawing engine beside `ganpipe.history.panels.draw_curves`, for two reasons. Under the pointer the page
reads out the values of all lines (`script.js`), which a picture or an SVG of matplotlib cannot. And the SVG fills its
box at any width (`preserveAspectRatio="none"`) while texts keep their size, so that a chart is as readable on a phone
as on a desk. Libraries that do both put megabytes into every page. Both engines draw the charts of `panels`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from matplotlib.ticker import MaxNLocator

from ganpipe.history.panels import panels
from ganpipe.history.table import Row

WIDTH, HEIGHT = 1000, 400  # of the viewBox
MOST_POINTS = 600  # of one line; of a longer one the least and the greatest value of each section are drawn
COLOURS = ("#1f6fb2", "#c8571b", "#2b8a57", "#8c4fa8", "#b3892b", "#c23b5e", "#4b5d73", "#1f9aa0")
"""The colours of lines, in turn. Most colour-blind people tell neighbours apart."""

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Line:
    """A named curve of (kimg, value); values that are not finite interrupt it."""

    label: str
    colour: str
    points: Points


@dataclass(frozen=True)
class Tick:
    """A number on an axis, `at` per cent of its length from the left or the top."""

    at: float
    text: str


@dataclass(frozen=True)
class Ideal:
    """A dashed line across, `at` per cent from the top; `colour` is empty where it holds for all lines."""

    at: float
    text: str
    colour: str


@dataclass(frozen=True)
class Guides:
    """The reference lines of a chart."""

    ideal: Mapping[str, float] = field(default_factory=dict)  # label of a line -> its value
    meaning: str = ""  # what these values stand for
    marks: Mapping[str, float] = field(default_factory=dict)  # name of a finding -> its kimg


@dataclass(frozen=True)
class Chart:
    """All that the template draws of one chart."""

    title: str
    about: str  # one sentence, may be empty
    paths: Sequence[tuple[str, str, str]]  # label, colour, SVG path
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    ideals: Sequence[Ideal]
    marks: Sequence[Tick]  # vertical lines
    values: str  # JSON for the read-out under the pointer: the range of kimg, and each line's points


def training_charts(rows: Sequence[Row], ideal: Mapping[str, float], marks: Mapping[str, float]) -> list[Chart]:
    """Return the charts of `ganpipe.history.panels.panels`; `ideal` and `marks` are those of `draw_curves`."""
    charts: list[Chart] = []
    for panel in panels(ideal):
        labels = panel.columns.items()
        lines = [line(label, COLOURS[i], rows, column) for i, (column, label) in enumerate(labels)]
        at = {label: panel.ideal[column] for column, label in labels if column in panel.ideal}
        charts += _drawn(panel.title, panel.about, lines, Guides(at, panel.meaning, marks))
    return charts


def other_charts(rows: Sequence[Row]) -> list[Chart]:
    """Return a chart for each group of the remaining columns: the terms of each player, and other statistics."""
    elsewhere = {"kimg"}.union(*(panel.columns for panel in panels({})))
    named = sorted({name for row in rows for name in row} - elsewhere)
    groups: dict[str, list[str]] = {}
    for name in named:
        head, slash, _ = name.partition("/")
        groups.setdefault(head if slash else name.partition("_")[0], []).append(name)
    return [
        chart
        for group, names in groups.items()
        for chart in _drawn(
            group.capitalize(),
            "",
            [
                line(name.partition("/")[2] or name, COLOURS[i % len(COLOURS)], rows, name)
                for i, name in enumerate(names)
            ],
        )
    ]


def overlaid_charts(histories: Mapping[str, Sequence[Row]]) -> list[Chart]:
    """Return a chart for each column of the panels, with one line for each experiment, in the colour of its place.

    Losses at balance differ between systems and are left out.
    """
    charts: list[Chart] = []
    for panel in panels({}):
        for column, label in panel.columns.items():
            title = f"{panel.title}: {label}" if len(panel.columns) > 1 else panel.title
            lines = [
                line(name, COLOURS[i % len(COLOURS)], rows, column) for i, (name, rows) in enumerate(histories.items())
            ]
            at = dict.fromkeys(histories, panel.ideal[column]) if column in panel.ideal else {}
            charts += _drawn(title, panel.about, lines, Guides(at, panel.meaning))
    return charts


def line(label: str, colour: str, rows: Sequence[Row], column: str) -> Line:
    """Return a column of a history as a line."""
    return Line(label, colour, [(row["kimg"], row[column]) for row in rows if column in row])


def _drawn(title: str, about: str, lines: Sequence[Line], guides: Guides = Guides()) -> list[Chart]:
    """Return one chart of the lines with two finite values or more, or no chart where there is no such line."""
    lines = [line for line in lines if sum(math.isfinite(value) for _, value in line.points) >= 2]
    return [draw(title, about, lines, guides)] if lines else []


def draw(title: str, about: str, lines: Sequence[Line], guides: Guides = Guides()) -> Chart:
    """Lay out a chart of lines with at least one finite value."""
    finite = [(x, y) for line in lines for x, y in line.points if math.isfinite(y)]
    ideals = [(line.colour, guides.ideal[line.label]) for line in lines if line.label in guides.ideal]
    low, high = _range([*(x for x, _ in finite), *guides.marks.values()])
    floor, top = _range([*(y for _, y in finite), *(value for _, value in ideals)])
    x_ticks = [value for value in _ticks(low, high, 6) if low <= value <= high]
    y_ticks = _ticks(floor, top, 5)
    floor, top = min(floor, y_ticks[0]), max(top, y_ticks[-1])
    thinned = [Line(line.label, line.colour, _thinned(line.points)) for line in lines]

    def from_left(value: float) -> float:
        return round(100 * (value - low) / (high - low), 3)

    def from_top(value: float) -> float:
        return round(100 * (top - value) / (top - floor), 3)

    shared = len({value for _, value in ideals}) == 1
    across = dict.fromkeys(("" if shared else colour, value) for colour, value in ideals)
    return Chart(
        title=title,
        about=about,
        paths=[(line.label, line.colour, _path(line.points, (low, high), (floor, top))) for line in thinned],
        x_ticks=[Tick(from_left(value), f"{value:g}") for value in x_ticks],
        y_ticks=[Tick(from_top(value), f"{value:g}") for value in y_ticks],
        ideals=[Ideal(from_top(value), f"{guides.meaning} {value:.3g}", colour) for colour, value in across],
        marks=[Tick(from_left(kimg), name.replace("_", " ")) for name, kimg in guides.marks.items()],
        values=json.dumps({"range": [low, high], "lines": [_readable(line) for line in thinned]}),
    )


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2)


def _ticks(low: float, high: float, count: int) -> list[float]:
    ticks = MaxNLocator(count, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return [float(f"{value:.10g}") for value in ticks]


def _path(points: Points, x: tuple[float, float], y: tuple[float, float]) -> str:
    parts, pen = [], "M"
    for at, value in points:
        if not math.isfinite(value):
            pen = "M"
            continue
        across = WIDTH * (at - x[0]) / (x[1] - x[0])
        down = HEIGHT * (y[1] - value) / (y[1] - y[0])
        parts.append(f"{pen}{across:.1f} {down:.1f}")
        pen = "L"
    return "".join(parts)


def _thinned(points: Points) -> Points:
    """Keep the least and the greatest value of each section, so that no spike is lost."""
    if len(points) <= MOST_POINTS:
        return points
    size = -(-len(points) // (MOST_POINTS // 2))
    kept: list[tuple[float, float]] = []
    for start in range(0, len(points), size):
        section = sorted(points[start : start + size], key=lambda point: (not math.isfinite(point[1]), point[1]))
        finite = [point for point in section if math.isfinite(point[1])]
        kept += sorted({finite[0], finite[-1]} if finite else {section[0]})
    return kept


def _readable(line: Line) -> dict[str, object]:
    points = [[x, float(f"{y:.4g}")] for x, y in line.points if math.isfinite(y)]
    return {"label": line.label, "colour": line.colour, "points": points}
