"""Turns captions into features of their tokens, for systems that draw what a text says."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

import safetensors.torch
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from ganpipe.errors import ConfigError, DataError
from ganpipe.nets.minilm import LONGEST, WIDTH, MiniLM
from ganpipe.pretrained.fetch import fetch

_BATCH = 64  # captions


class CaptionEncoder(nn.Module):
    """all-MiniLM-L6-v2 with its tokenizer. Frozen; as a network of a system it belongs into `System.frozen`."""

    def __init__(self) -> None:
        """Load the weights; bring them where they are not on this machine yet.

        Raises `ConfigError` without the package tokenizers, `DataError` where a file cannot be had.
        """
        super().__init__()
        if find_spec("tokenizers") is None:
            raise ConfigError("captions: the Python package tokenizers is missing; run `pip install 'ganpipe[text]'`")
        from tokenizers import Tokenizer

        weights, vocabulary = fetch("minilm")
        self.network = MiniLM(safetensors.torch.load_file(weights))
        self._tokenizer = Tokenizer.from_file(str(vocabulary))
        self._tokenizer.no_padding()  # the file asks for 128 tokens, ten times what a caption needs
        self._tokenizer.no_truncation()

    def tokens(self, captions: Sequence[str]) -> tuple[Int[Tensor, "n t"], Bool[Tensor, "n t"]]:
        """Return the numbers of the word pieces, [CLS] first and [SEP] last, and which of them are no padding.

        Padded to the longest caption. Raises `DataError` for one of more than 512 tokens.
        """
        found = [torch.tensor(one.ids) for one in self._tokenizer.encode_batch(list(captions))]
        for caption, numbers in zip(captions, found, strict=True):
            if len(numbers) > LONGEST:
                raise DataError(f"caption {caption[:40]!r}...: {len(numbers)} tokens, at most {LONGEST} can be encoded")
        mask = pad_sequence([torch.ones_like(numbers, dtype=torch.bool) for numbers in found], batch_first=True)
        return pad_sequence(found, batch_first=True), mask

    def encode(self, captions: Sequence[str]) -> tuple[Float[Tensor, "n t 384"], Bool[Tensor, "n t"]]:
        """Return the features of the tokens, zero where there is none, and the mask of the tokens that there are.

        `nets.minilm.pooled` makes one vector per caption of them. Raises `DataError` as `tokens`.
        """
        tokens, mask = (one.to(self.network.norm.weight.device) for one in self.tokens(captions))
        features = torch.zeros(*mask.shape, WIDTH, device=mask.device)
        for rows in torch.arange(len(mask), device=mask.device).split(_BATCH):
            longest = int(mask[rows].sum(1).max())
            with torch.no_grad():
                features[rows, :longest] = self.network(tokens[rows, :longest], mask[rows, :longest])
        return features, mask
