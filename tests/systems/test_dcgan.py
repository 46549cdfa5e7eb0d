"""DCGAN's losses on its own networks, and each remedy: what it changes, and that it changes nothing when it is off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from specs import images
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from torch.nn.utils import parametrize

from ganpipe.config.choices import ObjectiveName
from ganpipe.core.spec import DataSpec
from ganpipe.core.system import Iteration, Outcome, Update
from ganpipe.errors import ConfigError
from ganpipe.losses.adversarial import OBJECTIVES
from ganpipe.losses.diversity import class_balance, mode_seeking
from ganpipe.nets import augment
from ganpipe.nets.dcgan import DenseStart
from ganpipe.nets.layers import MinibatchStd
from ganpipe.systems.dcgan import DCGAN

SPEC = images((3, 16, 16))
LABELLED = images((3, 16, 16), classes=("a", "b", "c"))
BATCH = {"image": torch.rand(4, 3, 16, 16) * 2 - 1}


def build(spec: DataSpec = SPEC, **options: Any) -> DCGAN:
    torch.manual_seed(0)
    return DCGAN(DCGAN.Config.model_validate({"latent": 5, "features": 4, **options}), spec).eval()


def norms(module: nn.Module) -> int:
    return len([layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)])


def first_update(system: DCGAN, nimg: int) -> Update:
    """The discriminator's update of the iteration after `nimg` images."""
    return next(system.updates(Iteration(nimg, lambda position, count: BATCH, batch=4)))


def shown_to(module: nn.Module, run: Callable[[], object]) -> list[Tensor]:
    """The images that a discriminator's layers are given while something runs."""
    seen: list[Tensor] = []
    handle = module.layers.register_forward_pre_hook(lambda _, args: seen.append(args[0].detach().clone()))
    run()
    handle.remove()
    return seen


def test_defaults_are_the_papers() -> None:
    plain = DCGAN.Config()
    assert (plain.latent, plain.features, plain.network, plain.objective) == (100, 64, "dcgan", "non_saturating")
    off = {name for name, value in plain if not value}
    assert {"spectral_norm", "minibatch_std", "augment", "r1_weight", "instance_noise", "flip_real_labels"} <= off
    assert {"diversity_weight", "class_balance_weight"} <= off and plain.real_label == 1


def test_the_discriminator_sees_reals_and_fakes_apart() -> None:
    system = build()
    torch.manual_seed(1)
    terms, tensors = system.discriminator_loss(BATCH)
    torch.manual_seed(1)
    fake = system.discriminator(system.generator(torch.randn(4, 5)))
    real = system.discriminator(BATCH["image"])
    torch.testing.assert_close(dict(terms), dict(OBJECTIVES["non_saturating"].discriminator(real, fake)))
    torch.testing.assert_close(dict(tensors), {"real": real, "fake": fake})


def test_the_generator_is_judged_on_fresh_latents() -> None:
    system = build()
    torch.manual_seed(2)
    terms = system.generator_loss(BATCH)
    torch.manual_seed(2)
    fake = system.discriminator(system.generator(torch.randn(4, 5)))
    torch.testing.assert_close(dict(terms), {"adversarial": nn.functional.softplus(-fake).mean()})


def test_no_gradient_of_the_discriminators_loss_reaches_the_generator() -> None:
    system = build()
    terms, _ = system.discriminator_loss(BATCH)
    torch.stack(list(terms.values())).sum().backward()
    assert all(parameter.grad is None for parameter in system.generator.parameters())
    assert all(parameter.grad is not None for parameter in system.discriminator.parameters())


def test_one_step_each_on_one_batch() -> None:
    system = build()
    it = Iteration(0, lambda position, count: BATCH, batch=4)
    steps = system.updates(it)
    players = [next(steps).player]
    assert it.shown == 4
    players.append(steps.send(Outcome({}, {"real": torch.zeros(4), "fake": torch.zeros(4)})).player)
    assert players == ["discriminator", "generator"]
    assert {name: values[0].item() for name, values in it.logged.items()} == {
        "score_generator": 0.5,
        "score_discriminator": 0.5,
    }


@pytest.mark.parametrize("network", ["dcgan", "dense_start", "flowers", "faces", "faces_gelu"])
def test_every_network_gives_one_logit_per_image(network: str) -> None:
    spec = images((3, 64, 64))
    system = build(spec, network=network, features=2)
    drawn = system.generate({"latent": torch.randn(3, 5)})["image"]
    assert drawn.shape == (3, 3, 64, 64)
    assert -1 <= drawn.min() < drawn.max() <= 1
    assert system.discriminator(drawn).shape == (3,)
    assert system.discriminator.outputs(drawn).shape == (3, 1)
    assert norms(system.discriminator) > 0
    gelus = [m for m in system.modules() if isinstance(m, nn.GELU)]
    assert bool(gelus) == (network == "faces_gelu")


def test_the_dense_start_is_4x4x1024() -> None:
    spec = images((3, 64, 64))
    system = build(spec, network="dense_start", latent=100, features=128)
    start = system.generator.layers[0]
    assert isinstance(start, DenseStart)
    assert start.maps == (1024, 4, 4)
    assert start.linear.weight.shape == (16_384, 100)
    assert not [m for m in build().modules() if isinstance(m, DenseStart)]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_objective_is_the_named_one(objective: ObjectiveName) -> None:
    system, expected = build(objective=objective), OBJECTIVES[objective]
    assert system.ideal == expected.ideal
    torch.manual_seed(3)
    terms, tensors = system.discriminator_loss(BATCH)
    torch.testing.assert_close(dict(terms), dict(expected.discriminator(tensors["real"], tensors["fake"])))
    torch.manual_seed(3)
    adversarial = system.generator_loss(BATCH)["adversarial"]
    wanted = expected.generator(tensors["real"] if expected.relative else None, tensors["fake"])  # the same latents
    torch.testing.assert_close(adversarial, wanted["adversarial"])


def test_a_relativistic_generator_looks_at_the_reals_too() -> None:
    for objective, calls in (("relativistic_average", 2), ("non_saturating", 1)):
        system = build(objective=objective)
        seen = shown_to(system.discriminator, lambda system=system: system.generator_loss(BATCH))
        assert len(seen) == calls
        assert any(torch.equal(images, BATCH["image"]) for images in seen) == (calls == 2)


def test_spectral_norm_takes_the_place_of_batch_norm_in_the_discriminator() -> None:
    for wanted in (True, False):
        system = build(spectral_norm=wanted)
        weighted = [m for m in system.discriminator.modules() if isinstance(m, nn.Conv2d)]
        assert all(parametrize.is_parametrized(layer, "weight") == wanted for layer in weighted)
        assert (norms(system.discriminator) == 0) == wanted
        assert norms(system.generator) > 0
        assert not any(parametrize.is_parametrized(m) for m in system.generator.modules())


def test_minibatch_std() -> None:
    for group in (None, 4):
        system = build(minibatch_std=group)
        found = [m.group for m in system.discriminator.modules() if isinstance(m, MinibatchStd)]
        assert found == ([] if group is None else [4])
        spread, same = BATCH["image"], BATCH["image"][:1].expand(4, -1, -1, -1)
        together, alone = system.discriminator(spread)[:1], system.discriminator(same)[:1]
        assert torch.allclose(together, alone, atol=1e-6) == (group is None)
    with pytest.raises(ValidationError, match="minibatch_std works with the networks dcgan and dense_start, not faces"):
        DCGAN.Config(minibatch_std=4, network="faces")


@pytest.mark.parametrize("policies", [("translation",), ("color", "cutout")])
def test_reals_and_fakes_are_augmented(policies: tuple[augment.Policy, ...]) -> None:
    system = build(augment=policies)
    torch.manual_seed(4)
    real, fake = shown_to(system.discriminator, lambda: system.discriminator_loss(BATCH))
    torch.manual_seed(4)
    drawn = system.generator(torch.randn(4, 5)).detach()
    torch.testing.assert_close(real, augment.diff_augment(BATCH["image"], policies))
    torch.testing.assert_close(fake, augment.diff_augment(drawn, policies))
    assert not torch.equal(real, BATCH["image"])
    system.generator_loss(BATCH)["adversarial"].backward()
    assert all(parameter.grad is not None for parameter in system.generator.parameters())


def test_without_policies_the_images_are_shown_as_they_are() -> None:
    system = build()
    real, _ = shown_to(system.discriminator, lambda: system.discriminator_loss(BATCH))
    assert torch.equal(real, BATCH["image"])


def test_r1_comes_at_every_sixteenth_iteration_with_sixteen_times_the_weight() -> None:
    system = build(r1_weight=3.0)
    penalised = [number for number in range(64) if first_update(system, 4 * number).loss.__name__.startswith("penal")]
    assert penalised == [0, 16, 32, 48]
    torch.manual_seed(5)
    plain, _ = system.discriminator_loss(BATCH)
    torch.manual_seed(5)
    terms, tensors = system.penalised_discriminator_loss(BATCH)
    images = BATCH["image"].clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(system.discriminator(images).sum(), images)
    expected = 3.0 * 16 * gradient.square().sum(dim=(1, 2, 3)).mean() / 2
    assert expected > 0
    torch.testing.assert_close(dict(terms), {**plain, "r1": expected})
    assert tensors.keys() == {"real", "fake"}


def test_r1_may_come_every_time_or_never() -> None:
    always, never = build(r1_weight=3.0, r1_every=1), build()
    for number in range(20):
        assert first_update(always, 4 * number).loss == always.penalised_discriminator_loss
        assert first_update(never, 4 * number).loss == never.discriminator_loss


def test_instance_noise_falls_linearly_to_zero() -> None:
    system = build(instance_noise=0.4, instance_noise_until_kimg=2.0)
    found = []
    for nimg in (0, 500, 1000, 2000, 3000):
        first_update(system, nimg)
        found.append(system.noise_std)
    assert found == pytest.approx([0.4, 0.3, 0.2, 0, 0])


def test_instance_noise_is_laid_on_reals_and_fakes() -> None:
    system = build(instance_noise=0.4)
    batch = {"image": torch.zeros(64, 3, 16, 16)}
    first_update(system, 0)
    torch.manual_seed(6)
    drawn = system.generator(torch.randn(64, 5)).detach()
    torch.manual_seed(6)
    real, fake = shown_to(system.discriminator, lambda: system.discriminator_loss(batch))
    assert real.std().item() == pytest.approx(0.4, rel=0.02)
    assert (fake - drawn).std().item() == pytest.approx(0.4, rel=0.02)
    first_update(system, 100_000)
    quiet, _ = shown_to(system.discriminator, lambda: system.discriminator_loss(batch))
    assert not quiet.any()


def test_a_smooth_real_label() -> None:
    system = build(real_label=0.9)
    terms, tensors = system.discriminator_loss(BATCH)
    real = tensors["real"]
    torch.testing.assert_close(terms["real"], binary_cross_entropy_with_logits(real, torch.full_like(real, 0.9)))
    for wrong in (0.5, 1.1):
        with pytest.raises(ValidationError):
            DCGAN.Config(real_label=wrong)


@pytest.mark.parametrize("smooth", [1.0, 0.9])
def test_about_35_percent_of_the_real_labels_are_flipped(smooth: float) -> None:
    system = build(flip_real_labels=0.35, real_label=smooth)
    torch.manual_seed(7)
    labels = system._real_labels(torch.zeros(20_000))
    assert isinstance(labels, Tensor)
    assert labels.unique().tolist() == pytest.approx([0, smooth])
    assert (labels == 0).float().mean().item() == pytest.approx(0.35, abs=0.01)
    assert build(real_label=smooth)._real_labels(torch.zeros(5)) == smooth


def test_flipped_labels_reach_the_loss() -> None:
    system = build(flip_real_labels=0.35)
    batch = {"image": torch.rand(64, 3, 16, 16)}
    torch.manual_seed(8)
    terms, tensors = system.discriminator_loss(batch)
    torch.manual_seed(8)
    torch.randn(64, 5)  # the latents come first
    labels = (torch.rand(64) >= 0.35).float()
    torch.testing.assert_close(terms["real"], binary_cross_entropy_with_logits(tensors["real"], labels))


def test_mode_seeking_is_a_term_of_the_generator() -> None:
    system = build(diversity_weight=2.5)
    torch.manual_seed(9)
    terms = system.generator_loss(BATCH)
    torch.manual_seed(9)
    latents = torch.randn(4, 5)
    torch.testing.assert_close(terms["diversity"], 2.5 * mode_seeking(latents, system.generator(latents)))
    assert build().generator_loss(BATCH).keys() == {"adversarial"}
    assert (system.smallest_batch, build().smallest_batch) == (2, 1)


def test_class_balance_asks_for_two_images_of_each_class_in_every_piece() -> None:
    assert build(LABELLED, class_balance_weight=0.5, diversity_weight=1.0).smallest_batch == 2 * len(
        LABELLED.names("label")
    )
    assert build(LABELLED).smallest_batch == 1


def test_class_balance_needs_labels() -> None:
    with pytest.raises(ConfigError, match="system.class_balance_weight needs labels, but data.name = 'toy' has none"):
        build(class_balance_weight=1.0)


@pytest.mark.parametrize("network", ["dcgan", "flowers"])
def test_class_balance_reads_the_classes_beside_the_one_logit(network: str) -> None:
    system = build(LABELLED, class_balance_weight=0.5, network=network)
    batch = {**BATCH, "label": torch.tensor([0, 2, 1, 1])}
    outputs = system.discriminator.outputs(BATCH["image"])
    assert outputs.shape == (4, 4)
    assert system.discriminator(BATCH["image"]).shape == (4,)
    terms, tensors = system.discriminator_loss(batch)
    assert terms.keys() == {"real", "fake", "classes"}
    torch.testing.assert_close(terms["classes"], cross_entropy(outputs[:, 1:], batch["label"]))
    torch.testing.assert_close(tensors["real"], outputs[:, 0])
    torch.manual_seed(10)
    found = system.generator_loss(batch)
    torch.manual_seed(10)
    fake = system.discriminator.outputs(system.generator(torch.randn(4, 5)))
    torch.testing.assert_close(found["class_balance"], 0.5 * class_balance(fake[:, 1:]))
    assert build(LABELLED).discriminator.outputs(BATCH["image"]).shape == (4, 1)


def test_images_that_do_not_halve_are_refused() -> None:
    with pytest.raises(ConfigError, match="30x30 do not halve"):
        build(images((3, 30, 30)))
