"""Drawing: the same seed gives the same items, however many; rows that are given come in order."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conditional import obedient
from several import Several, several
from specs import images, vectors
from torch import Tensor
from translating import translator

from ganpipe import systems
from ganpipe.config import SystemSection
from ganpipe.core.inputs import Choice, Constant, Given, Input, Noise
from ganpipe.core.system import System
from ganpipe.errors import TrainingDiverged
from ganpipe.sampling.draw import (
    BLOCK,
    GivenSource,
    all_inputs,
    all_items,
    choices,
    draw_inputs,
    given_fields,
    given_spaces,
    items,
    makes_different_items,
    most_items,
    render,
)

DIGITS = images((1, 28, 28), name="digits")


@pytest.fixture(scope="module")
def system() -> System:
    return systems.build(SystemSection(name="dcgan", latent=8, features=4), DIGITS, seed=3).eval()


def test_fewer_are_the_first_of_more(system: System) -> None:
    many, few = (all_items(system, n, seed=5)[1]["image"] for n in (150, 67))
    assert many.shape == (150, 28, 28, 1)
    assert many.dtype == np.uint8
    assert np.array_equal(many[:67], few)
    assert len(np.unique(many.reshape(150, -1), axis=0)) == 150


def test_seeds_differ_and_the_global_generator_does_not_matter(system: System) -> None:
    torch.manual_seed(1)
    first = all_inputs(system, 10, seed=0)["latent"]
    torch.manual_seed(2)
    assert torch.equal(first, all_inputs(system, 10, seed=0)["latent"])
    assert not torch.equal(first, all_inputs(system, 10, seed=1)["latent"])
    assert torch.equal(first, all_inputs(system, 100, seed=0)["latent"][:10])


def test_building_is_a_function_of_the_seed_and_leaves_the_global_generator_alone() -> None:
    section = SystemSection(name="mlp_gan", generator_widths=[8], discriminator_widths=[8])
    before = torch.get_rng_state()
    one, same, other = (systems.build(section, DIGITS, seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["generator.body.0.weight"], other["generator.body.0.weight"])


def test_a_broken_generator_is_named(system: System) -> None:
    broken = systems.build(SystemSection(name="pattern_gan"), vectors(4, name="pattern"), 0)
    with torch.no_grad():
        broken.get_parameter("generator.0.0.weight").fill_(float("nan"))
    with pytest.raises(TrainingDiverged, match="non-finite"):
        list(items(broken.eval(), 3, seed=0))


def test_every_input_of_fewer_is_that_of_more_and_blocks_are_whole() -> None:
    for on in ("label", "attributes"):
        system = obedient(on)
        blocks = list(draw_inputs(system, 150, seed=3))
        assert [len(block["latent"]) for block in blocks] == [BLOCK, BLOCK, 150 - 2 * BLOCK]
        many, few = all_inputs(system, 150, seed=3), all_inputs(system, 70, seed=3)
        assert many.keys() == {"latent", "wanted"}
        assert all(torch.equal(many[name][:70], few[name]) for name in many)


def test_items_come_with_the_inputs_they_were_made_of() -> None:
    system = obedient("label")
    found = list(items(system, 70, seed=1))
    assert [len(made["image"]) for _, made in found] == [64, 6]
    inputs, made = all_items(system, 70, seed=1)
    assert np.array_equal(np.concatenate([block["image"] for _, block in found]), made["image"])
    assert all(torch.equal(inputs[name], all_inputs(system, 70, seed=1)[name]) for name in system.inputs)
    assert np.array_equal(made["image"][:, :3, 0, 0] == 255, inputs["wanted"][:, None].numpy() == np.arange(3))


@pytest.mark.parametrize("count", [1, 3, 64, 65])
def test_three_are_made_as_the_first_three_of_a_hundred_byte_by_byte(count: int, system: System) -> None:
    inputs = all_inputs(system, 100, seed=2)
    whole = render(system, inputs)["image"]
    first = render(system, {name: values[:count] for name, values in inputs.items()})["image"]
    assert first.shape == (count, 28, 28, 1)
    assert first.tobytes() == whole[:count].tobytes()


def test_the_generator_sees_blocks_of_one_size_only(system: System) -> None:
    seen: list[int] = []
    handle = system.get_submodule("generator").register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
    render(system, all_inputs(system, 70, seed=0))
    list(items(system, 3, seed=0))
    handle.remove()
    assert seen == [BLOCK] * 3


def test_every_output_is_rendered_by_its_name() -> None:
    system = several().eval()
    inputs, made = all_items(system, 5, seed=0)
    expected = system.generate(inputs)
    assert made.keys() == {"vector", "other"}
    for name, values in made.items():
        assert values.dtype == np.float32
        torch.testing.assert_close(torch.from_numpy(values), expected[name].detach())


def test_choices_are_told_by_field_as_they_are_stored() -> None:
    label, attributes = obedient("label"), obedient("attributes")
    drawn = all_inputs(label, 5, seed=0)
    assert choices(label, drawn)["label"].tolist() == drawn["wanted"].tolist()
    drawn = all_inputs(attributes, 5, seed=0)
    found = choices(attributes, drawn)
    assert found.keys() == {"attributes"} and found["attributes"].dtype == np.uint8
    assert found["attributes"].tolist() == drawn["wanted"].tolist()
    assert choices(several(), {}) == {}


class Rows(GivenSource):
    """Numbered pictures: the pixels of row i are i / 100."""

    def __init__(self, count: int) -> None:
        self._count = count

    def count(self, space: str) -> int:
        return self._count

    def fetch(self, field: str, start: int, count: int) -> Tensor:
        assert field == "source"
        numbers = torch.arange(start, start + count) % self._count
        return (numbers / 100).view(-1, 1, 1, 1).expand(-1, 1, 2, 3)


def test_given_rows_are_taken_in_order_and_from_the_first_again() -> None:
    inputs = all_inputs(translator(), 150, seed=0, given=Rows(70))
    assert (inputs["photo"][:, 0, 1, 2] * 100).round().int().tolist() == [*range(70), *range(70), *range(10)]
    other = all_inputs(translator(), 150, seed=1, given=Rows(70))
    assert torch.equal(other["photo"], inputs["photo"]), "they do not depend on the seed"


def test_noise_beside_given_rows_is_that_of_the_seed() -> None:
    system = translator(noise=True)
    one, same, other = (all_inputs(system, 70, seed, Rows(count)) for seed, count in ((0, 70), (0, 5), (1, 70)))
    assert torch.equal(one["latent"], same["latent"])
    assert not torch.equal(one["latent"], other["latent"])
    assert len(one["latent"].unique()) == 70


def test_without_given_rows_nothing_is_made() -> None:
    with pytest.raises(ValueError, match="input 'photo' of Translator needs rows of the field 'source'"):
        all_inputs(translator(), 3, seed=0)


def test_one_item_is_made_of_each_given_row_unless_something_else_differs() -> None:
    assert most_items(translator(), 100, Rows(70)) == 70
    assert most_items(translator(), 50, Rows(70)) == 50
    assert most_items(translator(noise=True), 100, Rows(70)) == 100
    assert most_items(translator(), 100, None) == most_items(several(), 100, Rows(70)) == 100


def test_what_a_generator_is_given() -> None:
    assert given_fields(translator(noise=True)) == ("source",)
    assert given_spaces(translator()) == ("items",)
    assert given_fields(several()) == given_spaces(several()) == ()


CONSTANT, NOISE, CHOICE, GIVEN = Constant(1.0, (2,)), Noise((2,)), Choice("label"), Given("vector")


@pytest.mark.parametrize(
    ("inputs", "differ"),
    [
        ((NOISE,), True),
        ((CHOICE,), True),
        ((GIVEN,), True),
        ((CONSTANT, NOISE), True),
        ((CONSTANT, CHOICE), True),
        ((GIVEN, CONSTANT), True),
        ((CONSTANT,), False),
        ((CONSTANT, CONSTANT), False),
    ],
)
def test_only_a_generator_of_constants_makes_the_same_every_time(
    inputs: tuple[Input, ...], differ: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = several()
    monkeypatch.setattr(Several, "inputs", {str(number): one for number, one in enumerate(inputs)}, raising=False)
    assert makes_different_items(system) == differ


def test_the_1010_gan_makes_the_same_every_time_and_the_others_do_not() -> None:
    pattern = systems.build(SystemSection(name="pattern_gan"), vectors(4), seed=0)
    assert not makes_different_items(pattern)
    assert all(map(makes_different_items, (several(), obedient("label"), translator())))
