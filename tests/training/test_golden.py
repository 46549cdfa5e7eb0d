"""Golden runs: the miniature of every recipe ends with the losses and samples that `tests/golden/<recipe>.json` holds.

They notice what no other test may: a change of equations, initial weights, data order or defaults that still trains.
Where such a change is meant, write the files anew and commit them with it:

    GANPIPE_WRITE_GOLDEN=1 python -m pytest tests/training/test_golden.py            # of all recipes
    GANPIPE_WRITE_GOLDEN=1 python -m pytest tests/training/test_golden.py -k NAME    # of one
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import pytest
from conftest import REPOSITORY
from miniatures import changed, miniature

from ganpipe import paths, recipes
from ganpipe.config import Params
from ganpipe.core.inputs import Given
from ganpipe.core.system import System
from ganpipe.data.packed.file import Packed
from ganpipe.data.packed.given import GivenRows
from ganpipe.files import write_json
from ganpipe.history.table import read_csv
from ganpipe.sampling.draw import all_items
from ganpipe.sampling.published import load_generator

GOLDEN = REPOSITORY / "tests" / "golden"
COMMAND = "GANPIPE_WRITE_GOLDEN=1 python -m pytest tests/training/test_golden.py"

Numbers = dict[str, float]


def numbers() -> Numbers:
    """The last row of the history in this workspace, with mean and standard deviation of 16 samples of each output.

    Without norms of gradients: at a kink of an activation another processor may triple one where all else is equal.
    """
    system, given = load_generator(paths.MODEL).system, GivenRows(Packed.open(paths.PACKED_FILE))
    _, made = all_items(system, 16, 0, given)
    found = {name: value for name, value in read_csv(paths.HISTORY)[-1].items() if not name.endswith("gradient_norm")}
    for output, items in made.items():
        of = f"_{output}" if len(made) > 1 else ""
        found |= {f"sample_mean{of}": items.mean(dtype="float64"), f"sample_std{of}": items.std(dtype="float64")}
    return found


def tolerance(system: System, optimizer: str) -> float:
    """Return how far numbers may be apart on another processor, as a share of them.

    Measured with AVX-512 against SSE4.1 kernels: at most 2e-4 for images of 28 and 32 pixels and for vectors, and,
    since deeper convolutions amplify rounding in their normalisations, 2.4e-3 for those of 64 and more. Networks that
    make images of images normalise the flat parts of what they are given: 5.3e-2. The first steps of RMSprop are the
    signs of gradients, also of those that are zero but for rounding: 2.5e-2 between AVX2 and SSE4.1.
    """
    if optimizer == "rmsprop":
        return 5e-2
    if any(isinstance(one, Given) for one in system.inputs.values()):
        return 1e-1
    return 1e-2 if max(system.data.fields[field].shape[-1] for field in system.outputs.values()) >= 64 else 1e-3


def expected(wanted: Numbers, relative: float) -> dict[str, object]:
    """Numbers as they may come out, this far apart at most."""
    return {name: pytest.approx(value, rel=relative, abs=relative / 10) for name, value in wanted.items()}


@pytest.mark.parametrize("recipe", recipes.names())
def test_golden(recipe: str, workspace: Callable[[str], Params], trained: Callable[[Params], None]) -> None:
    params = miniature(workspace(recipe))
    trained(params)
    found, file = numbers(), GOLDEN / f"{recipe}.json"
    if os.environ.get("GANPIPE_WRITE_GOLDEN"):
        write_json(file, {name: float(f"{value:.9g}") for name, value in found.items()})
    assert file.is_file(), f"no golden run of this recipe: make it with `{COMMAND} -k {recipe}` and commit it"
    golden = json.loads(file.read_text())
    allowed = tolerance(load_generator(paths.MODEL).system, params.train.optimizer.name)
    assert found == expected(golden, allowed), f"if this is meant: `{COMMAND} -k {recipe}`"


def test_every_golden_run_has_its_recipe() -> None:
    assert {file.stem for file in GOLDEN.glob("*.json")} == set(recipes.names())


@pytest.mark.parametrize(("recipe", "factor"), [("digits-dcgan", 1.02), ("glyphs-pix2pix", 1.25)])
def test_a_small_change_of_the_training_is_noticed(
    recipe: str, factor: float, workspace: Callable[[str], Params], trained: Callable[[Params], None]
) -> None:
    golden = json.loads((GOLDEN / f"{recipe}.json").read_text())
    params = miniature(workspace(recipe))
    trained(changed(params, train={"lr": factor * params.train.lr}))
    found = numbers()
    assert found.keys() == golden.keys()
    assert found != expected(golden, tolerance(load_generator(paths.MODEL).system, params.train.optimizer.name))


def test_noise_of_rounding_is_not_noticed() -> None:
    golden = json.loads((GOLDEN / "digits-dcgan.json").read_text())
    assert {name: value * (1 + 1e-5) for name, value in golden.items()} == expected(golden, 1e-3)
