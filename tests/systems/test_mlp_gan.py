"""The fully connected GAN: its sizes, its options, the book's networks, its unpaired L1 term."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from specs import images
from torch import Tensor, nn

from ganpipe.config.choices import ObjectiveName
from ganpipe.core.system import Iteration, Outcome
from ganpipe.losses.adversarial import OBJECTIVES
from ganpipe.systems.mlp_gan import MLPGAN

SPEC = images((1, 28, 28), name="digits")
BATCH = {"image": torch.rand(6, 1, 28, 28) * 2 - 1}


def build(**options: Any) -> MLPGAN:
    torch.manual_seed(0)
    return MLPGAN(MLPGAN.Config.model_validate(options), SPEC).eval()


BOOK_FAILURE = {  # notebook 07
    "latent": 1,
    "latent_distribution": "uniform",
    "generator_widths": (200,),
    "generator_norm": "none",
    "discriminator_widths": (200,),
    "activation": "sigmoid",
    "objective": "squared_error",
    "separate_steps": True,
    "unpaired_l1_weight": 0.0,
}
BOOK_CURE = {  # notebook 08
    **BOOK_FAILURE,
    "latent": 100,
    "latent_distribution": "normal",
    "generator_norm": "layer",
    "discriminator_norm": "layer",
    "activation": "leaky_relu",
    "leaky_slope": 0.02,
    "objective": "non_saturating",
}
BOOK_FACES = {**BOOK_CURE, "generator_widths": (300,), "discriminator_widths": (100,)}  # notebook 12


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def linear_widths(module: nn.Module) -> list[int]:
    layers = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
    return [layers[0].in_features, *(layer.out_features for layer in layers)]


def test_layers_of_the_default() -> None:
    system = build()
    assert linear_widths(system.generator) == [96, 128, 256, 512, 1024, 784]
    assert linear_widths(system.discriminator) == [784, 512, 256, 128, 64, 32, 1]
    kinds = [type(layer) for layer in system.generator.body]
    assert kinds == [nn.Linear, nn.BatchNorm1d, nn.GELU] * 4 + [nn.Linear]
    assert not [m for m in system.discriminator.modules() if isinstance(m, nn.BatchNorm1d)]


def test_pixels_are_a_sigmoid_moved_to_the_signed_range() -> None:
    system = build()
    latents = torch.randn(3, 96)
    expected = torch.sigmoid(system.generator.body(latents)) * 2 - 1
    torch.testing.assert_close(system.generate({"latent": latents})["image"], expected.view(3, 1, 28, 28))


@pytest.mark.parametrize("weight", [0.05, 2.0])
def test_the_unpaired_l1_term_is_on_the_unit_pixel_scale(weight: float) -> None:
    system = build(unpaired_l1_weight=weight)
    torch.manual_seed(3)
    terms = system.generator_loss(BATCH)
    torch.manual_seed(3)
    images = (system.generator(torch.randn(6, 96)) + 1) / 2
    expected = weight * (images - (BATCH["image"] + 1) / 2).abs().mean()
    torch.testing.assert_close(terms["unpaired_l1"], expected)


def test_the_term_can_be_left_out() -> None:
    assert build(unpaired_l1_weight=0.0).generator_loss(BATCH).keys() == {"adversarial"}
    assert build().generator_loss(BATCH).keys() == {"adversarial", "unpaired_l1"}


def test_one_pass_over_reals_and_fakes_equals_two() -> None:
    system = build()
    torch.manual_seed(4)
    _, tensors = system.discriminator_loss(BATCH)
    torch.manual_seed(4)
    fake = system.discriminator(system.generator(torch.randn(6, 96)))
    torch.testing.assert_close(tensors["real"], system.discriminator(BATCH["image"]))
    torch.testing.assert_close(tensors["fake"], fake)


@pytest.mark.parametrize(
    ("options", "shape", "generator", "discriminator"),
    [
        (BOOK_FAILURE, (1, 28, 28), 157_984, 157_201),
        (BOOK_CURE, (1, 28, 28), 178_184, 157_601),
        (BOOK_FACES, (3, 218, 178), 35_070_912, 11_641_601),
    ],
)
def test_the_books_networks(
    options: dict[str, Any], shape: tuple[int, int, int], generator: int, discriminator: int
) -> None:
    with torch.device("meta"):
        system = MLPGAN(MLPGAN.Config.model_validate(options), images(shape, name="book"))
    assert (count(system.generator), count(system.discriminator)) == (generator, discriminator)


def test_the_order_of_the_books_layers() -> None:
    system = build(**BOOK_CURE)
    kinds = [nn.Linear, nn.LeakyReLU, nn.LayerNorm, nn.Linear]
    assert [type(layer) for layer in system.generator.body] == kinds
    assert [type(layer) for layer in system.discriminator.body] == kinds
    assert {m.negative_slope for m in system.modules() if isinstance(m, nn.LeakyReLU)} == {0.02}
    failing = build(**BOOK_FAILURE)
    assert [type(layer) for layer in failing.generator.body] == [nn.Linear, nn.Sigmoid, nn.Linear]


def test_latents() -> None:
    uniform = build(latent_distribution="uniform", latent=40).draw("latent", 500, torch.Generator().manual_seed(0))
    assert uniform.shape == (500, 40)
    assert 0 <= uniform.min() < 0.001 and 0.999 < uniform.max() <= 1
    assert uniform.mean().item() == pytest.approx(0.5, abs=0.01)
    again = build(latent_distribution="uniform", latent=40).draw("latent", 500, torch.Generator().manual_seed(0))
    assert torch.equal(uniform, again)
    normal = build(latent=40).draw("latent", 500, torch.Generator().manual_seed(0))
    assert normal.std().item() == pytest.approx(1, abs=0.02)
    assert normal.min() < -2


def test_tanh_pixels() -> None:
    system = build(pixels="tanh")
    latents = torch.randn(3, 96)
    expected = torch.tanh(system.generator.body(latents))
    torch.testing.assert_close(system.generate({"latent": latents})["image"], expected.view(3, 1, 28, 28))


@pytest.mark.parametrize(("shown", "scale", "moved"), [("signed", 1, 0), ("unit", 0.5, 0.5)])
def test_pixels_are_shown_to_the_discriminator_as_asked(shown: str, scale: float, moved: float) -> None:
    system = build(shown_pixels=shown)
    seen: list[Tensor] = []
    system.discriminator.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    _, tensors = system.discriminator_loss(BATCH)
    torch.testing.assert_close(seen[0][:6], BATCH["image"] * scale + moved)
    assert len(seen[0]) == 12 and seen[0][6:].min() >= moved - scale  # the fakes too
    torch.testing.assert_close(tensors["real"], system.judge(BATCH["image"]))
    system.generator_loss(BATCH)
    assert seen[-1].min() >= moved - scale


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_objective_is_the_named_one(objective: ObjectiveName) -> None:
    system, expected = build(objective=objective, unpaired_l1_weight=0.0), OBJECTIVES[objective]
    assert system.ideal == expected.ideal
    torch.manual_seed(5)
    terms, tensors = system.discriminator_loss(BATCH)
    torch.testing.assert_close(dict(terms), dict(expected.discriminator(tensors["real"], tensors["fake"])))
    torch.manual_seed(5)
    found = system.generator_loss(BATCH)
    wanted = expected.generator(tensors["real"] if expected.relative else None, tensors["fake"])  # the same latents
    torch.testing.assert_close(dict(found), dict(wanted))


def played(system: MLPGAN) -> tuple[list[str], Iteration]:
    """Perform the updates of one iteration without steps; return who moved on which terms."""
    it = Iteration(0, lambda position, count: BATCH, batch=6)
    steps, moved = system.updates(it), []
    update = next(steps)
    while True:
        result = update.loss(update.batch)
        terms, tensors = result if isinstance(result, tuple) else (result, {})
        moved.append(f"{update.player}: {', '.join(terms)}")
        try:
            update = steps.send(Outcome(terms, tensors))
        except StopIteration:
            return moved, it


@pytest.mark.parametrize(
    ("separate", "expected"),
    [
        (False, ["discriminator: real, fake", "generator: adversarial"]),
        (True, ["discriminator: real", "discriminator: fake", "generator: adversarial"]),
    ],
)
def test_steps(separate: bool, expected: list[str]) -> None:
    moved, it = played(build(separate_steps=separate, unpaired_l1_weight=0.0))
    assert moved == expected
    assert it.shown == 6
    assert it.logged.keys() == {"score_generator", "score_discriminator"}


def test_separate_steps_pay_what_one_step_pays_in_all() -> None:
    system = build(separate_steps=True)
    torch.manual_seed(6)
    together, _ = system.discriminator_loss(BATCH)
    torch.manual_seed(6)
    apart = {**system.real_loss(BATCH)[0], **system.fake_loss(BATCH)[0]}
    torch.testing.assert_close(apart, dict(together))
    half = OBJECTIVES["non_saturating"].ideal["loss_discriminator"] / 2
    assert system.ideal["loss_discriminator"] == half  # the mean of both steps is what the history holds
    assert build().ideal["loss_discriminator"] == 2 * half


@pytest.mark.parametrize(("norm", "smallest"), [("batch", 2), ("layer", 1), ("none", 1)])
def test_only_batch_norm_needs_two_images(norm: str, smallest: int) -> None:
    system = build(generator_norm=norm).train()
    assert system.smallest_batch == smallest
    system.generator_loss({"image": BATCH["image"][:smallest]})
    if smallest == 2:
        with pytest.raises(ValueError, match="more than 1 value"):
            system.generator_loss({"image": BATCH["image"][:1]})


def test_separate_steps_cannot_compare_both_kinds() -> None:
    with pytest.raises(ValidationError, match="separate_steps shows one kind of images, but relativistic_average"):
        build(separate_steps=True, objective="relativistic_average")
