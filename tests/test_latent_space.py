"""Latents of the seed experiments: numbers worked out by hand, and conditions that stay what they are."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from conditional import LATENT, obedient
from specs import vectors
from torch import nn

from ganpipe.core.batch import Batch
from ganpipe.core.inputs import Constant, Input, Noise
from ganpipe.core.system import System
from ganpipe.sampling.draw import all_inputs, render
from ganpipe.sampling.latent_pictures import (
    THRESHOLDS,
    arithmetic,
    line,
    per_choice,
    slerp,
    truncation,
    walk,
)
from ganpipe.systems.configs import SystemConfig


class Plain(System):
    """An unconditional system; its latents are normal numbers, or all the same."""

    class Config(SystemConfig):
        latent: int = 2
        constant: float | None = None

        @property
        def inputs(self) -> Mapping[str, Input]:
            return {"latent": Noise((self.latent,))}

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg, vectors(2, name="toys"))
        self.generator = nn.Linear(cfg.latent, 2)

    def draw(self, name: str, n: int, generator: torch.Generator | None = None) -> torch.Tensor:
        drawn = super().draw(name, n, generator)
        return drawn if self.cfg.constant is None else torch.full_like(drawn, self.cfg.constant)


def plain(latent: int = 2, constant: float | None = None) -> Plain:
    return Plain(Plain.Config(latent=latent, constant=constant))


def latent(rows: torch.Tensor) -> Batch:
    return {"latent": rows}


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
    rows = walk(plain(), latent(start), latent(end), (0.0, 0.25, 1.0), line)
    assert rows["latent"].tolist() == [[1, 0], [0.75, 0.25], [0, 1], [4, 4], [3, 5], [0, 8]]


def test_sum_and_difference_are_as_long_as_other_latents() -> None:
    one, two = torch.tensor([[3.0, 1.0]]), torch.tensor([[1.0, 1.0]])
    expected = torch.tensor([[3.0, 1.0], [1.0, 1.0], [4 / 2**0.5, 2 / 2**0.5], [2 / 2**0.5, 0.0]])
    torch.testing.assert_close(arithmetic(plain(), latent(one), latent(two))["latent"], expected)
    torch.manual_seed(0)
    one, two = (latent(torch.randn(20, 1000)) for _ in range(2))
    many = arithmetic(plain(1000), one, two)["latent"].reshape(4, -1)
    torch.testing.assert_close(many.std(dim=1), torch.ones(4), rtol=0.02, atol=0)


def test_truncation_redraws_what_is_beyond_and_keeps_the_rest() -> None:
    latents = torch.randn(30, 400, generator=torch.Generator().manual_seed(0))
    rows = truncation(plain(400), latent(latents), seed=1)["latent"].unflatten(0, (-1, 30))
    assert torch.equal(rows[0], latents)
    for before, after, threshold in zip(rows, rows[1:], THRESHOLDS, strict=False):
        within = before.abs() <= threshold
        assert 0 < within.float().mean() < 1
        assert torch.equal(after[within], before[within])
        assert after.abs().max() <= threshold
        assert len(after[~within].unique()) > 0.9 * int((~within).sum()), "drawn again, not clamped"
    # variance of a normal number within [-1, 1]: 1 - 2 phi(1) / (2 Phi(1) - 1) = 1 - 0.48394 / 0.68269
    assert rows[1 + THRESHOLDS.index(1.0)].var() == pytest.approx(0.29113, rel=0.02)
    again = truncation(plain(400), latent(latents), seed=1)["latent"]
    assert torch.equal(again.unflatten(0, (-1, 30)), rows)


def test_truncating_a_constant_ends() -> None:
    rows = truncation(plain(constant=0.5), latent(torch.full((1, 2), 0.5)), seed=0)["latent"]
    assert rows[:-1].unique().tolist() == [0.5]
    assert rows[-1].tolist() == pytest.approx([0.3, 0.3])


def ends(system: System, pairs: int) -> tuple[Batch, Batch]:
    """Return the inputs of the first items, and of as many after them."""
    both = all_inputs(system, 2 * pairs, seed=0)
    return {name: rows[:pairs] for name, rows in both.items()}, {name: rows[pairs:] for name, rows in both.items()}


@pytest.mark.parametrize("on", ["label", "attributes"])
def test_only_noise_is_changed_and_the_condition_is_that_of_the_start(on: str) -> None:
    system = obedient(on)
    start, end = ends(system, 32)
    assert start["latent"].shape == (32, LATENT)
    assert not torch.equal(start["wanted"], end["wanted"])
    straight = walk(system, start, end, (0.0, 0.5, 1.0), line)
    assert straight.keys() == {"latent", "wanted"}
    assert torch.equal(straight["wanted"], start["wanted"].repeat_interleave(3, dim=0))
    noise = straight["latent"].unflatten(0, (32, 3))
    assert torch.equal(noise[:, 0], start["latent"])
    torch.testing.assert_close(noise[:, 1], (start["latent"] + end["latent"]) / 2)
    torch.testing.assert_close(noise[:, 2], end["latent"])
    for rows in (arithmetic(system, start, end), truncation(system, start, seed=0)):
        times = len(rows["latent"]) // 32
        assert torch.equal(rows["wanted"], start["wanted"].repeat(times, *[1] * (start["wanted"].ndim - 1)))
        assert not torch.equal(rows["latent"][-32:], start["latent"])


@pytest.mark.parametrize("on", ["label", "attributes"])
def test_pictures_of_walks_keep_the_class_of_the_start(on: str) -> None:
    system = obedient(on)
    start, end = ends(system, 16)
    painted = render(system, walk(system, start, end, (0.0, 0.5, 1.0), slerp))["image"].reshape(16, 3, 8, 8)
    assert (painted[:, :, :3] == painted[:, :1, :3]).all()
    assert (painted[:, 1, 7] != painted[:, 0, 7]).any(axis=1).all()


def test_the_arc_does_not_depend_on_the_condition() -> None:
    system = obedient("label")
    start, end = ends(system, 1)
    other = {**end, "wanted": (end["wanted"] + 1) % 3}
    found, same = (walk(system, start, to, (0.3,), slerp) for to in (end, other))
    assert all(torch.equal(found[name], same[name]) for name in system.inputs)
    torch.testing.assert_close(found["latent"], slerp(start["latent"], end["latent"], 0.3))


class Noisy(System):
    """Two noises, one of them a small map, and a constant."""

    inputs = {"style": Noise((3,)), "shade": Constant(0.5), "map": Noise((2, 4), "uniform")}

    def __init__(self) -> None:
        super().__init__(None, vectors(2))
        self.generator = nn.Linear(3, 2)


def test_every_noise_is_varied_whatever_its_shape_and_constants_stay() -> None:
    system = Noisy()
    start, end = ends(system, 5)
    middle = walk(system, start, end, (0.5,), line)
    assert {name: rows.shape for name, rows in middle.items()} == {"style": (5, 3), "shade": (5, 1), "map": (5, 2, 4)}
    for name in ("style", "map"):
        torch.testing.assert_close(middle[name], (start[name] + end[name]) / 2)
    assert middle["shade"].unique().tolist() == [0.5]
    truncated = truncation(system, start, seed=0)
    last = {name: rows[-5:] for name, rows in truncated.items()}
    assert last["style"].abs().max() <= 0.3 and last["map"].max() <= 0.3
    assert last["map"].min() >= 0 and len(last["map"].unique()) == 40, "drawn again from the same distribution"
    assert truncated["shade"].unique().tolist() == [0.5]


def test_one_row_per_class_with_the_same_noise() -> None:
    system = obedient("label")
    inputs = all_inputs(system, 4, seed=0)
    found = per_choice(system, inputs)
    assert list(found) == ["cat", "dog", "fox"]
    assert [rows["wanted"].tolist() for rows in found.values()] == [[0] * 4, [1] * 4, [2] * 4]
    assert all(torch.equal(rows["latent"], inputs["latent"]) for rows in found.values())


def test_one_row_per_attribute_alone() -> None:
    system = obedient("attributes", ("hat", "smile"))
    inputs = all_inputs(system, 2, seed=0)
    found = per_choice(system, inputs)
    assert list(found) == ["hat", "smile"]
    assert [rows["wanted"].tolist() for rows in found.values()] == [[[1, 0], [1, 0]], [[0, 1], [0, 1]]]
    assert all(torch.equal(rows["latent"], inputs["latent"]) for rows in found.values())


def test_a_single_attribute_is_a_row_too() -> None:
    system = obedient("attributes", ("hat",))
    found = per_choice(system, all_inputs(system, 2, seed=0))
    assert {name: rows["wanted"].tolist() for name, rows in found.items()} == {"hat": [[1], [1]]}


def test_without_a_choice_there_are_no_rows_per_class() -> None:
    with pytest.raises(ValueError, match=r"^Plain has no choice among its inputs$"):
        per_choice(plain(), latent(torch.zeros(1, 2)))
