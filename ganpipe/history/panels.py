"""What the curves of a training are to be read against, and their picture: balance, real items, what went wrong.

`panels` is the only place that knows it: `data/curves.png` and the pages of `ganpipe report` and `compare` follow it.
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
    """What belongs into one chart of a training."""

    title: str
    about: str  # one sentence for a page, where there is room
    columns: Mapping[str, str]  # of the history, each with its label; drawn where the history has them
    ideal: Mapping[str, float] = field(default_factory=dict)  # by column, lines across
    meaning: str = ""  # of the ideal


def panels(ideal: Mapping[str, float]) -> list[Panel]:
    """Return the charts of a training in their order; `ideal` are the losses at balance by column, see `System.ideal`.

    All other columns of the history are terms of these or statistics beside them.
    """
    losses, scores = ({f"{kind}_{player}": player for player in _PLAYERS} for kind in ("loss", "score"))
    diversity = {"diversity": "mean distance of two", "diversity_nearest": "distance to the nearest"}
    return [
        Panel("Losses", "Of each player, its terms added up.", losses, ideal, "at balance"),
        Panel(
            "Scores",
            "At 0.5 the discriminator cannot tell.",
            scores,
            dict.fromkeys(scores, _BALANCED_SCORE),
            "at balance",
        ),
        Panel(
            "Diversity of the samples",
            "How far apart they are by pixels, in parts of what real items are.",
            diversity,
            dict.fromkeys(diversity, _AS_REAL),
            "as real items",
        ),
        Panel("Fréchet distance in training", "By the cheap extractor, lower is better; not FID.", {"fd": "fd"}),
    ]


def draw_curves(path: Path, rows: Sequence[Row], ideal: Mapping[str, float], marks: Mapping[str, float]) -> None:
    """Draw the history into a PNG: a panel each for losses, scores, diversity and `fd`, if there are any.

    `ideal` are the losses at balance by column, dashed; `marks` are findings, name to kimg, as vertical lines.
    The same content and version of matplotlib give the same bytes.
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
    for number, (column, label) in enumerate(panel.columns.items()):
        points = [(row["kimg"], row[column]) for row in rows if column in row]
        if not points:
            continue
        colour = f"C{number}"
        sparse: dict[str, Any] = {"marker": "."} if len(points) < len(rows) or len(points) == 1 else {}
        axis.plot(*zip(*points, strict=True), color=colour, linewidth=1.2, label=label, **sparse)
        if column in panel.ideal:
            axis.axhline(panel.ideal[column], color=colour, linewidth=0.9, linestyle="--")
    axis.set_title(f"{panel.title}, dashed: {panel.meaning}" if panel.ideal else panel.title, loc="left", fontsize=10)
    axis.grid(alpha=0.3)
    axis.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(panel.columns), fontsize=8, frameon=False)


def _draw_marks(axis: Axes, marks: Mapping[str, float], named: bool) -> None:
    for number, (name, kimg) in enumerate(marks.items()):
        axis.axvline(kimg, color="red", linewidth=1, linestyle=":")
        if named:
            place = (kimg, 0.95 - 0.1 * (number % 8))
            axis.annotate(name, place, xycoords=axis.get_xaxis_transform(), color="red", fontsize=8, va="top")
