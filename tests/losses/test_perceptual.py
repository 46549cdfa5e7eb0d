"""Distances of features against formulas worked out by hand, in double precision."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ganpipe.losses.perceptual import feature_distance, gram, gram_distance, total_variation


def maps(seed: int, n: int = 3, channels: int = 4, height: int = 5, width: int = 6) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, channels, height, width, generator=generator, dtype=torch.float64)


def features(seed: int, n: int = 3) -> dict[str, Tensor]:
    return {"conv1_1": maps(seed, n), "relu2_1": 100 * maps(seed + 100, n, 7, 2, 3).relu()}


def test_the_distance_of_features_is_relative_to_what_is_wanted() -> None:
    made, wanted = features(0), features(1)
    parts = []
    for layer in wanted:
        error = sum((made[layer].flatten() - wanted[layer].flatten()) ** 2) / wanted[layer].numel()
        parts.append(error / (sum(wanted[layer].flatten() ** 2) / wanted[layer].numel()))
    torch.testing.assert_close(feature_distance(made, wanted), sum(parts) / 2, rtol=1e-12, atol=0)


def test_a_weight_means_the_same_for_features_of_any_size() -> None:
    made, wanted = features(0), features(1)
    larger = [{layer: 1000 * values for layer, values in one.items()} for one in (made, wanted)]
    for distance in (feature_distance, gram_distance):
        torch.testing.assert_close(distance(*larger), distance(made, wanted), rtol=1e-12, atol=0)
        zeros = {layer: torch.zeros_like(values) for layer, values in wanted.items()}
        assert float(distance(zeros, wanted)) == pytest.approx(1, rel=1e-12)
        one = {layer: values[:1] for layer, values in wanted.items()}
        assert distance(one, one) == 0
        assert torch.isfinite(distance(made, zeros))  # dead features


def test_only_wanted_layers_count_and_nothing_flows_to_what_is_wanted() -> None:
    made, wanted = features(0), features(1)
    wanted = {"conv1_1": wanted["conv1_1"].requires_grad_()}
    made["conv1_1"].requires_grad_()
    feature_distance(made, wanted).backward()
    assert made["conv1_1"].grad is not None and wanted["conv1_1"].grad is None


def test_a_gram_matrix_is_that_of_one_image() -> None:
    values = maps(0)
    found = gram(values)
    assert found.shape == (3, 4, 4)
    for n in range(3):
        for i in range(4):
            for j in range(4):
                by_hand = sum(values[n, i].flatten() * values[n, j].flatten()) / (4 * 5 * 6)
                torch.testing.assert_close(found[n, i, j], by_hand, rtol=1e-12, atol=1e-15)
    torch.testing.assert_close(gram(values[1:2])[0], found[1], rtol=1e-12, atol=0)  # whatever else is in the batch


def test_the_place_of_a_texture_does_not_count_and_the_size_of_the_picture_does_not_either() -> None:
    values = maps(0)
    torch.testing.assert_close(gram(values.roll((1, 2), dims=(2, 3))), gram(values), rtol=1e-12, atol=1e-15)
    torch.testing.assert_close(gram(values.repeat(1, 1, 2, 3)), gram(values), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("n", [1, 4])
def test_the_distance_of_gram_matrices_from_the_mean_one_of_a_style(n: int) -> None:
    made, style = features(0), features(5, n=n)
    parts = []
    for layer in style:
        theirs = sum(gram(style[layer][at : at + 1])[0] for at in range(n)) / n
        errors = [(ours - theirs).square().mean() for ours in gram(made[layer])]
        parts.append(sum(errors) / 3 / theirs.square().mean())
    torch.testing.assert_close(gram_distance(made, style), sum(parts) / 2, rtol=1e-12, atol=0)


def test_total_variation_of_a_known_picture() -> None:
    steps = torch.tensor([[0.0, 1.0, 1.0], [0.0, 1.0, 3.0]], dtype=torch.float64)[None, None]
    below, beside = (0 + 0 + 2) / 3, (1 + 0 + 1 + 2) / 4
    assert float(total_variation(steps)) == pytest.approx(below + beside, rel=1e-12)
    assert total_variation(torch.full((2, 3, 4, 4), 0.7)) == 0


def test_narrow_formats_are_compared_in_single_precision() -> None:
    made, wanted = ({layer: values.bfloat16() for layer, values in features(seed).items()} for seed in (0, 1))
    for found in (feature_distance(made, wanted), gram_distance(made, wanted), total_variation(made["conv1_1"])):
        assert found.dtype == torch.float32
