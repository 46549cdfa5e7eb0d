"""The `domain` extractor: a small classifier trained on the labels of the data that the generator learns.

On data far from ImageNet, such as digits and clothes, Fréchet and kernel distance in its features grow with noise, blur
and lost classes; TF-GAN and the authors of the FID recommend the same for MNIST. Another training seed moves the values
by 20-40 % but keeps their order, so the hash of the weights is part of every result. See `committed` for the sets whose
classifier comes with ganpipe.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import safetensors.torch
import torch
from jaxtyping import Float, Float64, Int, Int64, Shaped, UInt8
from pydantic import ValidationError
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, cross_entropy, max_pool2d, relu

from ganpipe.config import Closed
from ganpipe.core.batch import to_float
from ganpipe.errors import MetricError
from ganpipe.files import json_text, read_sealed, write_bytes, write_sealed
from ganpipe.metrics.checks import check_image_array, check_pixels
from ganpipe.metrics.extractors.interface import Extracted, OnProgress

WEIGHTS = "extractor.safetensors"
CARD = "extractor.json"

FEATURES = 84
HELD_OUT = 5
"""One image in so many measures the accuracy: the fewest of a class that can be learned."""
SMALLEST = 16
"""Side in pixels of the smallest images that it can look at: two poolings leave 4 x 4."""
_GRID = 16  # larger first-stage maps are averaged to this: the weights and most of the cost stay the same

Images = UInt8[np.ndarray, "n h w c"]
Indices = Int64[np.ndarray, " _"]

Cost = Callable[[Tensor, Shaped[np.ndarray, "n ..."]], Tensor]
"""Of logits (n, outputs) and the labels of n images: a scalar."""

_BATCH = 64
_LR = 3e-3
_SHIFT = 2  # pixels
_EXTRACT_BATCH = 128  # larger batches leave the cache and are slower


class Card(Closed):
    """A description of a trained extractor, kept beside its weights as JSON."""

    architecture: Literal["lenet84"] = "lenet84"
    shape: tuple[int, int, int]  # (height, width, channels)
    classes: tuple[str, ...]
    accuracy: float  # on the held-out fifth
    feature_scale: float  # the weights hold it too, and theirs is used
    epochs: int
    seed: int
    sha256: str  # of the safetensors file

    @classmethod
    def read(cls, path: Path) -> Card:
        """Read the card in a file. Raises `OSError`, and `ValueError` where it is damaged or no card."""
        return cls.model_validate_json(json_text(read_sealed(path)))


class LeNet(nn.Module):
    """LeNet-5 (LeCun et al. 1998) with 16 and 32 maps, ReLU, max pooling and a single hidden layer: the 84 features."""

    pixel_mean: Tensor
    pixel_std: Tensor
    feature_scale: Tensor

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        height, width, channels = shape
        self.grid = min(height // 2, _GRID), min(width // 2, _GRID)
        self.conv1 = nn.Conv2d(channels, 16, 5, padding=2)
        self.conv2 = nn.Conv2d(16, 32, 5, padding=2)
        self.hidden = nn.Linear(32 * (self.grid[0] // 2) * (self.grid[1] // 2), FEATURES)
        self.output = nn.Linear(FEATURES, classes)
        self.register_buffer("pixel_mean", torch.zeros(channels, 1, 1))
        self.register_buffer("pixel_std", torch.ones(channels, 1, 1))
        self.register_buffer("feature_scale", torch.ones(()))

    def forward(self, pixels: UInt8[Tensor, "n h w c"]) -> tuple[Float[Tensor, "n 84"], Float[Tensor, "n classes"]]:
        """Return the features (scaled, before the ReLU) and the logits."""
        x = (to_float(pixels) - self.pixel_mean) / self.pixel_std
        x = adaptive_avg_pool2d(max_pool2d(relu(self.conv1(x)), 2), self.grid)
        x = max_pool2d(relu(self.conv2(x)), 2)
        hidden = self.hidden(x.flatten(1))
        return hidden * self.feature_scale, self.output(relu(hidden))


class DomainExtractor:
    """A trained classifier whose penultimate layer, before its ReLU, is the feature space (d = 84).

    Before the ReLU, because a third of the units are dead after it and every covariance is singular. Features are
    scaled to root mean square 1 on held-out data, so that the kernel (x.y / d + 1)^3 is of order 1.
    Runs on the CPU, where its training is reproducible to the byte: `runtime.device` must change no result.
    """

    def __init__(self, network: LeNet, card: Card, content: bytes) -> None:
        self._network = network.eval()
        self.card = card
        self._content = content  # of the weights file

    @property
    def identity(self) -> str:
        """`lenet84@<first 8 hex digits of the sha256 of the weights file>`."""
        return f"{self.card.architecture}@{self.card.sha256[:8]}"

    @classmethod
    def fit(
        cls,
        images: UInt8[np.ndarray, "n h w c"],
        labels: Int[np.ndarray, " n"],
        classes: tuple[str, ...],
        epochs: int,
        seed: int,
        required_accuracy: float,
        on_progress: OnProgress | None = None,
        half: bool = False,
    ) -> DomainExtractor:
        """Train on a stratified 80 % of the labelled images and measure the accuracy on the rest.

        A pure function of its arguments: the global random state is neither read nor changed. `half`: the weights are
        rounded to float16 before anything is measured, and the file holds them so, in half the bytes.
        Raises `MetricError` if the images or labels cannot be learned from, or if the accuracy stays below
        `required_accuracy`: features of a classifier that does not know its classes measure nothing.
        """
        _check_labelled(images, labels, classes)
        train, held_out = split_by_class(labels, seed)
        network = trained_lenet(images, labels, train, len(classes), epochs, seed, _class_cost, on_progress)
        if half:
            _round_to_half(network)
        features, logits = applied(network, images[held_out])
        accuracy = float(np.mean(logits.argmax(dim=1).numpy() == labels[held_out]))
        if accuracy < required_accuracy:
            raise MetricError(
                f"the domain extractor reached accuracy {accuracy:.4f} on {len(held_out)} held-out images, but "
                f"evaluate.extractor_accuracy = {required_accuracy:g}: raise evaluate.extractor_epochs (now {epochs}) "
                "or label more data"
            )
        network.feature_scale.fill_(1 / features.square().mean().sqrt())
        if half:
            _round_to_half(network)
        content = _file_content(network, half)
        card = Card(
            shape=_shape(images),
            classes=classes,
            accuracy=accuracy,
            feature_scale=float(network.feature_scale),
            epochs=epochs,
            seed=seed,
            sha256=hashlib.sha256(content).hexdigest(),
        )
        return cls(network, card, content)

    def extract(self, images: UInt8[np.ndarray, "n h w c"], /, on_progress: OnProgress | None = None) -> Extracted:
        """Return features (N, 84) and class probabilities (N, classes) in float64, in one pass.

        Raises `MetricError` for images of another shape than the extractor was trained on.
        """
        check_image_array(images, "domain")
        if _shape(images) != self.card.shape:
            raise MetricError(f"images are {_shape(images)}, the domain extractor was trained on {self.card.shape}")
        features, logits = applied(self._network, images, on_progress)
        return Extracted(features.numpy(), logits.softmax(dim=1).numpy())

    def save(self, folder: Path) -> None:
        """Write `extractor.safetensors` and `extractor.json`; equal extractors give equal bytes."""
        write_bytes(folder / WEIGHTS, self._content)
        write_sealed(folder / CARD, self.card.model_dump(mode="json"))

    @classmethod
    def load(cls, folder: Path) -> DomainExtractor:
        """Read what `save` wrote. Raises `MetricError` if a file is missing or damaged, or both do not fit together."""
        try:
            card = Card.read(folder / CARD)
            content = (folder / WEIGHTS).read_bytes()
        except OSError as error:
            raise MetricError(f"{error.filename}: {error.strerror}; run `dvc repro reference`") from None
        except ValueError as error:
            problem = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            problem = problem.splitlines()[0]
            raise MetricError(f"{folder / CARD}: not the card of an extractor: {problem}") from None
        found = hashlib.sha256(content).hexdigest()
        if found != card.sha256:
            raise MetricError(
                f"{folder / WEIGHTS}: sha256 {found[:8]}... is not the {card.sha256[:8]}... of {CARD}; "
                "run `dvc repro reference`"
            )
        network = _blank(card.shape, len(card.classes))
        try:
            network.load_state_dict(safetensors.torch.load(content))
        except (RuntimeError, SafetensorError) as error:
            raise MetricError(f"{folder / WEIGHTS}: does not fit {CARD}: {str(error).splitlines()[0]}") from None
        return cls(network, card, content)


def _shape(images: Images) -> tuple[int, int, int]:
    _, height, width, channels = images.shape
    return height, width, channels


def _check_labelled(
    images: Shaped[np.ndarray, "*shape"], labels: Shaped[np.ndarray, "*others"], classes: tuple[str, ...]
) -> None:
    check_pixels(images, "domain")
    if min(images.shape[1:3]) < SMALLEST:
        raise MetricError(f"domain set: images are {_shape(images)}, 16 x 16 is the least; use the pixel extractor")
    if labels.shape != images.shape[:1]:
        raise MetricError(f"domain set: {len(images)} images, but labels of shape {labels.shape}")
    if len(classes) < 2:
        raise MetricError(f"domain set: {len(classes)} classes, a classifier needs 2; use the pixel extractor")
    counts = dict(zip(*np.unique(labels, return_counts=True), strict=True))
    if not set(counts) <= set(range(len(classes))):
        raise MetricError(f"domain set: labels lie in {min(counts)}..{max(counts)}, expected 0..{len(classes) - 1}")
    for label, name in enumerate(classes):
        if counts.get(label, 0) < HELD_OUT:
            raise MetricError(f"domain set: class {name!r} has {counts.get(label, 0)} images, {HELD_OUT} are needed")


def trained_lenet(
    images: Images,
    labels: Shaped[np.ndarray, "n ..."],
    train: Indices,
    outputs: int,
    epochs: int,
    seed: int,
    cost: Cost,
    on_progress: OnProgress | None = None,
) -> LeNet:
    """Return a network with so many outputs that has learned the labels of the images `train` by a cost.

    A pure function of its arguments.
    """
    network = _initialised(images, train, outputs, seed)
    _train(network, images, labels, train, epochs, seed, cost, on_progress)
    return network


def _class_cost(logits: Tensor, labels: Shaped[np.ndarray, "n ..."]) -> Tensor:
    return cross_entropy(logits, torch.tensor(labels, dtype=torch.int64))


def split_by_class(labels: Int[np.ndarray, " n"], seed: int) -> tuple[Indices, Indices]:
    """Return the indices to train on and those held out: a fifth of every class, rounded down."""
    rng = np.random.default_rng(seed)
    by_class = [rng.permutation(np.flatnonzero(labels == label)) for label in np.unique(labels)]
    held_out = np.concatenate([indices[: len(indices) // HELD_OUT] for indices in by_class])
    train = np.concatenate([indices[len(indices) // HELD_OUT :] for indices in by_class])
    return train, held_out


def _blank(shape: tuple[int, int, int], classes: int) -> LeNet:
    """Build a network, leaving the global random state (from which torch initialises layers) as it was."""
    with torch.random.fork_rng(devices=[]):
        return LeNet(shape, classes)


def _initialised(images: Images, train: Indices, classes: int, seed: int) -> LeNet:
    """Build a network with torch's usual initial weights, drawn from `seed`, that standardises these pixels."""
    network = _blank(_shape(images), classes)
    generator = torch.Generator().manual_seed(seed)
    for layer in (network.conv1, network.conv2, network.hidden, network.output):
        bound = 1 / math.sqrt(layer.weight[0].numel())
        for parameter in layer.parameters():
            nn.init.uniform_(parameter, -bound, bound, generator=generator)
    some = to_float(torch.tensor(images[train[:: max(1, len(train) // 5000)]]))
    network.pixel_mean.copy_(some.mean(dim=(0, 2, 3))[:, None, None])
    network.pixel_std.copy_(some.std(dim=(0, 2, 3)).clamp(min=1 / 255)[:, None, None])
    return network


def _train(
    network: LeNet,
    images: Images,
    labels: Shaped[np.ndarray, "n ..."],
    train: Indices,
    epochs: int,
    seed: int,
    cost: Cost,
    on_progress: OnProgress | None,
) -> None:
    """AdamW (arXiv:1711.05101) under one cycle of the learning rate (arXiv:1708.07120) on randomly shifted images."""
    rng = np.random.default_rng([seed, 1])
    steps = epochs * math.ceil(len(train) / _BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), lr=_LR)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=_LR, total_steps=steps)
    done = 0
    for chosen in _batches(train, epochs, rng):
        _, logits = network(torch.from_numpy(_shifted(images, chosen, rng)))
        optimizer.zero_grad()
        cost(logits, labels[chosen]).backward()
        optimizer.step()
        schedule.step()
        done += len(chosen)
        if on_progress is not None:
            on_progress(done, epochs * len(train))


def _batches(train: Indices, epochs: int, rng: np.random.Generator) -> Iterator[Indices]:
    """Yield indices in a new random order each epoch."""
    for _ in range(epochs):
        order = rng.permutation(train)
        for start in range(0, len(order), _BATCH):
            yield order[start : start + _BATCH]


def _shifted(
    images: Images, chosen: Int64[np.ndarray, " chosen"], rng: np.random.Generator
) -> UInt8[np.ndarray, "chosen h w c"]:
    """Copy the chosen images, each moved by up to 2 pixels both ways; the border pixels fill the gap."""
    height, width, _ = _shape(images)
    down, right = rng.integers(-_SHIFT, _SHIFT + 1, size=(2, len(chosen), 1))
    rows = (np.arange(height) + down).clip(0, height - 1)
    columns = (np.arange(width) + right).clip(0, width - 1)
    return images[chosen[:, None, None], rows[:, :, None], columns[:, None, :]]


def applied(
    network: LeNet, images: Images, on_progress: OnProgress | None = None
) -> tuple[Float64[Tensor, "n 84"], Float64[Tensor, "n classes"]]:
    """Return the features and logits of all images."""
    features, logits = [], []
    with torch.inference_mode():
        for start in range(0, len(images), _EXTRACT_BATCH):
            batch = network(torch.tensor(images[start : start + _EXTRACT_BATCH]))
            features.append(batch[0].double())
            logits.append(batch[1].double())
            if on_progress is not None:
                on_progress(min(start + _EXTRACT_BATCH, len(images)), len(images))
    return torch.cat(features), torch.cat(logits)


def _round_to_half(network: LeNet) -> None:
    """Round all weights to the nearest float16; the network goes on computing in float32."""
    network.load_state_dict({name: value.half() for name, value in network.state_dict().items()})


def _file_content(network: LeNet, half: bool) -> bytes:
    """Return the weights file; without metadata, so that equal weights give equal bytes."""
    weights = network.state_dict()
    return safetensors.torch.save({name: value.half() if half else value for name, value in weights.items()})
