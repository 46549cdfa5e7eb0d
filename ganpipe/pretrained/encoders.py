"""Frozen encoders of texts by the name in `data.encoder`: MiniLM, any other BERT in a folder, or a random one.

An encoder is loaded where captions are packed, and where a trained generator is asked for new ones.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ganpipe.errors import ConfigError, DataError
from ganpipe.files import sha256_of
from ganpipe.pretrained.captions import CaptionEncoder
from ganpipe.pretrained.fetch import lookup

DEFAULT = "minilm"

_RANDOM = re.compile(r"random-(\d{1,9})")
_WIDTH = 32  # of a random encoder
_PLACE = 0.3  # of its place in the text, in a token's features
_BERT = ("config.json", "*.safetensors", "*.bin", "tokenizer*.json", "vocab.txt")
_BATCH = 64  # captions


@runtime_checkable
class TextEncoder(Protocol):
    """Turns texts into features of their tokens; `sha256` stands for all that decides them."""

    sha256: str

    def encode(self, captions: Sequence[str]) -> tuple[Float[Tensor, "n t d"], Bool[Tensor, "n t"]]:
        """Return the features of the tokens, zero where there is none, and the mask of the tokens that there are."""


def load_encoder(source: str) -> TextEncoder:
    """Return the encoder `minilm`, `random-SEED` or the BERT in a folder.

    Raises `ConfigError` where it is none of them or a package is missing, `DataError` where files cannot be had or read
    """
    if source == DEFAULT:
        return MiniLMEncoder()
    if found := _RANDOM.fullmatch(source):
        return RandomEncoder(int(found[1]))
    if Path(source).is_dir():
        return BertEncoder(Path(source))
    raise ConfigError(
        f"data.encoder = {source!r}: no such folder; name {DEFAULT}, random-SEED (for example random-0), or the folder "
        "of a BERT as transformers saves it"
    )


class MiniLMEncoder(CaptionEncoder):
    """all-MiniLM-L6-v2, see `CaptionEncoder`; its sha256 is over those of the published files."""

    def __init__(self) -> None:
        super().__init__()
        self.sha256 = hashlib.sha256("".join(str(file.sha256) for file in lookup(DEFAULT).files).encode()).hexdigest()


class RandomEncoder:
    """For tests and machines without weights: every word has random features, moved a little by its place.

    It knows no meaning, so nothing that was learned for one word holds for another. NumPy draws, so that features are
    the same on every machine.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.sha256 = hashlib.sha256(f"random-{seed} {_WIDTH} {_PLACE}".encode()).hexdigest()

    def encode(self, captions: Sequence[str]) -> tuple[Float[Tensor, "n t d"], Bool[Tensor, "n t"]]:
        """See `TextEncoder`. Tokens are words and marks; capitals do not count."""
        texts = [re.findall(r"\w+|[^\w\s]", caption.lower()) for caption in captions]
        found = [torch.stack([self._token(word, place) for place, word in enumerate(words)]) for words in texts]
        mask = pad_sequence([torch.ones(len(one), dtype=torch.bool) for one in found], batch_first=True)
        return pad_sequence(found, batch_first=True), mask

    def _token(self, word: str, place: int) -> Float[Tensor, " d"]:
        return self._drawn(word) + _PLACE * self._drawn(f"place {place}")

    def _drawn(self, name: str) -> Float[Tensor, " d"]:
        key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
        return torch.from_numpy(np.random.default_rng([self._seed, key]).standard_normal(_WIDTH, np.float32))


class BertEncoder:
    """A BERT in a folder, as the library transformers saves it with its tokenizer: its last hidden states."""

    def __init__(self, folder: Path) -> None:
        """Load it. Raises `ConfigError` without the package transformers, `DataError` where the folder holds none."""
        if find_spec("transformers") is None:
            raise ConfigError("encoder: the Python package transformers is missing; run `pip install 'ganpipe[text]'`")
        from transformers import AutoModel, AutoTokenizer  # takes seconds, and only this encoder needs it

        files = sorted({file for pattern in _BERT for file in folder.glob(pattern)})
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            self._network = AutoModel.from_pretrained(folder, local_files_only=True).eval().requires_grad_(False)
        except (OSError, ValueError) as error:
            raise DataError(f"{folder}: holds no BERT that transformers can load: {_one_line(error)}") from None
        hashes = (f"{file.name} {sha256_of(file)}\n" for file in files)
        self.sha256 = hashlib.sha256("".join(hashes).encode()).hexdigest()

    def encode(self, captions: Sequence[str]) -> tuple[Float[Tensor, "n t d"], Bool[Tensor, "n t"]]:
        """See `TextEncoder`. Raises `DataError` for a caption of more tokens than the network has places."""
        most = self._network.config.max_position_embeddings
        parts, masks = [], []
        for start in range(0, len(captions), _BATCH):
            batch = list(captions[start : start + _BATCH])
            tokens = self._tokenizer(batch, padding="longest", truncation=False, return_tensors="pt")
            if tokens["input_ids"].shape[1] > most:
                longest = batch[int(tokens["attention_mask"].sum(1).argmax())]
                raise DataError(f"caption {longest[:40]!r}...: more than the {most} tokens that can be encoded")
            mask = tokens["attention_mask"].bool()
            with torch.no_grad():
                features = self._network(**tokens).last_hidden_state * mask[:, :, None]
            parts += [one[kept] for one, kept in zip(features, mask, strict=True)]
            masks += [one[one] for one in mask]
        return pad_sequence(parts, batch_first=True), pad_sequence(masks, batch_first=True)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
