"""`ganpipe report`: the experiment of the current folder on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ganpipe import paths
from ganpipe.errors import DataError
from ganpipe.report import curves, experiments, params_table, provenance, read_files, rendering, scores

_PROTOCOL = {
    "n_fake": "samples",
    "n_real": "real items, and as many others for the floor",
    "evaluate.neighbours": "neighbours of precision, recall, density and coverage",
    "evaluate.seed": "seed that cuts the real data into halves",
    "sample.seed": "seed of the samples",
    "train.seed": "seed of the training",
}
"""The conditions of all scores beside the extractor: the key in metrics.json or params.yaml, and its meaning."""


def write_report(out: Path) -> None:
    """Write the page of the current folder; a list on it names what is missing. Raises `DataError`, `ConfigError`."""
    experiment = experiments.workspace()
    history = read_files.read_history(experiment.folder)
    found = read_files.read_scores(experiment.folder)
    per_class = read_files.read_per_class(experiment.folder)
    findings = read_files.read_findings(experiment.folder)
    marks = {finding["name"]: finding["kimg"] for finding in findings or ()}
    outputs = provenance.locked_outputs()
    outdated, unknown = _outdated(outputs)
    content = {
        "experiment": experiment,
        "params_table": params_table.read_params_table(paths.PARAMS),
        "blocks": scores.read_blocks(found),
        "headlines": scores.headlines,
        "protocol": _protocol({**experiment.params, **found}),
        "charts": curves.training_charts(history, read_files.read_ideal(paths.MODEL), marks),
        "other_charts": curves.other_charts(history),
        "kimg": history[-1]["kimg"] if history else None,
        "previews": read_files.read_previews(experiment.folder),
        "pictures": read_files.read_samples(experiment.folder),
        "sounds": read_files.read_sounds(experiment.folder),
        "same": "latents" if params_table.takes_noise(paths.PARAMS) else "inputs",
        "per_class": per_class,
        "largest_share": max((max(row.real_share, row.fake_share) for row in per_class), default=1.0),
        "findings": findings,
        "outputs": outputs,
        "outdated": outdated,
        "is_now": experiment.recorded == experiments.NOW,
    }
    rendering.write_page("report.html", out, missing=[*_missing(content), *unknown], **content)


def _protocol(values: dict[str, Any]) -> list[tuple[str, str]]:
    return [(meaning, params_table.written(values[key])) for key, meaning in _PROTOCOL.items() if key in values]


def _outdated(outputs: list[provenance.Locked]) -> tuple[list[str], list[str]]:
    """Return the stages that are out of date, and a line for the page where DVC cannot say which are."""
    try:
        return provenance.outdated_stages(outputs), []
    except DataError as error:
        return [], [f"no word on whether these results belong to the params and the code that are here now: {error}"]


def _missing(content: dict[str, Any]) -> list[str]:
    """Return a line for everything that the page would show if all stages had run."""
    strips = content["same"] == "inputs" or paths.SAMPLES.joinpath("interpolation.png").is_file()
    wanted = {
        "no curves: stage train has left no history of two log points": content["charts"],
        "no diagnostics: stage train has left no findings": content["findings"] is not None,
        "no samples over time: stage train has left no previews": content["previews"],
        "no samples: stage sample has not run": content["pictures"],
        "no interpolation strips: they are drawn where sample.pictures names interpolation": strips,
        "no scores: stage evaluate has not run": content["blocks"],
    }
    return [text for text, there in wanted.items() if not there]
