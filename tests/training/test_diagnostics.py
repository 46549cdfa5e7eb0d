"""Every detector flags what it is for and is silent on the healthy neighbour of it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable

import numpy as np
import pytest

from ganpipe import systems
from ganpipe.config import Train
from ganpipe.history.diagnosis import DETECTORS, Finding, as_json, diagnose, news
from ganpipe.history.table import Row

FID_CURVES = {  # CIFAR-10, thousands of generator steps: FID; the logs of PyTorch-StudioGAN, straight lines between
    "DCGAN": {2: 114.9, 42: 49.0, 62: 103.6, 92: 165.4, 200: 137.4},
    "LSGAN": {22: 66.7, 42: 239.6, 72: 292.9, 200: 330.9},
    "GGAN": {52: 43.1, 192: 135.0},
    "WGAN with clipping": {12: 160.0, 100: 159.1, 200: 160.0},
    "WGAN-GP": {2: 61.2, 90: 25.85, 100: 29.46},
    "SNGAN": {2: 43.6, 90: 13.2, 100: 13.2},
}


def scores(pairs: Iterable[tuple[float, float]], **more: float) -> list[Row]:
    """A history of one row per kimg."""
    return [
        {"kimg": float(kimg), "score_generator": g, "score_discriminator": d, **more}
        for kimg, (g, d) in enumerate(pairs, start=1)
    ]


def previews(*values: float, column: str = "diversity") -> list[Row]:
    """A history of one row per kimg, with a preview every fifth."""
    rows = scores([(0.3, 0.7)] * 5 * len(values))
    for row, value in zip(rows[4::5], values, strict=True):
        row[column] = value
    return rows


def evaluations(points: dict[int, float], every: int = 2, column: str = "fid") -> list[Row]:
    steps = np.arange(min(points), max(points) + 1, every)
    return [{"kimg": 64.0 * step, column: float(np.interp(step, *zip(*points.items(), strict=True)))} for step in steps]


def names(rows: list[Row]) -> list[str]:
    return [finding.name for finding in diagnose(rows)]


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        ("DCGAN", ["divergence"]),
        ("LSGAN", ["divergence"]),
        ("GGAN", ["divergence"]),
        ("WGAN with clipping", ["stagnation"]),
        ("WGAN-GP", []),
        ("SNGAN", []),
    ],
)
@pytest.mark.parametrize("column", ["fid", "fd"])
def test_published_curves(curve: str, expected: list[str], column: str) -> None:
    assert names(evaluations(FID_CURVES[curve], column=column)) == expected


def test_divergence_is_found_soon_after_the_best_and_says_where_that_was() -> None:
    (found,) = diagnose(evaluations(FID_CURVES["DCGAN"]))
    assert "its best, 49 at 2688 kimg" in found.evidence  # 42,000 steps of 64 images
    assert 51 * 64 < found.kimg <= 58 * 64  # 1.5 * 49 = 73.5 is passed at 51,000 steps


def test_one_bad_evaluation_is_no_divergence() -> None:
    curve = {step: 30.0 - step for step in range(0, 20, 2)}
    assert names(evaluations(curve | {20: 90.0, 22: 8.0})) == []
    assert names(evaluations(curve | {20: 90.0, 22: 90.0, 24: 90.0})) == ["divergence"]


def test_a_curve_that_fell_early_and_then_stays_low_has_not_stagnated() -> None:
    flat = dict.fromkeys(range(4, 40, 2), 2.5)
    assert names(evaluations({0: 60.9, 2: 5.0} | flat)) == []
    assert names(evaluations({0: 2.6, 2: 2.5} | flat)) == ["stagnation"]


def test_discriminator_dominance_must_be_clear_and_last() -> None:
    lost = [(0.02, 0.98)] * 30
    (found,) = diagnose(scores(lost))
    assert (found.name, found.kimg) == ("discriminator_dominance", 10.0)
    assert "score_generator is 0.020, score_discriminator is 0.980 (so since 1 kimg)" in found.evidence
    assert names(scores([(0.06, 0.98)] * 30)) == []
    assert names(scores([(0.02, 0.94)] * 30)) == []
    assert names(scores(lost[:9])) == []


def test_a_discriminator_that_loses_its_lead_again_does_not_dominate() -> None:
    """As in digits-mlp: won from 28 to 54 kimg, lost again."""
    healthy, lost = [(0.3, 0.7)], [(0.02, 0.98)]
    assert names(scores(healthy * 28 + lost * 26 + healthy * 150)) == []
    assert names(scores(healthy * 28 + lost * 43)) == ["discriminator_dominance"]


def test_generator_dominance() -> None:
    assert names(scores([(0.95, 0.5)] * 10)) == ["generator_dominance"]
    assert names(scores([(0.6, 0.5)] * 100)) == []
    assert names(scores([(0.5, 0.5)] * 10 + [(0.95, 0.5)] * 10)) == []


def test_oscillation() -> None:
    def swinging(low: float, high: float, turns: int, pause: int) -> list[Row]:
        return scores([(value, 0.5) for _ in range(turns) for value in [low] * pause + [high] * pause])

    assert names(swinging(0.1, 0.9, turns=4, pause=3)) == ["oscillation"]
    assert names(swinging(0.1, 0.9, turns=3, pause=3)) == []  # five swings
    assert names(swinging(0.1, 0.9, turns=10, pause=15)) == []  # too slow
    assert names(swinging(0.25, 0.75, turns=30, pause=3)) == []  # too small


def test_vanishing_gradient() -> None:
    def fading(to: float, pair: tuple[float, float]) -> list[str]:
        rows = scores([(0.3, 0.7)] * 5 + [pair] * 30)
        for number, row in enumerate(rows):
            row["generator/gradient_norm"] = 2.0 if number < 5 else to
        return names(rows)

    assert set(fading(0.001, (0.001, 0.999))) == {"vanishing_gradient", "discriminator_dominance"}
    assert fading(0.1, (0.001, 0.999)) == ["discriminator_dominance"]
    assert fading(0.001, (0.5, 0.5)) == []  # a generator at its goal: the gradient of a balanced game


@pytest.mark.parametrize(("column", "low", "high"), [("diversity", 0.2, 0.3), ("diversity_nearest", 0.02, 0.04)])
def test_mode_collapse(column: str, low: float, high: float) -> None:
    assert names(previews(low, low, low, column=column)) == ["mode_collapse"]
    assert names(previews(high, high, high, column=column)) == []
    assert names(previews(low, low, high, low, low, column=column)) == []
    assert names(previews(low / 4, low / 2, low, high, column=column)) == [], "a young generator that grows"


def sampled(curve: dict[float, float], every: float, column: str) -> list[Row]:
    """What a training of this curve (kimg: value, straight lines between) writes that looks every so many kimg."""
    times = np.arange(every, max(curve) + 1e-9, every)
    return [{"kimg": float(t), column: float(np.interp(t, list(curve), list(curve.values())))} for t in times]


YOUNG = {0.0: 0.02, 1.0: 0.06, 2.0: 0.15, 3.0: 0.18, 4.0: 0.17, 16.0: 0.71, 40.0: 0.8}
"""The diversity of a healthy training that was once called collapsed at 4 kimg, for it had a preview every kimg."""


@pytest.mark.parametrize("every", [0.2, 1.0, 2.0, 5.0])
def test_how_often_one_looks_decides_nothing_but_when(every: float) -> None:
    assert names(sampled(YOUNG, every, "diversity")) == []
    dead = {0.0: 0.02, 4.0: 0.17, 12.0: 0.12, 60.0: 0.12}
    (found,) = diagnose(sampled(dead, every, "diversity"))
    assert found.name == "mode_collapse"
    assert 10 <= found.kimg <= 20


@pytest.mark.parametrize("every", [0.1, 1.0, 2.0])
def test_a_lead_in_the_first_thousands_of_images_does_not_last(every: float) -> None:
    def game(curve: dict[float, float]) -> list[Row]:
        rows = sampled(curve, every, "score_discriminator")
        return [row | {"score_generator": 1 - row["score_discriminator"]} for row in rows]

    assert names(game({0.0: 0.98, 6.0: 0.98, 7.0: 0.7, 60.0: 0.7})) == []
    assert names(game({0.0: 0.98, 60.0: 0.98})) == ["discriminator_dominance"]


@pytest.mark.parametrize("every", [0.1, 1.0])
def test_the_noise_of_single_batches_is_no_oscillation(every: float) -> None:
    rows = sampled({0.0: 0.5, 80.0: 0.5}, every, "score_generator")
    for number, row in enumerate(rows):
        row["score_generator"] += 0.45 * (-1) ** number if every < 1 else 0.0
    assert names(rows) == []


@pytest.mark.parametrize("every", [0.5, 4.0, 10.0])
def test_a_score_that_is_taken_often_has_not_stagnated_or_diverged_sooner(every: float) -> None:
    assert names(sampled({0.0: 60.0, 20.0: 58.0, 40.0: 5.0, 200.0: 2.0}, every, "fd")) == []
    bump = {0.0: 60.0, 60.0: 3.0, 180.0: 2.0, 181.0: 3.5, 184.0: 3.5, 185.0: 2.0, 300.0: 2.0}
    assert names(sampled(bump, every, "fd")) == []
    assert names(sampled({0.0: 60.0, 60.0: 3.0, 100.0: 9.0, 200.0: 9.0}, every, "fd")) == ["divergence"]


def test_a_collapse_after_good_beginnings_is_found() -> None:
    (found,) = diagnose(previews(0.4, 0.8, 0.9, 0.01, 0.01, 0.01))
    assert (found.name, found.kimg) == ("mode_collapse", 30.0)
    assert found.evidence.startswith("1% of the mean distance between real items")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite(value: float) -> None:
    (found,) = diagnose([{"kimg": 1.0, "loss_generator": 1.0}, {"kimg": 2.0, "loss_generator": value}])
    assert (found.name, found.kimg, found.evidence) == ("non_finite", 2.0, f"loss_generator is {value}")


def test_absent_columns_and_no_rows_are_silence() -> None:
    assert diagnose([]) == []
    assert diagnose([{"kimg": float(kimg), "loss_generator": -5.0} for kimg in range(1, 200)]) == []


def test_findings_depend_on_the_rows_alone_and_each_comes_once() -> None:
    """Row by row, as in a training that may be resumed anywhere, or all at once."""
    rows = scores([(0.02, 0.98)] * 40)
    for row in rows[9::10]:
        row["diversity"] = 0.01
    whole = diagnose(rows)
    assert [(found.name, found.kimg) for found in whole] == [("discriminator_dominance", 10.0), ("mode_collapse", 30.0)]
    for resumed_at in (5, 15, 35):
        found = diagnose(rows[:resumed_at])
        for count in range(resumed_at + 1, len(rows) + 1):
            found += news(rows[:count], {finding.name for finding in found})
        assert found == whole


def test_a_finding_is_one_line_and_a_mapping() -> None:
    found = Finding("mode_collapse", 12.5, "1% of it is left", "lower train.lr")
    assert str(found) == "mode_collapse at 12.5 kimg: 1% of it is left; lower train.lr"
    assert as_json([found]) == [
        {"name": "mode_collapse", "kimg": 12.5, "evidence": "1% of it is left", "remedy": "lower train.lr"}
    ]


@pytest.mark.parametrize("name", DETECTORS)
def test_remedies_name_keys_that_exist(name: str) -> None:
    detect, remedy = DETECTORS[name]
    known = {f"train.{key}" for key in Train.model_fields} | {"train.optimizer.betas"}
    for system in systems.SYSTEMS:
        known |= {f"system.{key}" for key in systems.system_class(system).Config.model_fields}
    keys = re.findall(r"\b(?:train|system)(?:\.[a-z_0-9]+)+", remedy)
    assert keys
    assert set(keys) <= known
    assert detect.__doc__


@pytest.mark.parametrize("make", [lambda: scores([(0.35, 0.66)] * 400), lambda: previews(*[0.95] * 40)])
def test_a_balanced_game_is_silent(make: Callable[[], list[Row]]) -> None:
    assert names(make()) == []


def joined(at: int, rows: list[Row]) -> list[Row]:
    """A history in which a generator alone is trained for `at` rows of one kimg, then the game of `rows` begins."""
    alone = [
        {"kimg": float(kimg), "loss_generator": 0.3, "generator/gradient_norm": 500.0} for kimg in range(1, at + 1)
    ]
    return alone + [row | {"kimg": at + row["kimg"]} for row in rows]


def found_at(rows: list[Row]) -> dict[str, float]:
    return {finding.name: finding.kimg for finding in diagnose(rows)}


GAMES = {
    "healthy": scores([(0.35, 0.66)] * 60),
    "won by the discriminator": scores([(0.02, 0.98)] * 60),
    "won by the discriminator for a while": scores([(0.3, 0.7)] * 28 + [(0.02, 0.98)] * 26 + [(0.3, 0.7)] * 30),
    "won by the generator": scores([(0.95, 0.5)] * 60),
    "swinging": scores([(0.1, 0.9)] * 3 + [(0.9, 0.1)] * 3) + scores([(0.1, 0.9)]),
    "vanishing": [
        row | {"generator/gradient_norm": 2.0 if row["kimg"] <= 5 else 0.001}
        for row in scores([(0.3, 0.7)] * 5 + [(0.001, 0.999)] * 30)
    ],
}


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize("at", [1, 7, 100])
def test_a_discriminator_that_joins_late_is_judged_from_then_on(game: str, at: int) -> None:
    expected = {name: at + kimg for name, kimg in found_at(GAMES[game]).items()}
    assert found_at(joined(at, GAMES[game])) == expected


def test_the_games_of_these_tests_show_what_they_should() -> None:
    assert [set(found_at(rows)) for rows in GAMES.values()] == [
        set(), {"discriminator_dominance"}, set(), {"generator_dominance"}, set(),
        {"discriminator_dominance", "vanishing_gradient"},
    ]  # fmt: skip


def test_the_first_gradient_is_that_of_the_game_not_of_training_alone() -> None:
    """500 before the discriminator joins and 2 after it is no vanished gradient."""
    rows = joined(40, scores([(0.02, 0.98)] * 60))
    for row in rows[40:]:
        row["generator/gradient_norm"] = 2.0
    assert set(found_at(rows)) == {"discriminator_dominance"}


@pytest.mark.parametrize(("every", "found"), [(2, 12.0), (5, 25.0)])
def test_rows_in_which_the_discriminator_does_not_move_are_skipped(every: int, found: float) -> None:
    """One row in `every` has scores; the evidence is enough images and rows with scores, the newest included."""
    rows = [
        {"kimg": float(kimg), "loss_generator": 1.0}
        | ({"score_generator": 0.02, "score_discriminator": 0.98} if kimg % every == 0 else {})
        for kimg in range(1, 60)
    ]
    assert found_at(rows) == {"discriminator_dominance": found}


def test_swings_are_counted_over_rows_with_the_score() -> None:
    swings = scores([(value, 0.5) for _ in range(8) for value in [0.1] * 3 + [0.9] * 3])
    assert set(found_at(swings)) == {"oscillation"}
    sparse: list[Row] = []
    for number, row in enumerate(swings):
        sparse += [row | {"kimg": 2.0 * number}, {"kimg": 2.0 * number + 1, "loss_generator": 1.0}]
    assert set(found_at(sparse)) == {"oscillation"}


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_one_score_alone_is_enough_or_silence(player: str) -> None:
    rows = [{"kimg": float(kimg), f"score_{player}": 0.98} for kimg in range(1, 60)]
    assert set(found_at(rows)) == ({"generator_dominance"} if player == "generator" else set())


def test_a_training_of_a_generator_alone_is_silent() -> None:
    assert found_at(joined(200, [])) == {}
