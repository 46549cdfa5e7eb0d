"""Small systems of every shape that the centre must carry, each with data it can learn from.

They are no part of ganpipe: `register` adds them to its table for the process that calls it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganpipe import paths, recipes, systems
from ganpipe.config import Params, load_params
from ganpipe.core.batch import Batch, batch_size
from ganpipe.core.inputs import Choice, Given, Input, Noise
from ganpipe.core.spec import DataSpec, Field
from ganpipe.core.system import Iteration, System, Terms, Update, Updates
from ganpipe.data.packed.file import About, SpaceRows, write_packed
from ganpipe.files import write_json
from ganpipe.systems.configs import SystemConfig
from ganpipe.training.stage import train

SIDE = 8  # pixels
ROWS = 48  # of the training split
HELD_OUT = 12  # rows of the split test


def critic(channels: int, side: int = SIDE) -> nn.Module:
    """One number per picture."""
    width = 8 * (side // 2) ** 2
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, 2, 1), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(width, 1), nn.Flatten(0)
    )


def painter(channels: int, out: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels, 8, 3, 1, 1), nn.ReLU(), nn.Conv2d(8, out, 3, 1, 1), nn.Tanh())


def real_cost(logits: Tensor) -> Tensor:
    return F.softplus(-logits).mean()


def fake_cost(logits: Tensor) -> Tensor:
    return F.softplus(logits).mean()


class TwoPhases(System):
    """Enlarges: the generator alone learns by squared error, then both players, with fresh optimizers."""

    outputs = {"enlarged": "high"}

    class Config(SystemConfig):
        alone_kimg: float = 0.064

        @property
        def inputs(self) -> Mapping[str, Input]:
            return {"low": Given("low")}

    def __init__(self, cfg: Config, data: DataSpec) -> None:
        super().__init__(cfg, data)
        channels, high, _ = data.image_shape("high", "two_phases")
        low = data.image_shape("low", "two_phases")[1]
        self.generator = nn.Sequential(nn.Upsample(scale_factor=high // low), painter(channels, channels))
        self.discriminator = critic(channels, high)
        self.register_buffer("joined", torch.zeros((), dtype=torch.bool))

    def updates(self, it: Iteration) -> Updates:
        batch = it.next_batch()
        if it.kimg < self.cfg.alone_kimg:
            yield Update("generator", self.content_loss, batch)
            return
        if not self.joined:
            it.restart("generator")
            self.joined.fill_(True)
        yield Update("discriminator", self.discriminator_loss, batch)
        yield Update("generator", self.generator_loss, batch, lr=0.5)

    def content_loss(self, batch: Batch) -> Terms:
        return {"content": F.mse_loss(self.generator(batch["low"]), batch["high"])}

    def discriminator_loss(self, batch: Batch) -> Terms:
        fake = self.discriminator(self.generator(batch["low"]))
        return {"real": real_cost(self.discriminator(batch["high"])), "fake": fake_cost(fake)}

    def generator_loss(self, batch: Batch) -> Terms:
        adversarial = real_cost(self.discriminator(self.generator(batch["low"])))
        return {**self.content_loss(batch), "adversarial": 1e-2 * adversarial}


class NoAdversary(System):
    """Learns a picture from a picture by the features of a frozen network, without anyone to fool."""

    outputs = {"made": "b"}
    adversaries = ()
    frozen = ("trunk",)

    class Config(SystemConfig):
        trunk_seed: int = 3

        @property
        def inputs(self) -> Mapping[str, Input]:
            return {"source": Given("a")}

    def __init__(self, cfg: Config, data: DataSpec) -> None:
        super().__init__(cfg, data)
        channels = data.image_shape("a", "no_adversary")[0]
        self.generator = painter(channels, channels)
        self.trunk = nn.Sequential(nn.Conv2d(channels, 6, 3, 1, 1), nn.BatchNorm2d(6), nn.ReLU())
        generator = torch.Generator().manual_seed(cfg.trunk_seed)
        nn.init.normal_(self.trunk[0].weight, generator=generator)
        nn.init.zeros_(self.trunk[0].bias)
        self.trunk.eval()

    def updates(self, it: Iteration) -> Updates:
        yield Update("generator", self.feature_loss, it.next_batch())

    def feature_loss(self, batch: Batch) -> Terms:
        return {"features": F.mse_loss(self.trunk(self.generator(batch["a"])), self.trunk(batch["b"]))}


class Translation(System):
    """A picture from a picture, judged beside it (the shape of pix2pix)."""

    outputs = {"translated": "b"}

    class Config(SystemConfig):
        l1_weight: float = 10.0

        @property
        def inputs(self) -> Mapping[str, Input]:
            return {"source": Given("a")}

    def __init__(self, cfg: Config, data: DataSpec) -> None:
        super().__init__(cfg, data)
        channels, side, _ = data.image_shape("a", "translation")
        self.generator = painter(channels, channels)
        self.discriminator = critic(2 * channels, side)

    def updates(self, it: Iteration) -> Updates:
        batch = it.next_batch()
        yield Update("discriminator", self.discriminator_loss, batch)
        yield Update("generator", self.generator_loss, batch)

    def judge(self, source: Tensor, image: Tensor) -> Tensor:
        return self.discriminator(torch.cat([source, image], dim=1))

    def discriminator_loss(self, batch: Batch) -> Terms:
        with torch.no_grad():
            made = self.generator(batch["a"])
        return {"real": real_cost(self.judge(batch["a"], batch["b"])), "fake": fake_cost(self.judge(batch["a"], made))}

    def generator_loss(self, batch: Batch) -> Terms:
        made = self.generator(batch["a"])
        return {
            "adversarial": real_cost(self.judge(batch["a"], made)),
            "l1": self.cfg.l1_weight * F.l1_loss(made, batch["b"]),
        }

    def realness(self, batch: Batch) -> Tensor:
        return self.judge(batch["a"], batch["b"])


class Pool(nn.Module):
    """Remembers generated images; its content outlives a restart."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size, self.images = size, torch.zeros(0)

    def get_extra_state(self) -> Tensor:
        return self.images

    def set_extra_state(self, state: Tensor) -> None:
        self.images = state

    def forward(self, new: Tensor) -> Tensor:
        kept = torch.cat([self.images.to(new), new]) if len(self.images) else new
        self.images = kept[torch.randperm(len(kept))[: self.size]]
        return kept[torch.randperm(len(kept))[: len(new)]]


class TwoSpaces(System):
    """Two sets without pairs, two generators that step together, pools of old images (the shape of CycleGAN)."""

    outputs = {"fake_b": "b", "fake_a": "a"}
    generators = ("translators",)
    adversaries = ("critics",)

    class Config(SystemConfig):
        cycle_weight: float = 10.0

        @property
        def inputs(self) -> Mapping[str, Input]:
            return {"a": Given("a"), "b": Given("b")}

    def __init__(self, cfg: Config, data: DataSpec) -> None:
        super().__init__(cfg, data)
        channels, side, _ = data.image_shape("a", "two_spaces")
        data.image_shape("b", "two_spaces")
        self.translators = nn.ModuleDict({"ab": painter(channels, channels), "ba": painter(channels, channels)})
        self.critics = nn.ModuleDict({"a": critic(channels, side), "b": critic(channels, side)})
        self.pools = nn.ModuleDict({"a": Pool(10), "b": Pool(10)})

    def updates(self, it: Iteration) -> Updates:
        batch = it.next_batch()
        made = yield Update("translators", self.translators_loss, batch)
        pooled = {f"fake_{name}": self.pools[name](made.tensors[f"fake_{name}"]) for name in "ab"}
        yield Update("critics", self.critics_loss, {**batch, **pooled})

    def translators_loss(self, batch: Batch) -> tuple[Terms, Batch]:
        made = self.generate(batch)
        back = {"a": self.translators["ba"](made["fake_b"]), "b": self.translators["ab"](made["fake_a"])}
        terms = {f"adversarial_{name}": real_cost(self.critics[name](made[f"fake_{name}"])) for name in "ab"}
        cycles = {f"cycle_{name}": self.cfg.cycle_weight * F.l1_loss(back[name], batch[name]) for name in "ab"}
        return {**terms, **cycles}, made

    def critics_loss(self, batch: Batch) -> Terms:
        real = {f"real_{name}": real_cost(self.critics[name](batch[name])) for name in "ab"}
        return {**real, **{f"fake_{name}": fake_cost(self.critics[name](batch[f"fake_{name}"])) for name in "ab"}}

    def generate(self, inputs: Batch) -> Batch:
        return {"fake_b": self.translators["ab"](inputs["a"]), "fake_a": self.translators["ba"](inputs["b"])}

    def realness(self, batch: Batch) -> Tensor:
        return self.critics["a"](batch["a"]) + self.critics["b"](batch["b"])


class Attributes(System):
    """A picture from a picture and the attributes that it shall have (the shape of StarGAN)."""

    class Config(SystemConfig):
        @property
        def inputs(self) -> Mapping[str, Input]:
            return {"source": Given("image"), "wanted": Choice("attributes")}

    def __init__(self, cfg: Config, data: DataSpec) -> None:
        super().__init__(cfg, data)
        channels, side, _ = data.image_shape("image", "attributes")
        count = len(data.names("attributes"))
        self.generator = painter(channels + count, channels)
        self.discriminator = critic(channels + count, side)

    def generate(self, inputs: Batch) -> Batch:
        return {"image": self.generator(self.beside(inputs["source"], inputs["wanted"]))}

    def beside(self, image: Tensor, attributes: Tensor) -> Tensor:
        maps = attributes[:, :, None, None].expand(-1, -1, *image.shape[2:])
        return torch.cat([image, maps], dim=1)

    def updates(self, it: Iteration) -> Updates:
        batch = it.next_batch()
        batch = {**batch, "wanted": self.draw("wanted", batch_size(batch))}
        yield Update("discriminator", self.discriminator_loss, batch)
        yield Update("generator", self.generator_loss, batch)

    def discriminator_loss(self, batch: Batch) -> Terms:
        with torch.no_grad():
            made = self.generator(self.beside(batch["image"], batch["wanted"]))
        return {
            "real": real_cost(self.discriminator(self.beside(batch["image"], batch["attributes"]))),
            "fake": fake_cost(self.discriminator(self.beside(made, batch["wanted"]))),
        }

    def generator_loss(self, batch: Batch) -> Terms:
        made = self.generator(self.beside(batch["image"], batch["wanted"]))
        own = self.generator(self.beside(batch["image"], batch["attributes"]))
        judged = self.discriminator(self.beside(made, batch["wanted"]))
        return {"adversarial": real_cost(judged), "identity": 10 * F.l1_loss(own, batch["image"])}

    def realness(self, batch: Batch) -> Tensor:
        return self.discriminator(self.beside(batch["image"], batch["attributes"]))


class Captions(System):
    """A picture from words and noise (the shape of text-to-image)."""

    class Config(SystemConfig):
        latent: int = 4

        @property
        def inputs(self) -> Mapping[str, Input]:
            return {"latent": Noise((self.latent,)), "caption": Given("caption")}

    def __init__(self, cfg: Config, data: DataSpec) -> None:
        super().__init__(cfg, data)
        channels, side, _ = data.image_shape("image", "captions")
        words = len(data.field("caption", "tokens", "captions").names)
        self.generator = CaptionPainter(words, cfg.latent, channels, side)
        self.discriminator = CaptionCritic(words, channels, side)

    def updates(self, it: Iteration) -> Updates:
        batch = it.next_batch()
        yield Update("discriminator", self.discriminator_loss, batch)
        yield Update("generator", self.generator_loss, batch)

    def made(self, batch: Batch) -> Tensor:
        return self.generator(self.draw("latent", batch_size(batch)), batch["caption"])

    def discriminator_loss(self, batch: Batch) -> Terms:
        with torch.no_grad():
            made = self.made(batch)
        judge, words = self.discriminator, batch["caption"]
        wrong = judge(batch["image"], words.roll(1, dims=0))
        return {
            "real": real_cost(judge(batch["image"], words)),
            "fake": (fake_cost(judge(made, words)) + fake_cost(wrong)) / 2,
        }

    def generator_loss(self, batch: Batch) -> Terms:
        return {"adversarial": real_cost(self.discriminator(self.made(batch), batch["caption"]))}

    def realness(self, batch: Batch) -> Tensor:
        return self.discriminator(batch["image"], batch["caption"])


class CaptionPainter(nn.Module):
    def __init__(self, words: int, latent: int, channels: int, side: int) -> None:
        super().__init__()
        self.words = nn.EmbeddingBag(words, 8)
        self.paint = nn.Sequential(
            nn.Linear(latent + 8, channels * side**2), nn.Tanh(), nn.Unflatten(1, (channels, side, side))
        )

    def forward(self, latent: Tensor, caption: Tensor) -> Tensor:
        return self.paint(torch.cat([latent, self.words(caption)], dim=1))


class CaptionCritic(nn.Module):
    def __init__(self, words: int, channels: int, side: int) -> None:
        super().__init__()
        self.words = nn.EmbeddingBag(words, channels * side**2)
        self.judge = critic(2 * channels, side)

    def forward(self, image: Tensor, caption: Tensor) -> Tensor:
        return self.judge(torch.cat([image, self.words(caption).view_as(image)], dim=1))


class Sequences(System):
    """A sequence from a sequence of noise (the shape of C-RNN-GAN)."""

    outputs = {"melody": "notes"}

    class Config(SystemConfig):
        latent: int = 3
        steps: int = 6

        @property
        def inputs(self) -> Mapping[str, Input]:
            return {"latent": Noise((self.steps, self.latent), "uniform")}

    def __init__(self, cfg: Config, data: DataSpec) -> None:
        super().__init__(cfg, data)
        columns = data.field("notes", "sequence", "sequences").shape[1]
        self.generator = Recurrent(cfg.latent, columns)
        self.discriminator = Recurrent(columns, 1)

    def updates(self, it: Iteration) -> Updates:
        batch = it.next_batch()
        yield Update("generator", self.generator_loss, batch)
        yield Update("discriminator", self.discriminator_loss, batch)

    def made(self, batch: Batch) -> Tensor:
        return self.generator(self.draw("latent", batch_size(batch)))

    def judge(self, notes: Tensor) -> Tensor:
        return self.discriminator(notes).mean(dim=(1, 2))

    def generator_loss(self, batch: Batch) -> Terms:
        return {"adversarial": real_cost(self.judge(self.made(batch)))}

    def discriminator_loss(self, batch: Batch) -> Terms:
        with torch.no_grad():
            made = self.made(batch)
        return {"real": real_cost(self.judge(batch["notes"])), "fake": fake_cost(self.judge(made))}

    def realness(self, batch: Batch) -> Tensor:
        return self.judge(batch["notes"])


class Recurrent(nn.Module):
    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.cells = nn.GRU(width, 8, batch_first=True)
        self.out = nn.Linear(8, out)

    def forward(self, rows: Tensor) -> Tensor:
        return self.out(self.cells(rows)[0])


class Growing(System):
    """Pictures of half the size, then of the whole, with fresh optimizers and smaller batches (the shape of ProGAN)."""

    class Config(SystemConfig):
        latent: int = 4
        grows_at_kimg: float = 0.064

        @property
        def inputs(self) -> Mapping[str, Input]:
            return {"latent": Noise((self.latent,))}

    def __init__(self, cfg: Config, data: DataSpec) -> None:
        super().__init__(cfg, data)
        channels, side, _ = data.image_shape("image", "growing")
        self.side = side
        half = side // 2
        self.generator = nn.ModuleDict(
            {
                "small": nn.Sequential(
                    nn.Linear(cfg.latent, channels * half**2), nn.Unflatten(1, (channels, half, half)), nn.Tanh()
                ),
                "large": nn.Sequential(nn.Upsample(scale_factor=2), painter(channels, channels)),
            }
        )
        self.discriminator = nn.ModuleDict({"small": critic(channels, half), "large": critic(channels, side)})
        self.register_buffer("level", torch.zeros((), dtype=torch.int64))

    @property
    def size(self) -> str:
        return "large" if self.level else "small"

    def generate(self, inputs: Batch) -> Batch:
        small = self.generator["small"](inputs["latent"])
        return {"image": self.generator["large"](small) if self.level else small}

    def seen(self, image: Tensor) -> Tensor:
        return image if self.level else F.avg_pool2d(image, 2)

    def updates(self, it: Iteration) -> Updates:
        if it.kimg >= self.cfg.grows_at_kimg and not self.level:
            self.level.fill_(1)
            it.restart("generator")
            it.restart("discriminator")
        batch = it.next_batch(4 if self.level else None)
        yield Update("discriminator", self.discriminator_loss, batch, lr=1.5 if self.level else 1.0)
        yield Update("generator", self.generator_loss, batch)

    def made(self, batch: Batch) -> Tensor:
        return self.generate({"latent": self.draw("latent", batch_size(batch))})["image"]

    def judge(self, image: Tensor) -> Tensor:
        return self.discriminator[self.size](image)

    def discriminator_loss(self, batch: Batch) -> Terms:
        with torch.no_grad():
            made = self.made(batch)
        return {"real": real_cost(self.judge(self.seen(batch["image"]))), "fake": fake_cost(self.judge(made))}

    def generator_loss(self, batch: Batch) -> Terms:
        return {"adversarial": real_cost(self.judge(self.made(batch)))}

    def realness(self, batch: Batch) -> Tensor:
        image = batch["image"]
        return self.judge(image if image.shape[2] < self.side else self.seen(image))


SHAPES: Mapping[str, type[System]] = {
    "two_phases": TwoPhases,
    "no_adversary": NoAdversary,
    "translation": Translation,
    "two_spaces": TwoSpaces,
    "attributes": Attributes,
    "captions": Captions,
    "sequences": Sequences,
    "growing": Growing,
}


def register() -> None:
    """Let `ganpipe.systems` know the systems of this file, in this process."""
    systems.SYSTEMS |= {name: cls.__name__ for name, cls in SHAPES.items()}
    for name, cls in SHAPES.items():
        sys.modules[f"ganpipe.systems.{name}"] = sys.modules[__name__]
        sys.modules[f"ganpipe.systems.configs.{name}"] = SimpleNamespace(Config=cls.Config)  # type: ignore[assignment]


def pictures(count: int, side: int, seed: int) -> np.ndarray:
    """A bright square somewhere on a dark ground."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 60, (count, side, side, 1), dtype=np.uint8)
    for image in images:
        top, left = random.integers(0, side // 2, 2)
        image[top : top + side // 2, left : left + side // 2] = random.integers(150, 255)
    return images


def _image(side: int = SIDE, space: str = "items") -> Field:
    return Field(kind="image", shape=(1, side, side), space=space)


def _paired(count: int) -> dict[str, np.ndarray]:
    a = pictures(count, SIDE, seed=1)
    return {"a": a, "b": 255 - a}


def _captions(count: int) -> dict[str, np.ndarray]:
    images = pictures(count, SIDE, seed=1)
    bright = (images.max(axis=(1, 2, 3)) > 200).astype(np.int32)
    return {"image": images, "caption": np.stack([np.zeros_like(bright), 1 + bright], axis=1)}


def _attributes(count: int) -> dict[str, np.ndarray]:
    images = pictures(count, SIDE, seed=1)
    bright = images.max(axis=(1, 2, 3)) > 200
    left = images[:, :, : SIDE // 2].mean(axis=(1, 2, 3)) > images[:, :, SIDE // 2 :].mean(axis=(1, 2, 3))
    return {"image": images, "attributes": np.stack([bright, left], axis=1).astype(np.uint8)}


def _notes(count: int) -> dict[str, np.ndarray]:
    steps = np.arange(6) / 6 + np.random.default_rng(2).random((count, 1))
    return {"notes": np.stack([np.sin(6.28 * steps), np.cos(6.28 * steps)], axis=2).astype(np.float32) / 2 + 0.5}


_ROW = ROWS + HELD_OUT
PAIRED = ({"a": _image(), "b": _image()}, {"items": _paired(_ROW)})
ALONE = ({"image": _image()}, {"items": {"image": pictures(_ROW, SIDE, seed=1)}})
DATA: Mapping[str, tuple[dict[str, Field], dict[str, dict[str, np.ndarray]]]] = {
    "two_phases": (
        {"low": _image(SIDE // 2), "high": _image()},
        {"items": {"low": pictures(_ROW, SIDE, 1)[:, ::2, ::2].copy(), "high": pictures(_ROW, SIDE, 1)}},
    ),
    "no_adversary": PAIRED,
    "translation": PAIRED,
    "two_spaces": (
        {"a": _image(space="a"), "b": _image(space="b")},
        {"a": {"a": pictures(_ROW, SIDE, 1)}, "b": {"b": 255 - pictures(_ROW - 7, SIDE, 2)}},
    ),
    "attributes": (
        {"image": _image(), "attributes": Field(kind="attributes", shape=(2,), names=("bright", "left"))},
        {"items": _attributes(_ROW)},
    ),
    "captions": (
        {"image": _image(), "caption": Field(kind="tokens", shape=(2,), names=("a", "dim square", "bright square"))},
        {"items": _captions(_ROW)},
    ),
    "sequences": (
        {"notes": Field(kind="sequence", shape=(6, 2), names=("sine", "cosine"))},
        {"items": _notes(_ROW)},
    ),
    "growing": ALONE,
}


def write_data(name: str, folder: Path) -> None:
    """Write the data that a system learns from, with its manifest."""
    fields, spaces = DATA[name]
    about = About(name=f"data_of_{name}", source="tests", licence="CC0", citation="", transform="none")
    packed = {}
    for space, rows in spaces.items():
        count = len(next(iter(rows.values())))
        ends = {"train": (0, count - HELD_OUT), "test": (count - HELD_OUT, count)}
        packed[space] = SpaceRows(count, [rows], ends)
    content = write_packed(folder / "data.h5", about, fields, packed)
    write_json(folder / "manifest.json", {"name": about.name, "content_sha256": content})


def params_of(name: str, **sections: dict[str, Any]) -> Params:
    """Return an experiment with a system of this file, 16 iterations long at most."""
    content = load_params(recipes.path_of("digits-dcgan")).model_dump(mode="json")
    content["data"]["name"] = f"data_of_{name}"
    content["system"] = {"name": name}
    content["train"] |= {
        "kimg": 0.128, "batch": 8, "preview_kimg": 0.032, "log_kimg": 0.016, "evaluate_kimg": 0.064, "lr": 2e-3,
        "lr_discriminator": 1e-3, "ema_half_life_kimg": 0.02,
    }  # fmt: skip
    content["sample"] |= {"count": 24, "grid": 3, "pictures": ["grid"]}
    content["evaluate"] |= {"extractors": ["values" if name == "sequences" else "pixel"], "neighbours": 3}
    content["runtime"] |= {"threads": 1, "device": "cpu"}
    for section, values in sections.items():
        content[section] |= values
    return Params.model_validate_json(json.dumps(content))


def train_here(params: Params, fingerprint: str) -> None:
    """Train in the current folder."""
    train(params, fingerprint, paths.PACKED, paths.DATA, paths.state_dir())


def train_often_saving(name: str) -> None:
    """Train a system of this file, with a checkpoint after every iteration: what a child process does."""
    register()
    train_here(params_of(name, runtime={"checkpoint_seconds": 1e-6}), "saved")
