"""What a training shows of its generator, always of the same items: previews and scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ganpipe.core.spec import Kind
from ganpipe.core.system import System
from ganpipe.data.packed.file import Packed
from ganpipe.data.packed.given import GivenRows
from ganpipe.errors import ConfigError
from ganpipe.sampling.draw import all_items, given_spaces, makes_different_items, most_items
from ganpipe.sampling.pictures import preview
from ganpipe.training.diversity import Diversity
from ganpipe.training.in_training_score import Scorer

PREVIEW_ITEMS = 64


class Shown:
    """Previews and scores of a generator during its training, always of the same items."""

    def __init__(self, system: System, packed: Packed, given: GivenRows, seed: int) -> None:
        self._system, self._packed, self._given, self._seed = system, packed, given, seed
        self._output, self._field = next(iter(system.outputs.items()))
        self._items = min([PREVIEW_ITEMS, *map(given.count, given_spaces(system))])
        differing = makes_different_items(system)
        self._diversity = Diversity(packed, self._field, self._items, seed) if differing else None

    @property
    def kind(self) -> Kind:
        """The kind of the output that previews show."""
        return self._system.data.fields[self._field].kind

    def preview(self, system: System) -> tuple[Image.Image, dict[str, float]]:
        """Return a picture of the first items, and their diversity; {} while images are smaller than the data.

        No given row appears twice among the items.
        """
        inputs, made = all_items(system, self._items, self._seed, self._given)
        items = made[self._output]
        judged = self._diversity if self._is_full_size(items) else None
        return preview(system, inputs, made, self._given), judged.of(items) if judged else {}

    def scorer(self, folder: Path) -> Scorer:
        """Return the scorer, which may first train a classifier. Raises `ConfigError` for too few held-out rows."""
        if most_items(self._system, 2, self._given) < 2:
            raise ConfigError(
                "params.yaml: train.evaluate_kimg scores items of at least two held-out rows, but this data has one; "
                "leave it blank or give more data"
            )
        return Scorer(self._packed, self._field, self._seed, folder)

    def score(self, system: System, scorer: Scorer) -> float | None:
        """Return the score of the generator; None while its images have not grown to their full size."""
        _, made = all_items(system, most_items(system, scorer.count, self._given), self._seed, self._given)
        items = made[self._output]
        return scorer.score(items) if self._is_full_size(items) else None

    def _is_full_size(self, items: np.ndarray) -> bool:
        return items.shape[1:] == self._system.data.fields[self._field].stored_shape
