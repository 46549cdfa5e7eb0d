"""Texts of a person's own in place of rows of the data, for a generator that is given texts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from ganpipe.core.spec import Encoder
from ganpipe.core.system import System
from ganpipe.errors import CheckpointError
from ganpipe.pretrained.encoders import TextEncoder, load_encoder
from ganpipe.sampling.draw import GivenSource, given_fields


def text_field(system: System) -> str:
    """Return the field of the texts that a generator is given. Raises `ValueError` where it is not given texts alone"""
    given = given_fields(system)
    if len(given) != 1 or system.data.fields[given[0]].kind != "text":
        takes = f"is given {', '.join(given)}" if given else "takes no rows"
        raise ValueError(f"prompts: this generator ({type(system).__name__}) {takes}, no texts alone")
    return given[0]


class Prompts(GivenSource):
    """Prompts by number, again from the first one after the last, encoded as the captions of the training were."""

    def __init__(self, system: System, prompts: Sequence[str]) -> None:
        """Encode the prompts.

        Raises `ValueError` for a generator that is not given texts alone and for an empty prompt, `CheckpointError`
        where the encoder here is another one than in training, and what `load_encoder` raises.
        """
        field = system.data.fields[text_field(system)]
        if isinstance(prompts, str) or not prompts or not all(text.strip() for text in prompts):
            raise ValueError(f"prompts = {prompts!r}: a list of texts is needed, none of them empty")
        assert field.encoder is not None
        self._prompts = tuple(prompts)
        self._features = loaded(field.encoder).encode(self._prompts)[0].half().float()  # as packed files round

    @property
    def most(self) -> int:
        """How many prompts there are."""
        return len(self._prompts)

    def count(self, space: str) -> int:
        return self.most

    def fetch(self, field: str, start: int, count: int) -> Tensor:
        return self._features[torch.arange(start, start + count) % self.most]

    def texts(self, field: str, start: int, count: int) -> Sequence[str]:
        return [self._prompts[number % self.most] for number in range(start, start + count)]


@lru_cache(maxsize=4)
def loaded(encoder: Encoder) -> TextEncoder:
    """Return the encoder of a training, loaded once.

    Raises `CheckpointError` where another one is here under its name, and what `load_encoder` raises.
    """
    found = load_encoder(encoder.source)
    if found.sha256 != encoder.sha256:
        raise CheckpointError(
            f"the encoder {encoder.source} is another one here (sha256 {found.sha256[:8]}...) than the one of the "
            f"training ({encoder.sha256[:8]}...)"
        )
    return found
