"""`ganpipe report`: the experiment of the current folder on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ganpipe import paths
from ganpipe.report import curves, experiments, provenance, rendering, scores
from ganpipe.report import params_table as settings
from ganpipe.report import read_files as material

_PROTOCOL = {
    "n_fake": "samples",
    "n_real": "real items, and as many others for the floor",
    "evaluate.neighbours": "neighbours of precision, recall, density and coverage",
    "evaluate.seed": "seed that cuts the real data into halves",
    "sample.seed": "seed of the samples",
    "train.seed": "seed of the training",
}
"""What scores depend on beside the extractor, by the key of metrics.json or params.yaml."""


def write_report(out: Path) -> None:
    """Write the page of the current folder. What is missing is said on it. Raises `DataError`, `ConfigError`."""
    experiment = experiments.workspace()
    history = material.read_history(experiment.folder)
    found = material.read_scores(experiment.folder)
    per_class = material.read_per_class(experiment.folder)
    findings = material.read_findings(experiment.folder)
    marks = {finding["name"]: finding["kimg"] for finding in findings or ()}
    content = {
        "experiment": experiment,
        "settings": settings.read_settings(paths.PARAMS),
        "judged": scores.judged(found),
        "headlines": scores.headlines,
        "protocol": _protocol({**experiment.params, **found}),
        "charts": curves.training_charts(history, material.read_ideal(paths.MODEL) if history else {}, marks),
        "other_charts": curves.other_charts(history),
        "kimg": history[-1]["kimg"] if history else None,
        "previews": material.read_previews(experiment.folder),
        "pictures": material.read_samples(experiment.folder),
        "strips": paths.SAMPLES.joinpath("interpolation.png").is_file(),
        "per_class": per_class,
        "largest_share": max((max(row.real_share, row.fake_share) for row in per_class), default=1.0),
        "findings": findings,
        "outputs": provenance.locked_outputs(),
        "stale": provenance.changed_since(),
        "outdated": provenance.outdated(),
        "is_now": experiment.recorded == experiments.NOW,
    }
    rendering.write_page("report.html", out, missing=_missing(content), **content)


def _protocol(values: dict[str, Any]) -> list[tuple[str, str]]:
    return [(meaning, settings.written(values[key])) for key, meaning in _PROTOCOL.items() if key in values]


def _missing(content: dict[str, Any]) -> list[str]:
    """Say what the page would show if all stages had run."""
    wanted = {
        "no curves: stage train has left no history of two log points": content["charts"],
        "no diagnostics: stage train has left no findings": content["findings"] is not None,
        "no samples over time: stage train has left no previews": content["previews"],
        "no samples: stage sample has not run": content["pictures"],
        "no interpolation strips: they are drawn where sample.pictures names interpolation": content["strips"],
        "no scores: stage evaluate has not run": content["judged"],
    }
    return [text for text, there in wanted.items() if not there]
