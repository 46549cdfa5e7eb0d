"""The picture of a training: its losses and scores over images shown, with the lines of balance and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ganpipe.files import replacing
from ganpipe.history import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = {"generator": "C0", "discriminator": "C1", "diversity": "C2", "diversity_nearest": "C4", "fd": "C3"}
_PANEL = (8.0, 2.6)  # inches
_BALANCED_SCORE = 0.5
_AS_REAL = 1.0


class _Panel(NamedTuple):
    title: str
    columns: tuple[str, ...]  # drawn where the history has them; a panel without any is left out
    ideal: Mapping[str, float]


def draw_curves(path: Path, rows: Sequence[Row], ideal: Mapping[str, float], marks: Mapping[str, float]) -> None:
    """Draw the history into a PNG: a panel each for losses, scores, diversity and `fd`, if there are any.

    `ideal` are the losses at balance by column, dashed; `marks` are findings, name to kimg, as vertical lines.
    The same content and version of matplotlib give the same bytes.
    """
    import matplotlib
    from matplotlib.figure import Figure

    panels = [panel for panel in _panels(ideal) if any(set(panel.columns) & row.keys() for row in rows)]
    with matplotlib.rc_context(), replacing(path) as part:
        matplotlib.rcdefaults()  # not the user's own taste
        figure = Figure(figsize=(_PANEL[0], _PANEL[1] * len(panels)), layout="constrained")
        axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
        for axis, panel in zip(axes, panels, strict=True):
            _draw_panel(axis, panel, rows)
            _draw_marks(axis, marks, named=axis is axes[0])
        axes[-1].set_xlabel("thousands of real images shown (kimg)")
        figure.savefig(part, format="png", dpi=100, metadata={"Software": None})


def _panels(ideal: Mapping[str, float]) -> list[_Panel]:
    scores = ("score_generator", "score_discriminator")
    diversity = ("diversity", "diversity_nearest")
    return [
        _Panel("losses, dashed: at balance" if ideal else "losses", ("loss_generator", "loss_discriminator"), ideal),
        _Panel("scores, dashed: at balance", scores, dict.fromkeys(scores, _BALANCED_SCORE)),
        _Panel("diversity, dashed: as real items", diversity, dict.fromkeys(diversity, _AS_REAL)),
        _Panel("Fréchet distance", ("fd",), {}),
    ]


def _draw_panel(axis: Axes, panel: _Panel, rows: Sequence[Row]) -> None:
    for column in panel.columns:
        points = [(row["kimg"], row[column]) for row in rows if column in row]
        if not points:
            continue
        name = column.removeprefix("loss_").removeprefix("score_")
        sparse: dict[str, Any] = {"marker": "."} if len(points) < len(rows) or len(points) == 1 else {}
        axis.plot(*zip(*points, strict=True), color=_COLOURS[name], linewidth=1.2, label=name, **sparse)
        if column in panel.ideal:
            axis.axhline(panel.ideal[column], color=_COLOURS[name], linewidth=0.9, linestyle="--")
    axis.set_title(panel.title, loc="left", fontsize=10)
    axis.grid(alpha=0.3)
    axis.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(panel.columns), fontsize=8, frameon=False)


def _draw_marks(axis: Axes, marks: Mapping[str, float], named: bool) -> None:
    for number, (name, kimg) in enumerate(marks.items()):
        axis.axvline(kimg, color="red", linewidth=1, linestyle=":")
        if named:
            place = (kimg, 0.95 - 0.1 * (number % 8))
            axis.annotate(name, place, xycoords=axis.get_xaxis_transform(), color="red", fontsize=8, va="top")
