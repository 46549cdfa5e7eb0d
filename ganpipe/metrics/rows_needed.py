"""How many rows the scores of a training need at least, and which param to change where the data has fewer.

`pack` warns, `ganpipe check` and the stages that would compute for nothing refuse: all by the one function here. It
knows what a score cannot do without; whether that many rows are enough to learn from is another question. Imports no
torch, unless a class has too few rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np

from ganpipe import systems
from ganpipe.config import Evaluate, Params
from ganpipe.core.inputs import Choice, Given, Input, Noise
from ganpipe.data.packed.file import Packed
from ganpipe.data.packed.splits import held_out, training_rows
from ganpipe.errors import ConfigError, DataError
from ganpipe.metrics.extractors import EXTRACTORS, fitting_fields, required_fields

_FEWEST_WITHOUT_NEIGHBOURS = 4
"""Items of each set that the kernel distance can compare."""
_FEWEST_IN_TRAINING = 2
"""Items of each set that have a covariance, for the score of `train.evaluate_kimg`."""
_LOWEST = Evaluate(extractors=("pixel",), neighbours=3)
"""Lower values of `evaluate.neighbours` need no fewer rows."""


def require_rows(params: Params, packed: Packed) -> None:
    """Raise `ConfigError` with all that `missing_rows` finds, in one line."""
    if missing := missing_rows(params, packed):
        raise ConfigError(f"{packed.path}: {'; also, '.join(missing)}")


def missing_rows(params: Params, packed: Packed) -> list[str]:
    """Return one sentence for each need of training and evaluation that the rows of the packed set cannot meet.

    Each names what is needed, how much there is, and the param to change. No sentence: nothing fails for want of rows.
    """
    inputs = systems.configure(params.system).inputs
    given = {one.field for one in inputs.values() if isinstance(one, Given) and one.field in packed.fields}
    try:
        training_rows(packed, {packed.fields[field].space for field in given})
    except DataError as problem:
        return [str(problem).removeprefix(f"{packed.path}: ")]
    lines: dict[str, None] = {}  # a set in the order of the params
    for extractor in params.evaluate.extractors:
        try:
            fields = required_fields(extractor, packed.spec)
        except ConfigError as problem:
            lines[str(problem)] = None
            continue
        for field in [field for field in fields if field not in given] or fields:
            lines |= dict.fromkeys(_to_score(params, packed, extractor, field))
        lines |= dict.fromkeys(_to_make(params, packed, extractor, given, inputs))
    if params.train.evaluate_kimg is not None:
        lines |= dict.fromkeys(_in_training(packed))
    return list(lines)


def _to_score(params: Params, packed: Packed, extractor: str, field: str) -> Iterator[str]:
    """Yield what an extractor and the scores of its features need of the real rows of a field."""
    space = packed.fields[field].space
    rows, fewest = packed.rows("train", space), _fewest(params.evaluate, extractor)
    if len(rows) < 2 * fewest:
        yield (
            f"the scores compare two halves of the split train{_of(packed, space)} of {fewest} rows or more "
            f"({_because(params.evaluate, extractor)}), {2 * fewest} in all, and it has {len(rows)} rows: "
            f"{_remedy(params.evaluate, extractor, len(rows) // 2, 2)}"
        )
    entry, told = EXTRACTORS[extractor], packed.fields[field]
    if told.kind == "image" and min(told.shape[1:]) < entry.smallest:
        yield (
            f"evaluate.extractors: {extractor} needs images of at least {entry.smallest} pixels a side, those of "
            f"`{field}` are {told.shape[2]} x {told.shape[1]}: raise data.size, or use {_others(packed, field)}"
        )
    elif entry.fewest_of_class:
        yield from _of_classes(packed, extractor, field, rows)


def _of_classes(packed: Packed, extractor: str, field: str, rows: range) -> Iterator[str]:
    """Yield what a classifier needs of the classes."""
    fewest, label = EXTRACTORS[extractor].fewest_of_class, packed.spec.beside(field, "label")
    assert label is not None  # the extractor fits
    names = packed.spec.names(label)
    counts = np.bincount(packed.slice(label, rows), minlength=len(names)).tolist()
    few = [f"{name!r} has {count}" for name, count in zip(names, counts, strict=True) if count < fewest]
    if (few or len(names) < 2) and not _comes_trained(packed, field):
        found = (
            f"{few[0]}{f' and {len(few) - 1} more have too few' if few[1:] else ''}" if few else "there is one class"
        )
        yield (
            f"evaluate.extractors: {extractor} learns two classes or more from {fewest} rows of each in the split "
            f"train, and {found}: use {_others(packed, field)}, or give more"
        )


def _to_make(
    params: Params, packed: Packed, extractor: str, given: Collection[str], inputs: Mapping[str, Input]
) -> Iterator[str]:
    """Yield what the scores need of held-out rows, where a generator makes one item of each."""
    if any(isinstance(one, Noise | Choice) for one in inputs.values()):
        return
    fewest = _fewest(params.evaluate, extractor)
    for space in sorted({packed.fields[field].space for field in given}):
        count = len(held_out(packed, space))
        if count < fewest:
            yield (
                f"the generator makes one item of each held-out row{_of(packed, space)}, and the scores compare "
                f"{fewest} or more ({_because(params.evaluate, extractor)}), and there are {count}: "
                f"{_remedy(params.evaluate, extractor, count, 1)} in the split test (without one, a quarter of a "
                "small split train is held out)"
            )


def _in_training(packed: Packed) -> Iterator[str]:
    for space in packed.spaces:
        if (found := len(packed.rows("train", space))) < _FEWEST_IN_TRAINING:
            yield (
                f"train.evaluate_kimg scores the generator against {_FEWEST_IN_TRAINING} rows or more of the split "
                f"train{_of(packed, space)}, and it has {found}: leave it blank, or give more"
            )


def _fewest(evaluate: Evaluate, extractor: str) -> int:
    """Return how many items of each set the scores by this extractor compare at least."""
    return evaluate.fewest if EXTRACTORS[extractor].neighbours else _FEWEST_WITHOUT_NEIGHBOURS


def _because(evaluate: Evaluate, extractor: str) -> str:
    neighbours = EXTRACTORS[extractor].neighbours
    return f"evaluate.neighbours = {evaluate.neighbours}" if neighbours else f"evaluate.extractors: {extractor}"


def _remedy(evaluate: Evaluate, extractor: str, compared: int, times: int) -> str:
    """Return what to do where `compared` items are too few; each takes `times` rows."""
    if not EXTRACTORS[extractor].neighbours:
        return f"give at least {times * _FEWEST_WITHOUT_NEIGHBOURS}"
    if compared >= _LOWEST.fewest:
        lower = _LOWEST.neighbours + compared - _LOWEST.fewest
        return f"set evaluate.neighbours: {lower}, or give at least {times * evaluate.fewest}"
    lower_too = (
        f" and set evaluate.neighbours: {_LOWEST.neighbours}" if evaluate.neighbours > _LOWEST.neighbours else ""
    )
    return f"give at least {times * _LOWEST.fewest}{lower_too}"


def _others(packed: Packed, field: str) -> str:
    """Return the extractors that can look at a field and learn no classes."""
    return ", ".join(
        name for name, entry in EXTRACTORS.items() if not entry.labels and field in fitting_fields(name, packed.spec)
    )


def _comes_trained(packed: Packed, field: str) -> bool:
    """Return whether the classifier of a field comes with ganpipe."""
    from ganpipe.metrics.extractors.committed import committed_folder

    return committed_folder(packed.spec, field) is not None


def _of(packed: Packed, space: str) -> str:
    return "" if len(packed.spaces) == 1 else f" of the space {space!r}"
