"""Which columns of a history belong into one chart, with their reference lines, and the picture `data/curves.png`.

`panels` is the only list of charts: the picture and the pages of `ganpipe report` and `ganpipe compare` follow it. A
chart is drawn where the history has one of its columns, and a line from the first row on that has a value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganpipe.files import replacing
from ganpipe.history.table import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PANEL = (8.0, 2.6)  # inches
_PLAYERS = ("generator", "discriminator")
_BALANCED_SCORE = 0.5
_AS_REAL = 1.0


@dataclass(frozen=True)
class Panel:
    """One chart of a training."""

    title: str
    about: str  # one sentence, for a page
    columns: Mapping[str, str]  # column of the history -> label of its line
    ideal: Mapping[str, float] = field(default_factory=dict)  # column -> the value of its dashed reference line
    meaning: str = ""  # what the reference lines stand for


def panels(ideal: Mapping[str, float]) -> list[Panel]:
    """Return the charts of a training in their order.

    `ideal` gives the losses at balance by column, see `System.ideal`. Columns in none of the charts are terms of the
    losses, or statistics.
    """
    losses, scores = ({f"{kind}_{player}": player for player in _PLAYERS} for kind in ("loss", "score"))
    diversity = {"diversity": "mean distance of two", "diversity_nearest": "distance to the nearest"}
    return [
        Panel("Losses", "Of each player, its terms added up.", losses, ideal, "at balance"),
        Panel(
            "Scores",
            "At 0.5 the discriminator cannot tell real from generated.",
            scores,
            dict.fromkeys(scores, _BALANCED_SCORE),
            "at balance",
        ),
        Panel(
            "Diversity of the samples",
            "Pixel distances between samples, divided by those between real items.",
            diversity,
            dict.fromkeys(diversity, _AS_REAL),
            "as real items",
        ),
        Panel("Fréchet distance in training", "By the cheap extractor, lower is better; not FID.", {"fd": "fd"}),
    ]


def draw_curves(path: Path, rows: Sequence[Row], ideal: Mapping[str, float], marks: Mapping[str, float]) -> None:
    """Draw a history into a PNG, one panel above the other, atomically.

    `ideal` gives the losses at balance by column, drawn dashed; `marks` gives the kimg of each finding by name, drawn
    as vertical lines. The same content and version of matplotlib give the same bytes.
    """
    import matplotlib
    from matplotlib.figure import Figure

    drawn = [panel for panel in panels(ideal) if any(panel.columns.keys() & row.keys() for row in rows)]
    with matplotlib.rc_context(), replacing(path) as part:
        matplotlib.rcdefaults()  # not the user's own taste
        figure = Figure(figsize=(_PANEL[0], _PANEL[1] * len(drawn)), layout="constrained")
        axes = figure.subplots(len(drawn), 1, sharex=True, squeeze=False)[:, 0]
        for axis, panel in zip(axes, drawn, strict=True):
            _draw_panel(axis, panel, rows)
            _draw_marks(axis, marks, named=axis is axes[0])
        axes[-1].set_xlabel("thousands of real images shown (kimg)")
        figure.savefig(part, format="png", dpi=100, metadata={"Software": None})


def _draw_panel(axis: Axes, panel: Panel, rows: Sequence[Row]) -> None:
    meaning = ""
    for number, (column, label) in enumerate(panel.columns.items()):
        points = [(row["kimg"], row[column]) for row in rows if column in row]
        if not points:
            continue
        colour = f"C{number}"
        sparse: dict[str, Any] = {"marker": "."} if len(points) < len(rows) or len(points) == 1 else {}
        axis.plot(*zip(*points, strict=True), color=colour, linewidth=1.2, label=label, **sparse)
        if column in panel.ideal:
            axis.axhline(panel.ideal[column], color=colour, linewidth=0.9, linestyle="--")
            meaning = f", dashed: {panel.meaning}"
    axis.set_title(f"{panel.title}{meaning}", loc="left", fontsize=10)
    axis.grid(alpha=0.3)
    axis.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(panel.columns), fontsize=8, frameon=False)


def _draw_marks(axis: Axes, marks: Mapping[str, float], named: bool) -> None:
    for number, (name, kimg) in enumerate(marks.items()):
        axis.axvline(kimg, color="red", linewidth=1, linestyle=":")
        if named:
            place = (kimg, 0.95 - 0.1 * (number % 8))
            axis.annotate(name, place, xycoords=axis.get_xaxis_transform(), color="red", fontsize=8, va="top")
