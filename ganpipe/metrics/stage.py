"""The evaluate stage: how far the outputs of the generator are from the real data.

An output is compared with as many rows of half A of its field (see `ganpipe.metrics.reference`). The floor compares as
many rows of half B with the same rows of A, so that it carries the same sample-size bias.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ganpipe import paths, systems
from ganpipe.config import Evaluate, Params
from ganpipe.core.inputs import Choice
from ganpipe.core.spec import DataSpec
from ganpipe.core.system import System
from ganpipe.data.packed.file import Packed
from ganpipe.errors import MetricError
from ganpipe.files import write_json
from ganpipe.metrics.attributes import attribute_scores
from ganpipe.metrics.checks import check_pixels
from ganpipe.metrics.copies import duplicate_share, nearness
from ganpipe.metrics.extractors import unmet_need
from ganpipe.metrics.judge import SHARES, Judge
from ganpipe.metrics.music import music_scores
from ganpipe.metrics.outputs import RESAMPLE, SPACE, Output, draw_outputs, fields_of_outputs, read_outputs
from ganpipe.metrics.paired import paired_scores
from ganpipe.metrics.per_class import write_per_class
from ganpipe.metrics.photographs import photograph_scores
from ganpipe.metrics.reference import compared
from ganpipe.metrics.score import Scores, named, rounded
from ganpipe.metrics.texts import text_scores
from ganpipe.metrics.translation import translation_scores
from ganpipe.metrics.trunks import load_trunks
from ganpipe.sampling.draw import given_fields

PAIRED, TRANSLATION, ATTRIBUTES, PHOTOGRAPHS = "paired", "translation", "attributes", "photographs"
TEXTS, MUSIC = "texts", "music"
"""The keys of metrics.json for scores without an extractor."""

SOUGHT = 500
"""Images of an output, and as many real ones, whose nearest training image is sought."""

Judged = dict[str, dict[str, tuple[str, Scores]]]
"""By extractor and output: the identity of the extractor, and the scores."""


def evaluate(params: Params, packed_folder: Path, reference: Path, samples_folder: Path, into: Path) -> None:
    """Score samples.h5 with every extractor that fits; write metrics.json and per_class.csv in the folder `into`.

    `reference` is the folder that `prepare_reference` wrote. metrics.json is nested by extractor, and by output below
    that where there are several. Raises `MetricError` where scores would have no meaning, and where no extractor can
    look at any output.
    """
    packed = Packed.open(packed_folder / paths.PACKED_FILE.name)
    samples = Packed.open(samples_folder / paths.SAMPLES_FILE.name, RESAMPLE)
    packed.verify()
    samples.verify()
    spec = packed.spec
    fields = fields_of_outputs(samples, spec)
    n = min(compared(samples.count(SPACE), packed, field) for field in fields.values())
    system = systems.build(params.system, spec, params.train.seed).eval()
    outputs = {output.name: output for output in read_outputs(samples, packed, given_fields(system), n)}
    for output in outputs.values():
        if spec.fields[output.field].kind == "image":
            check_pixels(output.items, "sample" if len(outputs) == 1 else f"sample {output.name}")
    fitting = _fitting_outputs(params.evaluate.extractors, spec, fields)
    untrained = draw_outputs(system, packed, n, params.sample.seed)
    judges = {
        name: Judge(packed, reference, params.evaluate, output, untrained.get(name), _copies(params, packed, output))
        for name, output in outputs.items()
    }
    judged = {name: {output: judges[output].scores(name) for output in found} for name, found in fitting.items()}
    photographs = samples_folder / paths.PHOTOGRAPHS.name
    others = _without_extractor(packed, outputs, photographs, system, params.evaluate)
    _write(judged, others, n, len(outputs) > 1, into)
    print(
        f"Look at the pictures in {samples_folder}, at {into / paths.METRICS.name}, and at all experiments with "
        "`ganpipe ui`.",
        flush=True,
    )


def summary(title: str, scores: Scores) -> str:
    """Return one line for a person: the distance, its floor, its value before training, and the main other scores."""
    before = f", before training: {scores['fd_untrained']:.3g}" if "fd_untrained" in scores else ""
    copied = f", copy of the input: {scores['fd_copy']:.3g}" if "fd_copy" in scores else ""
    floor = f"real data: {scores['fd_floor']:.3g} +- {scores['fd_floor_std']:.1g}"
    parts = [f"fd {scores['fd']:.3g} ({floor}{copied}{before})"]
    if "classes_covered" in scores:
        parts.append(f"{scores['classes_covered']} of {scores['classes']} classes")
    if "conditional_accuracy" in scores:
        parts.append(
            f"{scores['conditional_accuracy']:.1%} of the class asked for "
            f"(real data: {scores['conditional_accuracy_real']:.1%})"
        )
    if "valid_share" in scores:
        parts.append(f"{scores['valid_share']:.0%} valid patterns")
    return f"{title}: {', '.join(parts)}"


def _without_extractor(
    packed: Packed, outputs: Mapping[str, Output], photographs: Path, system: System, cfg: Evaluate
) -> dict[str, dict[str, Scores]]:
    """Return the scores that compare outputs with what is known of each, by the name of the block and the output."""
    chosen = next((one.field for one in system.inputs.values() if isinstance(one, Choice)), "")
    asked = chosen if chosen and packed.fields[chosen].kind == "attributes" else ""
    names, trunks = system.data.names(asked), load_trunks(cfg.trunks or ())
    found: dict[str, dict[str, Scores | None]] = {
        PAIRED: {name: paired_scores(packed, output) for name, output in outputs.items()},
        TRANSLATION: {name: translation_scores(packed, output, cfg, trunks) for name, output in outputs.items()},
        PHOTOGRAPHS: {name: photograph_scores(packed, output, photographs, trunks) for name, output in outputs.items()},
        TEXTS: {name: text_scores(packed, output, cfg) for name, output in outputs.items()},
        ATTRIBUTES: {name: attribute_scores(packed, output, asked, names, cfg) for name, output in outputs.items()},
        MUSIC: {name: music_scores(packed, output, cfg.seed) for name, output in outputs.items()},
    }
    kept = {block: {name: scores for name, scores in by.items() if scores} for block, by in found.items()}
    return {block: by for block, by in kept.items() if by}


def beside_baselines(title: str, scores: Mapping[str, float]) -> str:
    """Return one line for a person: every score, with those of the trivial predictions and of real data."""
    endings = {
        "copy": "copy of the input",
        "mean_image": "mean image",
        "bicubic": "bicubic",
        "real": "real data",
        "real_sd": "its standard deviation",
        "shuffled": "real with its pitches shuffled",
        "random": "random pitches",
    }
    own = [name for name in scores if not any(name.endswith(f"_{ending}") for ending in endings)]
    parts = []
    for name in own:
        trivial = [
            f"{what}: {scores[key]:.3g}" for ending, what in endings.items() if (key := f"{name}_{ending}") in scores
        ]
        parts.append(f"{name} {scores[name]:.3g}" + (f" ({', '.join(trivial)})" if trivial else ""))
    return f"{title}: {', '.join(parts)}"


def _fitting_outputs(extractors: Sequence[str], spec: DataSpec, fields: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the outputs that each extractor can look at; print why it cannot look at others.

    Raises `MetricError` where none fits.
    """
    fitting: dict[str, list[str]] = {}
    reasons = []
    for name in extractors:
        for output, field in fields.items():
            if reason := unmet_need(name, spec, field):
                reasons.append(f"{name}: {reason}, skipped for output {output}")
            else:
                fitting.setdefault(name, []).append(output)
    if not fitting:
        raise MetricError(f"evaluate.extractors: none can look at any output: {'; '.join(reasons)}")
    for reason in reasons:
        print(reason, flush=True)
    return fitting


def _copies(params: Params, packed: Packed, output: Output) -> Scores:
    """Return the share of items that repeat each other, and of images that repeat a training image."""
    scores: Scores = {"duplicate_share": duplicate_share(output.items)}
    if packed.fields[output.field].kind == "image":
        sought = output.items[:SOUGHT]
        found = nearness(packed, output.field, sought, torch.device("cpu"), params.data.flip, judged=SOUGHT)
        if found.ratio is not None:
            scores["memorised_share"] = found.memorised_share
            scores["memorised_share_floor"] = found.memorised_share_floor
    return scores


def _write(judged: Judged, others: Mapping[str, Mapping[str, Scores]], n: int, several: bool, into: Path) -> None:
    """Write both files, and print a line for every block of scores."""
    shares, accuracies = _by_class([scores for blocks in judged.values() for _, scores in blocks.values()])
    write_per_class(into / paths.PER_CLASS.name, rounded(shares), accuracies)
    content: dict[str, Any] = {"schema": 1, "n_fake": n, "n_real": n}
    for name, blocks in judged.items():
        by_output = {output: rounded(named(identity, scores)) for output, (identity, scores) in blocks.items()}
        content[name] = by_output if several else next(iter(by_output.values()))
    for block, outputs in others.items():
        content[block] = {output: rounded(scores) for output, scores in outputs.items()}
    write_json(into / paths.METRICS.name, content)
    for name, blocks in judged.items():
        for output, (_, scores) in blocks.items():
            print(summary(f"{name}, {output}" if several else name, scores), flush=True)
    for block, outputs in others.items():
        for output, scores in outputs.items():
            print(beside_baselines(f"{block}, {output}", scores), flush=True)


def _by_class(blocks: Sequence[Scores]) -> tuple[Scores, Scores]:
    """Take the shares of classes out of all blocks; return those of the first that has them, with its accuracies."""
    found = [(one.pop(SHARES), one.get("conditional_accuracy_by_class", {})) for one in blocks if SHARES in one]
    return found[0] if found else ({}, {})
