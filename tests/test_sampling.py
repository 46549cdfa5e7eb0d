"""The sample stage: its files, the same every time, and the walk between latents."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from miniatures import changed, miniature
from PIL import Image

from ganpipe import paths
from ganpipe.config import Params
from ganpipe.data.packed import Packed
from ganpipe.generator import load_generator
from ganpipe.sampling import sample, slerp
from ganpipe.training.run import train


@pytest.mark.parametrize("recipe", ["digits-dcgan", "pattern-1010"])
def test_samples_are_what_the_generator_draws_and_the_same_every_time(
    recipe: str, workspace: Callable[[str], Params]
) -> None:
    params = changed(miniature(workspace(recipe)), sample={"count": 70, "seed": 4})
    train(params, "fingerprint")
    sample(params, "fingerprint")
    first = {path.name: path.read_bytes() for path in paths.SAMPLES.iterdir()}
    assert first.keys() == {"samples.h5", "grid.png", "interpolation.png"}
    samples = Packed.open(paths.SAMPLES_FILE)
    samples.verify()
    assert np.array_equal(samples.all(samples.kind), load_generator(paths.MODEL).sample(70, seed=4))
    sample(params, "fingerprint")
    assert {path.name: path.read_bytes() for path in paths.SAMPLES.iterdir()} == first


def test_the_finished_checkpoint_is_no_longer_needed(workspace: Callable[[str], Params]) -> None:
    params = miniature(workspace("pattern-1010"))
    train(params, "fingerprint")
    assert (paths.state_dir() / "checkpoints" / "fingerprint" / "last.pt").exists()
    sample(params, "fingerprint")
    assert not (paths.state_dir() / "checkpoints" / "fingerprint").exists()


def test_each_row_of_the_strip_goes_from_one_sample_to_the_next(workspace: Callable[[str], Params]) -> None:
    params = changed(miniature(workspace("digits-mlp")), sample={"interpolation_pairs": 2, "interpolation_steps": 5})
    train(params, "fingerprint")
    sample(params, "fingerprint")
    strip = np.asarray(Image.open(paths.SAMPLES / "interpolation.png"))
    images = load_generator(paths.MODEL).sample(4)[..., 0]
    cell = (strip.shape[1] - 2) // 5
    scale = (cell - 2) // 28
    cells = [
        [strip[2 + r * cell :, 2 + c * cell :][: 28 * scale : scale, : 28 * scale : scale] for c in range(5)]
        for r in range(2)
    ]
    for row in range(2):
        assert np.array_equal(cells[row][0], images[2 * row])
        assert np.array_equal(cells[row][4], images[2 * row + 1])
        assert not np.array_equal(cells[row][2], images[2 * row])


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
