"""Systems: what is drawn for each declared input, what is made and judged by default, networks that are frozen."""

from __future__ import annotations

import copy

import pytest
import torch
from conditional import obedient
from several import Several, several
from specs import images, vectors
from torch import nn
from translating import translator

from ganpipe.core.inputs import Choice, Constant, Given, Noise
from ganpipe.core.system import System

FACES = images((1, 2, 2), classes=("a", "b", "c"), attributes=("Hat", "Smile"))


class Everything(System):
    """Is given one input of every kind."""

    inputs = {
        "latent": Noise((3,)),
        "map": Noise((2, 4, 5), "uniform"),
        "class": Choice("label"),
        "looks": Choice("attributes"),
        "picture": Given("image"),
        "seed": Constant(0.25, (2, 1)),
        "one": Constant(-3.0),
    }

    def __init__(self) -> None:
        super().__init__(None, FACES)
        self.generator = nn.Linear(3, 2)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_noise_is_normal_or_uniform_and_of_the_declared_shape() -> None:
    system = Everything()
    normal, uniform = system.draw("latent", 4000, seeded(0)), system.draw("map", 4000, seeded(0))
    assert normal.shape == (4000, 3) and uniform.shape == (4000, 2, 4, 5)
    assert normal.mean().abs() < 0.05 and normal.std().item() == pytest.approx(1, abs=0.03)
    assert uniform.mean().item() == pytest.approx(0.5, abs=0.01)
    assert 0 <= uniform.min() < 0.001 and 0.999 < uniform.max() < 1


def test_labels_are_drawn_evenly_and_attributes_by_a_coin() -> None:
    system = Everything()
    label, attributes = system.draw("class", 3000, seeded(0)), system.draw("looks", 4000, seeded(0))
    assert label.dtype == torch.int64 and label.shape == (3000,)
    assert (torch.bincount(label) / 3000).tolist() == pytest.approx([1 / 3] * 3, abs=0.03)
    assert attributes.dtype == torch.float32 and attributes.shape == (4000, 2)
    kinds = (2 * attributes[:, 0] + attributes[:, 1]).long()
    assert (torch.bincount(kinds) / 4000).tolist() == pytest.approx([1 / 4] * 4, abs=0.03)
    assert set(attributes.unique().tolist()) == {0.0, 1.0}


def test_a_constant_is_the_same_for_every_item_and_takes_no_random_numbers() -> None:
    system, generator = Everything(), seeded(0)
    before = generator.get_state()
    assert torch.equal(system.draw("seed", 3, generator), torch.full((3, 2, 1), 0.25))
    assert torch.equal(system.draw("one", 2, generator), torch.full((2, 1), -3.0))
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize("name", ["latent", "map", "class", "looks"])
def test_the_same_seed_draws_the_same_and_the_global_generator_is_left_alone(name: str) -> None:
    system, state = Everything(), torch.get_rng_state()
    one, two, other = (system.draw(name, 20, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(5)
    free = system.draw(name, 20)
    torch.manual_seed(5)
    assert torch.equal(free, system.draw(name, 20)), "without a generator the global one is used"


def test_rows_of_the_data_cannot_be_drawn() -> None:
    with pytest.raises(TypeError, match="input 'picture' of Everything is a row of the field 'image': fetch it"):
        Everything().draw("picture", 2)


def test_the_generator_is_called_with_its_inputs_in_the_order_in_which_they_are_declared() -> None:
    system = obedient("label")
    inputs = {"wanted": torch.tensor([2, 0]), "latent": torch.randn(2, 8)}
    made = system.generate(inputs)
    assert made.keys() == {"image"}
    assert torch.equal(made["image"], system.generator(inputs["latent"], inputs["wanted"]))
    photo = torch.rand(2, 1, 2, 3)
    assert torch.equal(translator().generate({"photo": photo})["image"], -photo)


def test_the_first_adversary_judges_the_field_that_the_first_output_looks_like() -> None:
    class Plain(System):
        adversaries = ("critic", "second")
        outputs = {"made": "vector"}

        def __init__(self) -> None:
            super().__init__(None, vectors(2))
            self.generator = nn.Linear(1, 2)
            self.critic, self.second = (nn.Sequential(nn.Linear(2, 1), nn.Flatten(0)) for _ in range(2))

    system, real = Plain(), torch.randn(4, 2)
    assert torch.equal(system.realness({"vector": real}), system.critic(real))
    assert system.players == ("generator", "critic", "second")
    assert obedient("label").realness({"image": torch.zeros(1, 1, 8, 8)}) is None


# Networks that nobody trains.


def test_frozen_networks_are_in_no_state() -> None:
    system = several()
    assert {name.partition(".")[0] for name in system.state_dict()} == {"generator", "discriminator", "level"}
    assert any(name.startswith("features") for name, _ in system.named_parameters())
    assert nn.ModuleDict({"whole": system}).state_dict().keys() == {f"whole.{name}" for name in system.state_dict()}


def test_a_state_without_frozen_networks_is_loaded_and_one_without_others_is_not() -> None:
    one, other = several(seed=0), several(seed=1)
    features = copy.deepcopy(dict(other.features.state_dict()))
    with torch.no_grad():
        one.level.fill_(3)
    found = other.load_state_dict(one.state_dict())
    assert not found.missing_keys and not found.unexpected_keys
    assert other.level == 3
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(value, features[name]) for name, value in other.features.state_dict().items())
    state = dict(one.state_dict())
    del state["generator.head.bias"]
    with pytest.raises(RuntimeError, match=r"generator\.head\.bias"):
        other.load_state_dict(state)
    assert other.load_state_dict(state, strict=False).missing_keys == ["generator.head.bias"]


def test_frozen_networks_stay_in_evaluation_mode() -> None:
    system = several()
    for mode in (True, False, True):
        system.train(mode)
        assert system.generator["body"].training == system.discriminator.training == mode
        assert not any(module.training for module in system.features.modules())
    nn.Sequential(system).train()
    assert system.training and not system.features[1].training


def test_the_hash_of_a_frozen_network_tells_one_weight_from_another() -> None:
    system = several()
    found = system.frozen_sha256
    assert found.keys() == {"features"} and len(found["features"]) == 64
    assert several(seed=1).frozen_sha256 == found, "the same weights for every seed"
    with torch.no_grad():
        system.generator["body"].weight.fill_(1)
    assert system.frozen_sha256 == found, "only what is frozen counts"
    for change in (system.features[0].weight[1, 0], system.features[1].running_mean[0]):
        with torch.no_grad():
            change += 1e-6
        assert system.frozen_sha256 != found
        with torch.no_grad():
            change -= 1e-6
    assert obedient("label").frozen_sha256 == {}


def test_the_hash_of_a_frozen_network_counts_shapes_and_types() -> None:
    system = several()
    hashes = {system.frozen_sha256["features"], copy.deepcopy(system).double().frozen_sha256["features"]}
    system.features[0].weight = nn.Parameter(system.features[0].weight.detach().reshape(1, 4))
    hashes.add(system.frozen_sha256["features"])
    assert len(hashes) == 3


def test_a_copy_of_a_system_leaves_its_frozen_networks_out_too() -> None:
    copied = copy.deepcopy(several())
    assert isinstance(copied, Several)
    assert not [name for name in copied.state_dict() if name.startswith("features")]
    copied.load_state_dict(several(seed=1).state_dict())
