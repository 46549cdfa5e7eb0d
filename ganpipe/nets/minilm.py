"""MiniLM (Wang et al. 2020, arXiv:2002.10957): a small BERT (Devlin et al. 2018, arXiv:1810.04805) for sentences."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

WIDTH, HEADS, WIDE, BLOCKS, WORDS, LONGEST = 384, 12, 1536, 6, 30_522, 512
_EPSILON = 1e-12
_NAMES = {  # ours -> BERT's
    "words": "embeddings.word_embeddings",
    "positions": "embeddings.position_embeddings",
    "kinds": "embeddings.token_type_embeddings",
    "norm": "embeddings.LayerNorm",
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "mixed": "attention.output.dense",
    "mixed_norm": "attention.output.LayerNorm",
    "wide": "intermediate.dense",
    "narrow": "output.dense",
    "narrow_norm": "output.LayerNorm",
}


class MiniLM(nn.Module):
    """A vector of 384 numbers for every token of every text: all-MiniLM-L6-v2 without BERT's unused pooler. Frozen.

    Six blocks of attention (12 heads) and a fully connected layer (1,536), layer norm after each, exact GELU;
    22,565,376 parameters.
    """

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        skip = nn.utils.skip_init
        self.words, self.positions, self.kinds = (skip(nn.Embedding, n, WIDTH) for n in (WORDS, LONGEST, 2))
        self.norm = skip(nn.LayerNorm, WIDTH, eps=_EPSILON)
        self.blocks = nn.ModuleList(Block() for _ in range(BLOCKS))
        self.load_state_dict({name: weights[_bert_name(name)] for name in self.state_dict()})
        self.requires_grad_(False)
        self.eval()

    def forward(self, tokens: Int[Tensor, "n t"], mask: Bool[Tensor, "n t"]) -> Float[Tensor, "n t 384"]:
        """Return the features of tokens, at most 512 per text. `mask` is false for padding, whose features are zero."""
        places = torch.arange(tokens.shape[1], device=tokens.device)
        features = self.norm(self.words(tokens) + self.positions(places) + self.kinds.weight[0])
        for block in self.blocks:
            features = block(features, mask)
        return features * mask[:, :, None]


class Block(nn.Module):
    """Attention over the tokens of a text, then a fully connected layer per token; each is added, then normalised."""

    def __init__(self) -> None:
        super().__init__()
        skip = nn.utils.skip_init
        self.query, self.key, self.value, self.mixed = (skip(nn.Linear, WIDTH, WIDTH) for _ in range(4))
        self.wide, self.narrow = skip(nn.Linear, WIDTH, WIDE), skip(nn.Linear, WIDE, WIDTH)
        self.mixed_norm, self.narrow_norm = (skip(nn.LayerNorm, WIDTH, eps=_EPSILON) for _ in range(2))

    def forward(self, features: Float[Tensor, "n t d"], mask: Bool[Tensor, "n t"]) -> Float[Tensor, "n t d"]:
        """Return the next features; no token attends to padding."""
        layers = (self.query, self.key, self.value)
        query, key, value = (layer(features).unflatten(2, (HEADS, -1)).transpose(1, 2) for layer in layers)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None, :])
        features = self.mixed_norm(features + self.mixed(attended.transpose(1, 2).flatten(2)))
        return self.narrow_norm(features + self.narrow(F.gelu(self.wide(features))))


def pooled(features: Float[Tensor, "n t d"], mask: Bool[Tensor, "n t"]) -> Float[Tensor, "n d"]:
    """Return one vector per text: the mean over its tokens, without padding."""
    return (features * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)


def _bert_name(name: str) -> str:
    """Return the name in BERT's files of a tensor of `MiniLM`: blocks.0.query.bias -> encoder.layer.0.attention..."""
    *prefix, module, kind = name.split(".")
    return ".".join(["encoder.layer" if part == "blocks" else part for part in prefix] + [_NAMES[module], kind])
