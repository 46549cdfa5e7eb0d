"""Inception: from images to metrics as torch-fidelity does it, and only the published weights give a `fid`."""

from __future__ import annotations

import hashlib
import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from data.fault_server import serving
from metrics.random_inception import Images, write_random_weights
from PIL import Image

from ganpipe.data.catalogue.origins import Published
from ganpipe.data.download.http import Refused
from ganpipe.data.download.transfer import Download
from ganpipe.errors import DataError, MetricError
from ganpipe.files import write_json
from ganpipe.metrics.extractors import inception
from ganpipe.metrics.extractors.inception import VARIABLE, WEIGHTS, InceptionExtractor, find_weights
from ganpipe.metrics.extractors.interface import INCEPTION
from ganpipe.metrics.score import compare, named, score_images

N = 8


def blocks(seed: int, low: int, high: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(low, high, (N, 6, 6, 3), dtype=np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_weights(tmp_path_factory.mktemp("weights") / "random.pth")


@pytest.fixture(scope="module")
def random(weights: Path) -> InceptionExtractor:
    return InceptionExtractor(weights)


class Ours(NamedTuple):
    """Two sets of images, and the metrics of the second against the first."""

    real: np.ndarray
    fake: np.ndarray
    scores: dict[str, float]


@pytest.fixture(scope="module")
def ours(random: InceptionExtractor) -> Ours:
    real, fake = blocks(1, 0, 200), blocks(2, 40, 256)
    return Ours(real, fake, compare(random.extract(real).features, random.extract(fake), neighbours=3))


def test_images_in_metrics_out_like_torch_fidelity(ours: Ours, weights: Path) -> None:
    import torch_fidelity

    theirs = torch_fidelity.calculate_metrics(
        input1=Images(ours.fake), input2=Images(ours.real), feature_extractor="inception-v3-compat",
        feature_extractor_weights_path=str(weights), isc=True, fid=True, kid=True, prc=True, cuda=False, batch_size=8,
        save_cpu_ram=True, isc_splits=1, kid_subsets=1, kid_subset_size=N, prc_neighborhood=3, cache=False,
        verbose=False,
    )  # fmt: skip
    scores = ours.scores
    assert scores["fd"] > 0.1 and scores["kd_x1000"] > 1 and scores["cs"] > 1.01
    assert scores["fd"] == pytest.approx(theirs["frechet_inception_distance"], rel=1e-5)
    assert scores["kd_x1000"] == pytest.approx(1000 * theirs["kernel_inception_distance_mean"], rel=1e-5)
    assert scores["cs"] == pytest.approx(theirs["inception_score_mean"], rel=1e-5)
    assert (scores["precision"], scores["recall"]) == pytest.approx((theirs["precision"], theirs["recall"]), abs=1e-6)


def test_torchmetrics_agrees_where_it_resizes_as_tensorflow_did(ours: Ours, weights: Path) -> None:
    from torchmetrics.image.fid import FrechetInceptionDistance

    theirs = FrechetInceptionDistance(feature_extractor_weights_path=str(weights), antialias=False)
    for images, is_real in ((ours.real, True), (ours.fake, False)):
        theirs.update(torch.tensor(images).permute(0, 3, 1, 2), real=is_real)
    assert float(theirs.compute()) == pytest.approx(ours.scores["fd"], rel=1e-5)


def test_grey_images_are_repeated_and_small_ones_enlarged(random: InceptionExtractor) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (2, 28, 28, 1), dtype=np.uint8)
    found = random.extract(grey)
    assert found.features.shape == (2, 2048) and found.features.dtype == np.float64
    assert found.probabilities is not None and found.probabilities.shape == (2, 1008)
    np.testing.assert_allclose(found.features, random.extract(grey.repeat(3, axis=3)).features, rtol=1e-5)


def test_random_weights_never_give_a_fid(random: InceptionExtractor) -> None:
    assert random.identity.startswith("inception-random@")
    scores = {"fd": 1.0, "fd_floor": 0.5, "kd_x1000": 2.0, "kd_std_x1000": 0.1, "cs": 3.0, "cs_std": 0.2, "recall": 0.5}
    assert named(random.identity, scores) == {"extractor": random.identity, **scores}
    assert named("lite0@57934424", scores).keys() == {"extractor", *scores}
    assert list(named(INCEPTION, scores)) == [
        "extractor", "fid", "fid_floor", "kid_x1000", "kid_std_x1000", "is_mean", "is_std", "recall",
    ]  # fmt: skip


def test_the_pinned_hash_alone_makes_the_name(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (WEIGHTS.size, len(WEIGHTS.sha256 or "")) == (95_628_359, 64) and INCEPTION.endswith(WEIGHTS.sha256[:8])
    found = hashlib.sha256(weights.read_bytes()).hexdigest()
    monkeypatch.setenv(VARIABLE, str(weights))
    with pytest.raises(MetricError, match=rf"sha256 {found[:8]}... is not the 6726825d... of the published Inception"):
        InceptionExtractor()
    monkeypatch.setattr(inception, "WEIGHTS", replace(WEIGHTS, sha256=found))
    assert InceptionExtractor().identity == INCEPTION


def test_a_file_that_holds_a_fid_names_the_verified_weights(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for number, picture in enumerate(blocks(1, 0, 256)[:6]):
        Image.fromarray(picture).save(images / f"{number}.png")
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    monkeypatch.setenv(VARIABLE, str(weights))
    monkeypatch.setattr(inception, "WEIGHTS", replace(WEIGHTS, sha256=digest))  # random ones, taken for the published
    scores, _ = score_images(images, images, "inception", None, neighbours=3)
    write_json(tmp_path / "metrics.json", scores)
    found = json.loads((tmp_path / "metrics.json").read_text())["inception"]
    assert found["extractor"] == INCEPTION and found["fid"] == pytest.approx(0, abs=1e-6)
    assert {"fid", "kid_x1000", "kid_std_x1000", "is_mean", "precision"} < found.keys()
    assert not [key for key in found if key.startswith(("fd", "kd", "cs"))]


@pytest.mark.parametrize("content", [b"", b"junk", pickle.dumps(print, protocol=2), None])
def test_files_that_are_no_weights(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    if content is None:
        torch.save({"fc.bias": torch.zeros(1008)}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(MetricError, match=rf"weights.pth: holds no weights of Inception .*{WEIGHTS.sha256}") as caught:
        InceptionExtractor(path)
    assert "\n" not in str(caught.value)


def test_a_path_that_leads_nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "none.pth"))
    with pytest.raises(MetricError, match=f"{VARIABLE} = .*none.pth: there is no such file"):
        find_weights()


def test_weights_are_downloaded_once_and_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    content = b"weights" * 1000
    sha256 = hashlib.sha256(content).hexdigest()
    with serving(content) as server:
        here = Published((server.url + "w.pth",))
        monkeypatch.setattr(inception, "WEIGHTS", replace(WEIGHTS, origin=here, size=len(content), sha256=sha256))
        path = find_weights()
        assert path == tmp_path / ".ganpipe" / "weights" / WEIGHTS.name and path.read_bytes() == content
        assert find_weights() == path and len(server.requests) == 1
        path.write_bytes(b"damaged")
        assert find_weights().read_bytes() == content and len(server.requests) == 2


def test_without_a_network_one_line_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Download, url: str) -> None:
        raise Refused("no route")

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setattr(Download, "_from", refuse)
    with pytest.raises(DataError, match=rf"could not be downloaded: .*no route.*set {VARIABLE}=/path/to/it") as caught:
        find_weights()
    assert "\n" not in str(caught.value) and not (tmp_path / ".ganpipe" / "weights" / WEIGHTS.name).exists()
