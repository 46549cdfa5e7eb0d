"""Statistics of music against counts by hand, and the scores beside real music and its controls."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ganpipe.core.spec import DataSpec, Field
from ganpipe.core.tones import TONE
from ganpipe.data.packed.file import About, Packed, SpaceRows, write_packed
from ganpipe.errors import MetricError
from ganpipe.metrics.extractors import unmet_need
from ganpipe.metrics.extractors.tones import TonesExtractor
from ganpipe.metrics.music import music_scores
from ganpipe.metrics.outputs import Output
from ganpipe.metrics.stage import beside_baselines
from ganpipe.metrics.tones import STATISTICS, statistics

C_MAJOR = [60, 62, 64, 65, 67, 69, 71, 72]


def window(pitches: list[int], waits: list[float], lengths: list[float]) -> np.ndarray:
    rows = zip(lengths, pitches, [80] * len(pitches), waits, strict=True)
    return np.array([list(rows)], np.float32)


def of(pitches: list[int], waits: list[float] | None = None, lengths: list[float] | None = None) -> dict[str, float]:
    count = len(pitches)
    found = statistics(window(pitches, waits or [1.0] * count, lengths or [1.0] * count))
    return dict(zip(STATISTICS, found[0].tolist(), strict=True))


def test_a_melody_has_one_tone_at_a_time() -> None:
    found = of(C_MAJOR)
    assert found == {
        "polyphony_onset": 0, "polyphony_time": 0, "scale_consistency": 1, "repetitions": 0, "tone_span": 12,
        "unique_tones": 8,
    }  # fmt: skip


def test_polyphony_counts_moments_and_time() -> None:
    # begins at 0, 0, 1, 3: two of three moments... one chord of two, then two single tones
    found = of([60, 64, 67, 72], waits=[0, 0, 1, 2], lengths=[1, 2, 1, 1])
    assert found["polyphony_onset"] == pytest.approx(1 / 3)
    # sounding: 0..1 two tones, 1..2 two (64 and 67), 3..4 one: 2 of 3 quarters
    assert found["polyphony_time"] == pytest.approx(2 / 3)


def test_the_first_wait_moves_nothing() -> None:
    assert of([60, 64], waits=[7, 0]) == of([60, 64], waits=[0, 0])


@pytest.mark.parametrize(
    ("pitches", "share"), [(C_MAJOR, 1.0), ([p + 5 for p in C_MAJOR], 1.0), ([60, 61, 62, 63], 0.75)]
)
def test_scales_begin_anywhere(pitches: list[int], share: float) -> None:
    assert of(pitches)["scale_consistency"] == share


def test_repetitions_are_triples_that_were_there_before() -> None:
    assert of([1, 2, 3, 1, 2, 3])["repetitions"] == 1
    assert of([5] * 6)["repetitions"] == 3
    assert of([1, 2, 3, 2, 1, 3])["repetitions"] == 0


def test_features_are_the_statistics_and_those_of_each_column() -> None:
    windows = np.concatenate([window(C_MAJOR, [1.0] * 8, [0.5] * 8), window([40] * 8, [0.25] * 8, [2.0] * 8)])
    found = TonesExtractor().extract(windows)
    assert found.features.shape == (2, 14) and found.probabilities is None
    np.testing.assert_allclose(found.features[:, :6], statistics(windows))
    np.testing.assert_allclose(found.features[1, 6:], [2, 40, 80, 0.25, 0, 0, 0, 0], atol=1e-6)
    with pytest.raises(MetricError, match="not finite"):
        TonesExtractor().extract(np.full((1, 8, 4), np.nan, np.float32))


def test_the_extractor_wants_tones() -> None:
    def spec(names: tuple[str, ...]) -> DataSpec:
        return DataSpec(name="toy", fields={"notes": Field(kind="sequence", shape=(8, 4), names=names)})

    assert unmet_need("tones", spec(TONE), "notes") is None
    assert unmet_need("tones", spec(("a", "b", "c", "d")), "notes") == (
        f"needs the columns {', '.join(TONE)}, but those of `notes` are a, b, c, d"
    )


@pytest.fixture
def real(tmp_path: Path) -> Packed:
    rng = np.random.default_rng(0)
    melodies = [
        [pitch + int(rng.integers(12)) for pitch in C_MAJOR[:k]] + [60] * (8 - k) for k in rng.integers(2, 8, 40)
    ]
    notes = np.concatenate([window(pitches, [1.0] * 8, [1.0] * 8) for pitches in melodies])
    fields = {"notes": Field(kind="sequence", shape=(8, 4), names=TONE), "other": Field(kind="vector", shape=(2,))}
    columns = {"notes": notes, "other": np.zeros((40, 2), np.float32)}
    path = tmp_path / "data.h5"
    write_packed(
        path,
        About("toy", "", "", "", ""),
        fields,
        {"items": SpaceRows(40, iter([columns]), {"train": (0, 30), "test": (30, 40)})},
    )
    return Packed.open(path)


def test_scores_are_beside_held_out_music_and_its_controls(real: Packed) -> None:
    held_out = real.slice("notes", range(30, 40))
    scores = music_scores(real, Output("notes", "notes", held_out), seed=0)
    assert scores is not None
    for name in STATISTICS:
        assert scores[name] == scores[f"{name}_real"]
        assert scores.get(f"distance_{name}", 0) == 0
    assert "distance_polyphony_time" not in scores  # real windows do not differ
    assert scores["unique_tones_shuffled"] == scores["unique_tones_real"]
    assert scores["repetitions_shuffled"] < scores["repetitions_real"]
    assert scores["scale_consistency_random"] < scores["scale_consistency_real"]
    flat = window([60] * 8, [1.0] * 8, [1.0] * 8)
    worse = music_scores(real, Output("notes", "notes", flat), seed=0)
    assert worse is not None
    wanted = statistics(held_out)[:, STATISTICS.index("tone_span")]
    assert worse["distance_tone_span"] == pytest.approx(wanted.mean() / wanted.std())
    line = beside_baselines("music, notes", worse)
    assert "tone_span 0 (real data: " in line and "random pitches: " in line and "distance_tone_span" in line
    assert music_scores(real, Output("other", "other", np.zeros((4, 2), np.float32)), seed=0) is None
