"""Encoders of texts by name: a BERT in a folder as transformers computes it, and a random one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from ganpipe.errors import ConfigError, DataError
from ganpipe.pretrained import encoders
from ganpipe.pretrained.encoders import BertEncoder, RandomEncoder, TextEncoder, load_encoder

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "blue", "seven", "on"]
CAPTIONS = ["a red seven", "a blue seven on red", "blue"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small BERT with random weights, whose tokenizer pads to 12."""
    into = tmp_path_factory.mktemp("bert")
    (into / "vocab.txt").write_text("\n".join(WORDS))
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    config = BertConfig(vocab_size=len(WORDS), max_position_embeddings=16, **sizes)
    BertModel(config).save_pretrained(into)
    BertTokenizerFast(vocab=str(into / "vocab.txt"), model_max_length=16).save_pretrained(into)
    return into


def test_a_bert_in_a_folder_says_what_transformers_says(folder: Path) -> None:
    encoder = load_encoder(str(folder))
    assert isinstance(encoder, BertEncoder) and isinstance(encoder, TextEncoder) and len(encoder.sha256) == 64
    features, mask = encoder.encode(CAPTIONS)
    assert features.shape == (3, 7, 8) and mask.sum(1).tolist() == [5, 7, 3]
    network = BertModel.from_pretrained(folder).eval()
    for caption, found, kept in zip(CAPTIONS, features, mask, strict=True):
        numbers = [2, *(WORDS.index(word) for word in caption.split()), 3]
        alone = network(input_ids=torch.tensor([numbers])).last_hidden_state[0]
        assert torch.allclose(found[kept], alone, atol=1e-5) and not found[~kept].any()


def test_a_caption_that_is_too_long_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match=r"caption 'red red .*'\.\.\.: more than the 16 tokens"):
        BertEncoder(folder).encode(["red " * 15])


def test_other_weights_are_another_encoder(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert BertEncoder(tmp_path).sha256 == BertEncoder(folder).sha256
    network = BertModel.from_pretrained(tmp_path)
    network.embeddings.word_embeddings.weight.data[5, 0] += 1
    network.save_pretrained(tmp_path)
    assert BertEncoder(tmp_path).sha256 != BertEncoder(folder).sha256


def test_a_folder_without_a_bert_and_a_missing_package_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match="holds no BERT that transformers can load"):
        load_encoder(str(tmp_path))
    monkeypatch.setattr(encoders, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"transformers is missing; run `pip install 'ganpipe\[text\]'`"):
        load_encoder(str(tmp_path))


def test_a_random_encoder_tells_words_their_order_and_seeds_apart() -> None:
    encoder = load_encoder("random-3")
    assert isinstance(encoder, RandomEncoder) and encoder.sha256 != RandomEncoder(4).sha256
    features, mask = encoder.encode(["Red on blue", "blue on red", "red"])
    assert features.shape == (3, 3, 32) and mask.tolist() == [[True] * 3, [True] * 3, [True, False, False]]
    assert torch.equal(features[0, 0], features[2, 0]) and not features[2, 1:].any()
    assert torch.equal(features[0, 1], features[1, 1]) and not torch.equal(features[0, 0], features[1, 2])
    assert not torch.equal(RandomEncoder(4).encode(["red"])[0], features[2:, :1])
