"""Scores of pictures that were drawn from texts: whether they show what the text says, told by independent judges.

All are told for each split by itself: for texts that were learned, and for those of the splits valid and test.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from ganpipe.config import Evaluate
from ganpipe.data.packed.file import Packed
from ganpipe.data.packed.order import subset
from ganpipe.metrics.classification import LEARNED
from ganpipe.metrics.extractors.domain import LeNet, applied, split_by_class, trained_lenet
from ganpipe.metrics.frechet import frechet_distance
from ganpipe.metrics.outputs import Output
from ganpipe.metrics.told import Judge, learn

Images = UInt8[np.ndarray, "n h w c"]
Rows = Int64[np.ndarray, " n"]

CANDIDATES = 100
"""Texts among which the one of a picture is sought; fewer where there are fewer."""

_TITLE = "Classes of pictures of texts"
_WIDTH = 64  # numbers by which pictures and texts are compared
_TEMPERATURE = 0.1


def text_scores(packed: Packed, output: Output, cfg: Evaluate) -> dict[str, float] | None:
    """Return the scores of an output that was drawn from texts; None for any other output.

    * `<label>_<split>`: the share of outputs in which a classifier of real pictures sees the class that the picture of
      the text has, for every label beside. `<label>_real` is its accuracy on real pictures that it has not learned.
      Texts of classes that are too rare to be learned do not count.
    * `fd_<split>`: the Fréchet distance to the real pictures of the same texts, in the features of the first of them.
    * `r_precision_<split>`: the share of outputs for which their text is the best of 100, the others drawn from all
      texts (AttnGAN: Xu et al. 2018, arXiv:1711.10485, section 4), see `Matcher`. `..._real` is that of real pictures,
      `..._chance` that of guessing.
    * `diversity_<split>`: the mean distance of pixels between two drawings of one text, divided by that between
      drawings of different texts. 0: noise changes nothing.
    """
    fields = packed.fields
    if output.source is None or output.source_rows is None or fields[output.source].kind != "text":
        return None
    if fields[output.field].kind != "image":
        return None
    space, rows = fields[output.source].space, output.source_rows
    splits = {name: np.flatnonzero(np.isin(rows, part)) for name, part in packed.splits(space).items()}
    splits = {name: places for name, places in splits.items() if len(places) > 1}
    scores: dict[str, float] = {}
    first: Judge | None = None
    for label in [name for name, field in fields.items() if field.kind == "label" and field.space == space]:
        if (judge := _judge(packed, output.field, label, cfg)) is None:
            continue
        first = first or judge
        found, wanted = judge.seen(output.items, _TITLE)[1], packed.read_rows(label, rows)
        for name, places in splits.items():
            if len(asked := places[judge.knows(wanted[places])]):
                scores[f"{label}_{name}"] = float((found == wanted)[asked].mean())
        scores[f"{label}_real"] = judge.accuracy
    matcher = Matcher(packed, output.field, output.source, cfg)
    matched = matcher.matched(output.items, packed.read_rows(output.source, rows))
    for name, places in splits.items():
        items = output.items[places]
        if first is not None:
            real = first.seen(packed.read_rows(output.field, rows[places]), _TITLE)[0]
            scores[f"fd_{name}"] = frechet_distance(real, first.seen(items, _TITLE)[0])
        scores[f"r_precision_{name}"] = float(matched[places].mean())
        if (diversity := diversity_of_one(items, rows[places])) is not None:
            scores[f"diversity_{name}"] = diversity
    return {**scores, "r_precision_real": matcher.real, "r_precision_chance": 1 / matcher.candidates}


def diversity_of_one(items: Images, rows: Rows) -> float | None:
    """Return the mean distance between two items of one row, divided by that of items of different rows.

    None where no row has two items, or all items are of one row or alike.
    """
    order = np.argsort(rows, kind="stable")
    pixels, rows = items[order].reshape(len(items), -1).astype(np.int16), rows[order]
    same = np.flatnonzero(rows[1:] == rows[:-1])
    starts = np.flatnonzero(np.diff(rows, prepend=rows[0] - 1))
    if not len(same) or len(starts) < 2:
        return None
    alike = np.abs(pixels[same + 1] - pixels[same]).mean()
    apart = np.abs(pixels[starts] - pixels[np.roll(starts, 1)]).mean()
    return float(alike / apart) if apart else None


class Matcher:
    """Finds the text of a picture: the small network of the `domain` extractor sends pictures to vectors of texts.

    The vector of a text is the mean over its tokens' features, whitened to 64 numbers. The network learns by telling
    the pictures of a batch apart (InfoNCE: van den Oord et al. 2018, arXiv:1807.03748) from four fifths of all real
    pictures, those of valid and test among them: a judge may know what a held-out name looks like.
    """

    real: float  # R-precision of the last fifth

    def __init__(self, packed: Packed, field: str, source: str, cfg: Evaluate) -> None:
        assert packed.texts is not None
        self._vectors, self._seed = torch.from_numpy(vectors_of(packed.texts.whole)), cfg.seed
        self.candidates = min(CANDIDATES, len(self._vectors))
        chosen = subset(range(packed.count(packed.fields[field].space)), LEARNED, cfg.seed)
        images, texts = packed.read_rows(field, chosen), packed.read_rows(source, chosen)
        train, kept = split_by_class(np.zeros(len(chosen), np.int64), cfg.seed)
        width = self._vectors.shape[1]
        self._network: LeNet = trained_lenet(images, texts, train, width, cfg.extractor_epochs, cfg.seed, self._cost)
        self.real = float(self.matched(images[kept], texts[kept]).mean())

    def matched(self, images: Images, texts: Rows) -> np.ndarray:
        """Return for each picture whether its text is nearer than each of 99 others, which are drawn for each."""
        rng, count = np.random.default_rng(self._seed), len(self._vectors)
        found = F.normalize(applied(self._network, images)[1].float(), dim=1)
        right = np.empty(len(images), bool)
        for row, text in enumerate(texts.tolist()):
            others = rng.choice(count - 1, self.candidates - 1, replace=False)
            scores = self._vectors[np.append(others + (others >= text), text)] @ found[row]
            right[row] = bool((scores[:-1] < scores[-1]).all())
        return right

    def _cost(self, outputs: Tensor, texts: np.ndarray) -> Tensor:
        """Cross-entropy over the texts of the batch; pictures of one text share its probability."""
        numbers = torch.tensor(texts)
        scores = F.normalize(outputs, dim=1) @ self._vectors[numbers].T / _TEMPERATURE
        same = (numbers[:, None] == numbers).float()
        return F.cross_entropy(scores, same / same.sum(dim=1, keepdim=True))


def vectors_of(features: np.ndarray) -> Float32[np.ndarray, "texts d"]:
    """Return a vector of length 1 for each text: the mean of its tokens, centred and whitened to at most 64 numbers."""
    tokens = features.astype(np.float64)
    means = tokens.sum(axis=1) / np.maximum((features != 0).any(axis=2).sum(axis=1, keepdims=True), 1)
    left, sizes, _ = np.linalg.svd(means - means.mean(axis=0), full_matrices=False)
    kept = min(_WIDTH, int((sizes > 1e-6 * sizes[0]).sum()))
    vectors = left[:, :kept]
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def _judge(packed: Packed, field: str, label: str, cfg: Evaluate) -> Judge | None:
    rows = subset(packed.rows("train", packed.fields[field].space), LEARNED, cfg.seed)
    images, labels = packed.read_rows(field, rows), packed.read_rows(label, rows)
    return learn(images, labels, packed.spec.names(label), cfg, label)
