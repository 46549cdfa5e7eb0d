"""Style against the written description: a hand-written loop, the generator's parameters, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from by_hand import BATCH, TRAIN, adam, same_training, step
from enlarging import relative
from specs import pictures
from torch import Tensor

import ganpipe
from ganpipe.config import parse
from ganpipe.core.batch import Batch
from ganpipe.core.inputs import Given
from ganpipe.core.system import System
from ganpipe.errors import ConfigError
from ganpipe.nets.johnson import Johnson
from ganpipe.sampling.published import publish_generator
from ganpipe.systems.style import Style
from ganpipe.training.loop import Trainer

SIDE = 16
DATA = pictures((3, SIDE, SIDE), (3, SIDE, SIDE), paired=False)
OPTIONS = {
    "trunk": "random-0",
    "content_layers": ["relu2_1"],
    "style_layers": ["relu1_1", "relu2_1"],
    "features": 2,
    "blocks": 2,
    "features_discriminator": 2,
    "patch_layers": 1,
    "content_weight": 0.5,
    "style_weight": 2.0,
    "variation_weight": 0.1,
    "adversarial_weight": 0.3,
}


def drawing(**options: object) -> Style:
    torch.manual_seed(0)
    return Style(Style.Config.model_validate({**OPTIONS, **options}), DATA)


def build(**options: object) -> Style:
    system = drawing(**options)
    system.build_frozen()
    return system


def fetch(position: int, count: int) -> Batch:
    generator = torch.Generator().manual_seed(position)
    return {name: torch.rand(count, 3, SIDE, SIDE, generator=generator, dtype=torch.float64) * 2 - 1 for name in "ab"}


def grams(maps: Tensor) -> Tensor:
    """The Gram matrix of each picture, of one after the other."""
    found = []
    for one in maps:
        flat = one.reshape(len(one), -1)
        found.append(flat @ flat.T / flat.numel())
    return torch.stack(found)


def by_hand(system: System) -> Callable[[int], int]:
    """Equations 2, 4 and 5 of arXiv:1603.08155 beside least squares, nothing of ganpipe but the networks."""
    g, trunk = (system.get_submodule(name) for name in ("generator", "trunk"))
    d = system.get_submodule("discriminator") if system.adversaries else None
    optimizers = {"g": adam(g), "d": adam(d, "lr_discriminator") if d else None}

    def iterate(shown: int) -> int:
        batch = fetch(shown, BATCH)
        a, b = batch["a"], batch["b"]
        if d and optimizers["d"]:
            step(optimizers["d"], (d(b) - 1).pow(2).mean() + d(g(a).detach()).pow(2).mean())
        y = g(a)
        made, content, style = trunk(y), trunk(a), trunk(b)
        loss = 0.5 * relative(made["relu2_1"], content["relu2_1"])
        for name in ("relu1_1", "relu2_1"):
            wanted = grams(style[name]).mean(0, keepdim=True).expand(BATCH, -1, -1)
            loss = loss + 2.0 * relative(grams(made[name]), wanted) / 2
        steps = (y[:, :, 1:] - y[:, :, :-1]).abs().mean() + (y[..., 1:] - y[..., :-1]).abs().mean()
        loss = loss + 0.1 * steps
        if d:
            loss = loss + 0.3 * (d(y) - 1).pow(2).mean()
        step(optimizers["g"], loss)
        return BATCH

    return iterate


@pytest.mark.parametrize("weight", [0.3, 0.0])
def test_a_step_is_that_of_the_paper_with_a_discriminator_and_without(weight: float) -> None:
    same_training(lambda: build(adversarial_weight=weight), by_hand, fetch)


def test_the_generator_has_the_parameters_of_its_source() -> None:
    with torch.device("meta"):
        network = Johnson((3, 256, 256), features=32, blocks=5)
    assert sum(values.numel() for values in network.parameters()) == 1_679_235
    assert len(network.state_dict()) == 62  # as pytorch/examples counts them
    assert network(torch.empty(2, 3, 64, 36, device="meta")).shape == (2, 3, 64, 36)


def test_the_style_of_a_picture_does_not_depend_on_the_others_of_its_batch() -> None:
    system = build(adversarial_weight=0.0, content_weight=0.0, variation_weight=0.0)
    batch = {name: values.float() for name, values in fetch(0, 3).items()}
    outputs = batch["a"].clone().requires_grad_()
    system.direct_loss(batch)({"image": outputs})["style"].backward()
    other = batch["a"].clone()
    other[1:] = other[1:].flip(0) * 0.3
    other.requires_grad_()
    system.direct_loss(batch)({"image": other})["style"].backward()
    assert outputs.grad is not None and other.grad is not None
    torch.testing.assert_close(outputs.grad[0], other.grad[0])


def test_one_picture_is_compared_with_the_mean_of_all_squares_of_the_style() -> None:
    system = build()
    batch = {name: values.float() for name, values in fetch(0, 5).items()}
    found = system.direct_loss({**batch, "a": batch["a"][:1]})({"image": batch["a"][:1]})["style"]
    made, style = (system.trunk(batch[name]) for name in ("a", "b"))
    expected = sum(
        relative(grams(made[name][:1]), grams(style[name]).mean(0, keepdim=True)) for name in ("relu1_1", "relu2_1")
    )
    torch.testing.assert_close(found, 2.0 * expected / 2)


def test_without_a_weight_nobody_judges() -> None:
    system = build(adversarial_weight=0.0)
    assert system.players == ("generator",) and system.ideal == {}
    assert system.realness({"b": torch.zeros(1, 3, SIDE, SIDE)}) is None
    trainer = Trainer(system, TRAIN, lambda at, count: {name: v.float() for name, v in fetch(at, count).items()})
    trainer.iterate()
    assert build().realness({"b": torch.zeros(2, 3, SIDE, SIDE)}).shape == (2,)


def test_a_published_generator_needs_no_trunk_and_draws_pixels_of_any_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = build()
    with torch.no_grad():
        system.generator.body[-1].bias += 5
    publish_generator(system, tmp_path, "fingerprint")
    monkeypatch.setattr("ganpipe.systems.style.load_trunk", None)
    found = ganpipe.load_generator(tmp_path).system
    assert found.inputs == {"photo": Given("a")} and found.given_multiple == 4
    made = found.generate({"photo": torch.zeros(2, 3, 20, 32)})["image"]
    assert made.shape == (2, 3, 20, 32) and made.max() == 1


def test_the_layers_suit_the_trunk() -> None:
    found = {trunk: Style.Config(trunk=trunk).content for trunk in ("vgg19", "hed", "random-0")}
    assert found == {"vgg19": ("relu4_2",), "hed": ("relu3_3",), "random-0": ("relu3_3",)}
    assert Style.Config(content_layers=["relu3_1"]).layers == ("relu3_1", "relu1_1", "relu2_1", "relu4_1")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"style_layers": ["relu3_4"], "trunk": "hed"}, "there is no layer 'relu3_4' in the trunk"),
        ({"content_layers": ["relu9_1"]}, "there is no layer 'relu9_1' in the trunk"),
        ({"style_layers": []}, "style_layers"),
        ({"style_weight": 0.0, "adversarial_weight": 0.0}, "the generator would learn no style"),
    ],
)
def test_options_that_do_not_fit_are_refused_with_the_params(options: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse(Style.Config, options, "params.yaml", prefix="system.")


@pytest.mark.parametrize(
    ("size", "said"),
    [((30, 32), "multiples of 4"), ((16, 16), "too small for a PatchGAN of 3 layers"), ((4, 4), "of 8 pixels or more")],
)
def test_sizes_that_do_not_fit_are_refused_with_the_params(size: tuple[int, int], said: str) -> None:
    Style.Config().require_size(32, 24)
    with pytest.raises(ConfigError, match=said):
        Style.Config().require_size(*size)


def test_fields_of_two_shapes_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"fields a and b of one shape, not of 1 x 16 x 16 and 3 x 16 x 16"):
        Style(Style.Config.model_validate(OPTIONS), pictures((1, 16, 16), (3, 16, 16), paired=False))
