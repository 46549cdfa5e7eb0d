"""Piano rolls: where a tone is drawn, and how bright."""

from __future__ import annotations

import numpy as np
import pytest

from ganpipe.core.spec import Field
from ganpipe.core.tones import TONE
from ganpipe.rolls import COLUMNS, HIGHEST, LOWEST, QUARTERS, ROWS, drawable, piano_rolls


def roll(*tones: tuple[float, float, float, float]) -> np.ndarray:
    return piano_rolls(np.array([tones], np.float32))[0, :, :, 0]


def test_time_runs_to_the_right_and_pitch_up() -> None:
    found = roll((1, 60, 127, 5), (2, 64, 64, 0.5))
    assert found.shape == (ROWS * (HIGHEST - LOWEST + 1), QUARTERS * COLUMNS)
    keys = np.zeros((HIGHEST - LOWEST + 1, QUARTERS * COLUMNS), np.uint8)
    keys[HIGHEST - 60, 0:8] = 255
    keys[HIGHEST - 64, 4:20] = round(255 * 64 / 127)
    expected = keys.repeat(ROWS, axis=0)
    np.testing.assert_array_equal(found, expected)


def test_a_short_tone_has_a_pixel_and_later_ones_are_cut() -> None:
    assert (roll((0.01, 60, 127, 0)) > 0).sum() == ROWS
    assert (roll((100, 60, 127, 0)) > 0).sum() == ROWS * QUARTERS * COLUMNS
    assert (roll((1, 60, 127, 0), (1, 72, 127, 60)) > 0).sum() == ROWS * COLUMNS


@pytest.mark.parametrize(("pitch", "row"), [(0, -1), (127, 0), (21, -1), (108, 0)])
def test_keys_beyond_a_piano_are_drawn_at_its_ends(pitch: int, row: int) -> None:
    assert roll((1, pitch, 127, 0))[row, 0] == 255


def test_numbers_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        piano_rolls(np.full((1, 2, 4), np.inf, np.float32))


def test_other_sequences_stay_as_they_are() -> None:
    items = np.zeros((2, 3, 4), np.float32)
    assert drawable(items, Field(kind="sequence", shape=(3, 4))) is items
    assert drawable(items, Field(kind="sequence", shape=(3, 4), names=TONE)).dtype == np.uint8
