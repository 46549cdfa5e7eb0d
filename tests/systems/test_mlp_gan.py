"""The fully connected GAN: its sizes, its sigmoid pixels, its unpaired L1 term."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ganpipe.core.batch import DataSpec
from ganpipe.systems.mlp_gan import MLPGAN

SPEC = DataSpec(name="digits", kind="image", shape=(1, 28, 28))
BATCH = {"image": torch.rand(6, 1, 28, 28) * 2 - 1}


def build(**options: float) -> MLPGAN:
    torch.manual_seed(0)
    return MLPGAN(MLPGAN.Config.model_validate(options), SPEC).eval()


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
    torch.testing.assert_close(system.generate(latents), expected.view(3, 1, 28, 28))


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
    _, kept = system.discriminator_loss(BATCH)
    torch.manual_seed(4)
    fake = system.discriminator(system.generator(torch.randn(6, 96)))
    torch.testing.assert_close(kept["real"], system.discriminator(BATCH["image"]))
    torch.testing.assert_close(kept["fake"], fake)
