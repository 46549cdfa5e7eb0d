"""DINOv2 by timm, on random weights in the real file format: the real ones cannot be had without a network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from ganpipe.errors import MetricError
from ganpipe.metrics.extractors.dinov2 import MODEL, VARIABLE, Dinov2Extractor


def test_features_of_random_weights_in_the_format_of_timm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import timm  # takes long

    with torch.device("meta"):
        shapes = timm.create_model(MODEL, pretrained=False, num_classes=0).state_dict()
    generator = torch.Generator().manual_seed(0)
    weights = {name: torch.randn(value.shape, generator=generator) * 0.02 for name, value in shapes.items()}
    safetensors.torch.save_file(weights, tmp_path / "model.safetensors")
    assert weights["pos_embed"].shape == (1, 1 + 37 * 37, 768)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "model.safetensors"))
    network = Dinov2Extractor()
    name, _, digits = network.identity.partition("@")
    assert name == "dinov2-vitb14" and len(digits) == 8
    grey = np.random.default_rng(0).integers(0, 256, (2, 40, 40, 1), dtype=np.uint8)
    found = network.extract(grey)
    assert found.features.shape == (2, 768) and found.features.dtype == np.float64 and found.probabilities is None
    assert np.abs(found.features[0] - found.features[1]).max() > 0
    np.testing.assert_allclose(found.features, network.extract(grey.repeat(3, axis=3)).features, rtol=1e-5)


@pytest.mark.parametrize(
    ("content", "message"), [(None, "there is no such file"), (b"junk", "is no safetensors file"), (b"", "is no safe")]
)
def test_files_that_will_not_do(
    content: bytes | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.safetensors"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv(VARIABLE, str(path))
    with pytest.raises(MetricError, match=f"{VARIABLE} = .*model.safetensors: {message}") as caught:
        Dinov2Extractor()
    assert "\n" not in str(caught.value)


def test_weights_of_another_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.safetensors"
    safetensors.torch.save_file({"head.weight": torch.zeros(3)}, path)
    monkeypatch.setenv(VARIABLE, str(path))
    with pytest.raises(MetricError, match=f"holds no weights of {MODEL}") as caught:
        Dinov2Extractor()
    assert "\n" not in str(caught.value)


def test_without_a_network_one_line_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr("timm.models.load_state_dict_from_hf", fails)
    with pytest.raises(MetricError, match=f"could not be downloaded .*set {VARIABLE} to a copy of") as caught:
        Dinov2Extractor()
    assert "\n" not in str(caught.value)
