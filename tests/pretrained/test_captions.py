"""MiniLM, the real weights: tokens and features as transformers computes them, whatever captions come along."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ganpipe.errors import ConfigError, DataError
from ganpipe.nets.minilm import pooled
from ganpipe.pretrained import captions
from ganpipe.pretrained.captions import CaptionEncoder

RECORDED: list[dict[str, Any]] = json.loads((Path(__file__).parent / "captions.json").read_text())
CAPTIONS = [known["caption"] for known in RECORDED]


@pytest.fixture(scope="module")
def encoder(checkout_with: Callable[[str], Path]) -> CaptionEncoder:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(checkout_with("minilm"))
        patch.delenv("DVC_ROOT", raising=False)
        return CaptionEncoder()


def cosine(encoder: CaptionEncoder, one: str, other: str) -> float:
    vectors = pooled(*encoder.encode([one, other]))
    return float(torch.cosine_similarity(vectors[0], vectors[1], dim=0))


def test_tokens_and_features_are_those_of_transformers(encoder: CaptionEncoder) -> None:
    tokens, _ = encoder.tokens(CAPTIONS)
    features, mask = encoder.encode(CAPTIONS)
    assert features.dtype == torch.float32 and features.shape == (*mask.shape, 384)
    assert mask.shape[1] == max(len(known["tokens"]) for known in RECORDED)  # no padding beyond the longest
    for row, known in enumerate(RECORDED):
        length = len(known["tokens"])
        assert mask[row].sum() == length and mask[row, :length].all()
        assert tokens[row, :length].tolist() == known["tokens"]
        assert torch.allclose(features[row, :length].norm(dim=1), torch.tensor(known["norms"]), atol=1e-4)
        assert torch.allclose(features[row, :length, :4], torch.tensor(known["first"]), atol=1e-4)
        assert torch.allclose(pooled(features, mask)[row, :8], torch.tensor(known["pooled"]), atol=1e-4)
        assert not features[row, length:].any()


def test_the_example_of_the_documentation(encoder: CaptionEncoder) -> None:
    features, _ = encoder.encode(["a small red seven on a blue background"])
    norms = features[0].norm(dim=1)
    assert features.shape == (1, 10, 384)
    assert float(norms.min()) == pytest.approx(5.6, abs=0.05) and float(norms.max()) == pytest.approx(11.1, abs=0.1)


@pytest.mark.parametrize(
    ("one", "other", "known"),
    [
        ("red apple", "an apple that is red", 0.925),
        ("red apple", "green apple", 0.796),
        ("red apple", "crocodile", 0.227),
        ("fire engine", "a red truck for firefighters", 0.515),
        ("a small red seven on a blue background", "a little crimson 7 on blue", 0.670),
    ],
)
def test_meanings_are_as_near_as_was_measured(encoder: CaptionEncoder, one: str, other: str, known: float) -> None:
    assert cosine(encoder, one, other) == pytest.approx(known, abs=1e-3)


def test_a_caption_has_the_same_features_in_any_company(encoder: CaptionEncoder) -> None:
    many = [f"{'very ' * (number % 7)}small thing number {number}" for number in range(70)]  # more than one batch
    features, mask = encoder.encode(many)
    for row in (0, 6, 63, 64, 69):
        alone, own = encoder.encode([many[row]])
        assert torch.allclose(features[row, : own.sum()], alone[0], atol=2e-5)
        assert mask[row].sum() == own.sum()


def test_it_is_frozen_and_has_no_pooler(encoder: CaptionEncoder) -> None:
    assert sum(p.numel() for p in encoder.parameters()) == 22_713_216 - 147_840
    assert not encoder.network.training and not any(p.requires_grad for p in encoder.parameters())


def test_a_caption_that_is_too_long_is_refused_and_never_cut(encoder: CaptionEncoder) -> None:
    features, _ = encoder.encode(["word " * 510])
    assert features.shape == (1, 512, 384)
    with pytest.raises(DataError, match=r"caption 'word word .*'\.\.\.: 513 tokens, at most 512"):
        encoder.tokens(["short", "word " * 511])


def test_without_tokenizers_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captions, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"tokenizers is missing; run `pip install 'ganpipe\[text\]'`"):
        CaptionEncoder()
