"""Latents of the seed experiments: numbers worked out by hand, and conditions that stay what they are."""

from __future__ import annotations

import pytest
import torch
from conditional import LATENT, obedient
from torch import nn

from specs import vectors
from ganpipe.config import Closed
from ganpipe.core.system import System
from ganpipe.errors import ConfigError
from ganpipe.sampling.latent_pictures import (
    THRESHOLDS,
    arithmetic,
    condition_names,
    noise_length,
    per_condition,
    slerp,
    truncation,
    walk,
)


class Plain(System):
    """An unconditional system; its latents are normal numbers, or all the same."""

    class Config(Closed):
        latent: int = 2
        constant: float | None = None

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg, vectors(2, name="toys"))
        self.generator = nn.Linear(cfg.latent, 2)

    def latents(self, n: int, generator: torch.Generator | None = None) -> torch.Tensor:
        drawn = super().latents(n, generator)
        return drawn if self.cfg.constant is None else torch.full_like(drawn, self.cfg.constant)


def plain(latent: int = 2, constant: float | None = None) -> Plain:
    return Plain(Plain.Config(latent=latent, constant=constant))


def test_slerp_keeps_the_length_and_the_ends() -> None:
    torch.manual_seed(0)
    start, end = torch.nn.functional.normalize(torch.randn(2, 6, 50, dtype=torch.float64), dim=-1) * 3
    torch.testing.assert_close(slerp(start, end, 0.0), start)
    torch.testing.assert_close(slerp(start, end, 1.0), end)
    torch.testing.assert_close(slerp(start, end, 0.3).norm(dim=1), torch.full((6,), 3.0, dtype=torch.float64))
    right_angle = slerp(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]), 0.5)
    torch.testing.assert_close(right_angle, torch.full((1, 2), 0.5**0.5))


def test_slerp_of_parallel_latents_is_straight() -> None:
    half = torch.full((2, 1), 0.5)
    torch.testing.assert_close(slerp(half, half, 0.7), half)
    torch.testing.assert_close(slerp(half, 3 * half, 0.5), 2 * half)


def test_a_line_is_straight_and_pairs_follow_each_other() -> None:
    start, end = torch.tensor([[1.0, 0.0], [4.0, 4.0]]), torch.tensor([[0.0, 1.0], [0.0, 8.0]])
    rows = walk(plain(), start, end, (0.0, 0.25, 1.0), torch.lerp)
    assert rows.tolist() == [[1, 0], [0.75, 0.25], [0, 1], [4, 4], [3, 5], [0, 8]]


def test_sum_and_difference_are_as_long_as_other_latents() -> None:
    one, two = torch.tensor([[3.0, 1.0]]), torch.tensor([[1.0, 1.0]])
    expected = torch.tensor([[3.0, 1.0], [1.0, 1.0], [4 / 2**0.5, 2 / 2**0.5], [2 / 2**0.5, 0.0]])
    torch.testing.assert_close(arithmetic(plain(), one, two), expected)
    torch.manual_seed(0)
    many = arithmetic(plain(1000), torch.randn(20, 1000), torch.randn(20, 1000)).reshape(4, -1)
    torch.testing.assert_close(many.std(dim=1), torch.ones(4), rtol=0.02, atol=0)


def test_truncation_redraws_what_is_beyond_and_keeps_the_rest() -> None:
    latents = torch.randn(30, 400, generator=torch.Generator().manual_seed(0))
    rows = truncation(plain(400), latents, seed=1).unflatten(0, (-1, 30))
    assert torch.equal(rows[0], latents)
    for before, after, threshold in zip(rows, rows[1:], THRESHOLDS, strict=False):
        within = before.abs() <= threshold
        assert 0 < within.float().mean() < 1
        assert torch.equal(after[within], before[within])
        assert after.abs().max() <= threshold
        assert len(after[~within].unique()) > 0.9 * int((~within).sum()), "drawn again, not clamped"
    # variance of a normal number within [-1, 1]: 1 - 2 phi(1) / (2 Phi(1) - 1) = 1 - 0.48394 / 0.68269
    assert rows[1 + THRESHOLDS.index(1.0)].var() == pytest.approx(0.29113, rel=0.02)
    assert torch.equal(truncation(plain(400), latents, seed=1).unflatten(0, (-1, 30)), rows)


def test_truncating_a_constant_ends() -> None:
    rows = truncation(plain(constant=0.5), torch.full((1, 2), 0.5), seed=0)
    assert rows[:-1].unique().tolist() == [0.5]
    assert rows[-1].tolist() == pytest.approx([0.3, 0.3])


@pytest.mark.parametrize(("on", "names"), [("label", "cde"), ("attributes", "cde"), ("attributes", "c")])
def test_noise_ends_where_another_condition_changes_the_latents(on: str, names: str) -> None:
    system = obedient(on, tuple(names))
    latents = system.latents(5, torch.Generator().manual_seed(0))
    assert latents.shape == (5, LATENT + len(names))
    assert noise_length(system, latents) == LATENT
    assert noise_length(plain(), torch.zeros(1, 2)) == 2


@pytest.mark.parametrize("on", ["label", "attributes"])
def test_only_noise_is_changed_and_the_condition_is_that_of_the_start(on: str) -> None:
    system = obedient(on)
    start, end = system.latents(64, torch.Generator().manual_seed(0)).unflatten(0, (2, 32))
    assert not torch.equal(start[:, LATENT:], end[:, LATENT:])
    straight = walk(system, start, end, (0.0, 0.5, 1.0), torch.lerp).unflatten(0, (32, 3))
    assert torch.equal(straight[..., LATENT:], start[:, None, LATENT:].expand(-1, 3, -1))
    torch.testing.assert_close(straight[:, 1, :LATENT], (start + end)[:, :LATENT] / 2)
    torch.testing.assert_close(straight[:, 2, :LATENT], end[:, :LATENT])
    for rows in (arithmetic(system, start, end), truncation(system, start, seed=0)):
        assert torch.equal(rows[:, LATENT:], start[:, LATENT:].repeat(len(rows) // 32, 1))


def test_the_arc_does_not_depend_on_the_condition() -> None:
    system = obedient("label")
    start, end = system.latents(2, torch.Generator().manual_seed(0)).unflatten(0, (2, 1))
    other = system.ask(end, (system.asked(end)["label"] + 1) % 3)
    assert torch.equal(walk(system, start, end, (0.3,), slerp), walk(system, start, other, (0.3,), slerp))
    torch.testing.assert_close(
        walk(system, start, end, (0.3,), slerp)[:, :LATENT], slerp(start[:, :LATENT], end[:, :LATENT], 0.3)
    )


def test_one_row_per_class_with_the_same_noise() -> None:
    system = obedient("label")
    latents = system.latents(4, torch.Generator().manual_seed(0))
    rows = per_condition(system, latents)
    assert system.asked(rows)["label"].tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert torch.equal(rows[:, :LATENT], latents[:, :LATENT].repeat(3, 1))
    assert condition_names(system, latents) == ("cat", "dog", "fox")


def test_one_row_per_attribute_alone() -> None:
    system = obedient("attributes", ("hat", "smile"))
    latents = system.latents(2, torch.Generator().manual_seed(0))
    rows = per_condition(system, latents)
    assert system.asked(rows)["attributes"].tolist() == [[1, 0], [1, 0], [0, 1], [0, 1]]
    assert condition_names(system, latents) == ("hat", "smile")


def test_without_a_condition_there_are_no_rows_per_class() -> None:
    with pytest.raises(ConfigError, match=r"^sample\.pictures: classes needs a conditional system, but Plain takes no"):
        per_condition(plain(), torch.zeros(1, 2))
