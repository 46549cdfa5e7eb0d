"""Objectives: closed forms, and the optimal discriminator of the theory, found by training one."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from ganpipe.config.choices import ObjectiveName
from ganpipe.losses.adversarial import OBJECTIVES, wasserstein_critic, wasserstein_generator

NON_SATURATING = OBJECTIVES["non_saturating"]
LN2 = math.log(2)


def logits(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def slopes(cost: Tensor, outputs: Tensor) -> list[float]:
    (gradient,) = torch.autograd.grad(cost, outputs)
    return gradient.tolist()


def summed(terms) -> Tensor:
    return torch.stack(list(terms.values())).sum()


def test_every_name_has_its_objective() -> None:
    assert set(OBJECTIVES) == set(get_args(ObjectiveName))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_ideal_is_what_is_paid_at_balance(name: ObjectiveName) -> None:
    objective = OBJECTIVES[name]
    unsure = torch.full((4,), 0.5 if name == "least_squares" else 0.0, dtype=torch.float64)  # its D is not squashed
    assert objective.belief(unsure).tolist() == [0.5] * 4
    assert summed(objective.generator(unsure, unsure)).item() == pytest.approx(objective.ideal["loss_generator"])
    found = summed(objective.discriminator(unsure, unsure)).item()
    assert found == pytest.approx(objective.ideal["loss_discriminator"])


def test_cross_entropy_is_ln_2_per_term_at_balance() -> None:
    zero = torch.zeros(5)
    for name in ("non_saturating", "minimax"):
        terms = OBJECTIVES[name].discriminator(zero, zero)
        assert [terms["real"].item(), terms["fake"].item()] == pytest.approx([LN2] * 2)
    assert NON_SATURATING.generator(None, zero)["adversarial"].item() == pytest.approx(LN2)
    assert OBJECTIVES["minimax"].generator(None, zero)["adversarial"].item() == pytest.approx(-LN2)


@pytest.mark.parametrize("logit", [-30.0, -3.0, 0.0, 3.0])
def test_the_generators_loss_does_not_saturate_where_minimax_does(logit: float) -> None:
    fake = logits(logit)
    not_saturating = slopes(NON_SATURATING.generator(None, fake)["adversarial"], fake)
    assert not_saturating == pytest.approx([-1 / (1 + math.exp(logit))], rel=1e-12)  # slope 1 when D is sure
    saturating = slopes(OBJECTIVES["minimax"].generator(None, fake)["adversarial"], fake)
    assert saturating == pytest.approx([-1 / (1 + math.exp(-logit))], rel=1e-12)  # slope e^logit when D is sure


def test_a_perfect_discriminator_pays_nothing_and_a_wrong_one_its_logit() -> None:
    sure = torch.full((4,), 50.0)
    assert summed(NON_SATURATING.discriminator(sure, -sure)).item() == pytest.approx(0, abs=1e-6)
    assert summed(NON_SATURATING.discriminator(-sure, sure)).item() == pytest.approx(100)


def test_least_squares_is_the_mean_of_squares_not_the_square_of_the_mean() -> None:
    objective = OBJECTIVES["least_squares"]
    terms = objective.discriminator(logits(-1.0, 3.0), logits(-2.0, 2.0))
    assert (terms["real"].item(), terms["fake"].item()) == (4.0, 4.0)  # of the means: 0 and 0
    fake = logits(-2.0, 2.0)
    cost = objective.generator(None, fake)["adversarial"]
    assert cost.item() == 5.0
    assert slopes(cost, fake) == [-3.0, 1.0]  # an output that overshoots is pulled back


def test_squared_error_is_of_a_sigmoid_and_flat_where_the_discriminator_is_sure() -> None:
    objective = OBJECTIVES["squared_error"]
    assert summed(objective.discriminator(logits(-100.0, 100.0), logits(0.0, 0.0))).item() == pytest.approx(0.5 + 0.25)
    fake = logits(-30.0, 0.0)
    surely_caught, unsure = slopes(objective.generator(None, fake)["adversarial"] * 2, fake)
    assert abs(surely_caught) < 1e-12
    assert unsure == pytest.approx(2 * (0.5 - 1) * 0.25)


def test_hinge_is_flat_beyond_the_margin_for_the_discriminator_only() -> None:
    objective = OBJECTIVES["hinge"]
    real, fake = logits(2.0, 0.5, -3.0, 1.5), logits(-2.0, -0.5, 3.0, 0.0)
    terms = objective.discriminator(real, fake)
    assert terms["real"].item() == (0 + 0.5 + 4 + 0) / 4
    assert terms["fake"].item() == (0 + 0.5 + 4 + 1) / 4
    assert slopes(terms["real"], real) == [0, -0.25, -0.25, 0]
    assert slopes(terms["fake"], fake) == [0, 0.25, 0.25, 0.25]
    cost = objective.generator(None, fake)["adversarial"]
    assert cost.item() == -0.125
    assert slopes(cost, fake) == [-0.25] * 4


def test_the_relativistic_average_compares_with_the_mean_of_the_other_kind() -> None:
    objective = OBJECTIVES["relativistic_average"]
    real, fake = logits(1.0, 3.0), logits(-1.0, 2.0)  # means 2 and 0.5
    softplus = torch.nn.functional.softplus
    above, below = logits(0.5, 2.5), logits(-3.0, 0.0)
    terms = objective.discriminator(real, fake)
    torch.testing.assert_close(terms["real"], softplus(-above).mean())
    torch.testing.assert_close(terms["fake"], softplus(below).mean())
    cost = objective.generator(real, fake)["adversarial"]
    torch.testing.assert_close(cost, softplus(-below).mean() + softplus(above).mean())
    assert all(slope < 0 for slope in slopes(cost, fake))
    with pytest.raises(ValueError, match="needs the outputs on real images too"):
        objective.generator(None, fake)


def test_relativistic_means_are_those_of_the_piece_it_is_given() -> None:
    objective = OBJECTIVES["relativistic_average"]
    real, fake = logits(1.0, 3.0, -2.0, 0.0), logits(-1.0, 2.0, 5.0, -5.0)
    whole = objective.discriminator(real, fake)["real"]
    pieces = [objective.discriminator(real[:2], fake[:2])["real"], objective.discriminator(real[2:], fake[2:])["real"]]
    assert pieces[0].item() == pytest.approx((math.log1p(math.exp(-0.5)) + math.log1p(math.exp(-2.5))) / 2)
    assert abs(whole.item() - (pieces[0].item() + pieces[1].item()) / 2) > 1e-3


@pytest.mark.parametrize("label", [0.9, 0.75, 1.0])
def test_a_smooth_real_label_is_cross_entropy_with_a_soft_target(label: float) -> None:
    real, fake = logits(-2.0, 0.3, 4.0), logits(1.0, -1.0, 0.0)
    terms = NON_SATURATING.discriminator(real, fake, label)
    torch.testing.assert_close(terms["real"], cross_entropy(real, torch.full_like(real, label)))
    torch.testing.assert_close(terms["fake"], cross_entropy(fake, torch.zeros_like(fake)))  # one-sided


@pytest.mark.parametrize("name", ["non_saturating", "least_squares", "hinge"])
def test_flipped_labels_make_the_discriminator_pay_as_for_fakes(name: ObjectiveName) -> None:
    objective = OBJECTIVES[name]
    real, fake = logits(-2.0, 0.3, 4.0), logits(1.0, -1.0, 0.0)
    labels = torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64)
    paid = [objective.on_real(real)[0], objective.on_fake(real)[1], objective.on_real(real)[2]]
    terms = objective.discriminator(real, fake, labels)
    torch.testing.assert_close(terms["real"], torch.stack(paid).mean())
    torch.testing.assert_close(terms["fake"], objective.discriminator(real, fake)["fake"])


@pytest.mark.parametrize("name", sorted(set(OBJECTIVES) - {"relativistic_average"}))
@pytest.mark.parametrize(
    ("real", "fake", "generator", "discriminator"), [(0.0, 0.0, 0.5, 0.5), (50.0, -50.0, 0, 1), (-50.0, 50.0, 1, 0)]
)
def test_scores(name: ObjectiveName, real: float, fake: float, generator: float, discriminator: float) -> None:
    moved = 0.5 if name == "least_squares" else 0.0
    found = OBJECTIVES[name].scores(torch.full((3,), real + moved), torch.full((3,), fake + moved))
    assert found["score_generator"].item() == pytest.approx(generator, abs=1e-6)
    assert found["score_discriminator"].item() == pytest.approx(discriminator, abs=1e-6)


def test_a_relative_discriminator_has_no_scores() -> None:
    """In a healthy `digits-ragan` they would be 0.02 and 0.98: reals are told from fakes when compared, not alone."""
    assert OBJECTIVES["relativistic_average"].scores(logits(1.0), logits(-1.0)) == {}


def test_wasserstein_terms_have_the_sign_of_the_paper() -> None:
    real, fake = torch.tensor([3.0, 5.0]), torch.tensor([1.0, 2.0])
    assert wasserstein_critic(real, fake)["wasserstein"].item() == -2.5
    assert wasserstein_generator(fake)["adversarial"].item() == -1.5


def normal(x: torch.Tensor, mean: float, std: float) -> torch.Tensor:
    return torch.exp(-0.5 * ((x - mean) / std) ** 2) / (std * math.sqrt(2 * math.pi))


def test_a_trained_discriminator_is_the_optimal_one_and_its_value_gives_the_divergence() -> None:
    """Goodfellow et al. 2014, proposition 1 and theorem 1: D* = p / (p + q), V(D*, G) = -log 4 + 2 JSD(p || q).

    G is fixed: q = N(1, 1.5^2), p = N(-1, 1). D is a small network, trained with our loss on fresh draws. Tolerances:
    0.04 on D where p + q > 0.02, and 0.002 on V; seeds 0, 1, 2 are off by at most 0.030 and 0.0005.
    """
    torch.manual_seed(0)
    p, q = (-1.0, 1.0), (1.0, 1.5)
    net = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1), nn.Flatten(0))
    steps = 1500
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        real, fake = torch.randn(2048, 1) * p[1] + p[0], torch.randn(2048, 1) * q[1] + q[0]
        optimizer.zero_grad()
        torch.stack(list(NON_SATURATING.discriminator(net(real), net(fake)).values())).sum().backward()
        optimizer.step()
        schedule.step()

    x = torch.linspace(-9, 9, 20_001, dtype=torch.float64)
    density_p, density_q = normal(x, *p), normal(x, *q)
    with torch.no_grad():
        logits = net(x.float()[:, None]).double()
    seen = density_p + density_q > 0.02
    optimal = density_p / (density_p + density_q)
    assert (torch.sigmoid(logits) - optimal)[seen].abs().max() < 0.04

    value = -torch.trapezoid(
        density_p * nn.functional.softplus(-logits) + density_q * nn.functional.softplus(logits), x
    )
    middle = (density_p + density_q) / 2
    jsd = torch.trapezoid(density_p * (density_p / middle).log() + density_q * (density_q / middle).log(), x) / 2
    assert 0.1 < jsd < 0.6  # the densities overlap, but not wholly: the check says something
    assert value.item() == pytest.approx(-math.log(4) + 2 * jsd.item(), abs=0.002)


def test_a_critics_scores_in_bf16_are_averaged_and_compared_in_fp32() -> None:
    """Their means, 257.33 and 256.67, lie between two neighbours of bf16, 256 and 258."""
    real, fake = torch.tensor([258.0, 258.0, 256.0]), torch.tensor([256.0, 256.0, 258.0])
    narrow = wasserstein_critic(real.bfloat16(), fake.bfloat16())["wasserstein"]
    assert narrow.dtype == torch.float32
    assert narrow.item() == wasserstein_critic(real, fake)["wasserstein"].item() == pytest.approx(-2 / 3, rel=1e-4)
    assert wasserstein_generator(fake.bfloat16())["adversarial"].item() == wasserstein_generator(fake)["adversarial"]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_outputs_in_bf16_cost_what_they_cost_in_fp32_and_float64_stays(name: ObjectiveName) -> None:
    objective = OBJECTIVES[name]
    real, fake = torch.tensor([2.5, 0.25, -7.0]), torch.tensor([-1.5, 3.0, 0.125])  # all are numbers of bf16
    for found, expected in (
        (objective.discriminator(real.bfloat16(), fake.bfloat16()), objective.discriminator(real, fake)),
        (objective.generator(real.bfloat16(), fake.bfloat16()), objective.generator(real, fake)),
        (objective.scores(real.bfloat16(), fake.bfloat16()), objective.scores(real, fake)),
    ):
        assert {key: value.item() for key, value in found.items()} == {k: v.item() for k, v in expected.items()}
    assert all(term.dtype == torch.float64 for term in objective.discriminator(real.double(), fake.double()).values())
