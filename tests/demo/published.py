"""Published generators for the tests of the page: untrained, tiny, and each different from the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from conditional import Obedient, add_to_table, obedient
from data.packed_sets import write_set
from packed_texts import write_captioned
from specs import images, pictures
from translating import Translator, translator

from ganpipe import paths
from ganpipe.core.spec import DataSpec, Encoder, Field
from ganpipe.core.system import System
from ganpipe.core.tones import TONE
from ganpipe.pretrained.encoders import RandomEncoder
from ganpipe.sampling.published import publish_generator
from ganpipe.systems.c_rnn_gan import CRNNGAN
from ganpipe.systems.cyclegan import CycleGAN
from ganpipe.systems.stargan import StarGAN
from ganpipe.systems.text_to_image import TextToImage

NARROW = {"features": 2, "blocks": 1, "features_discriminator": 2}
RANDOM = np.random.default_rng(0)


def livelier(system: System) -> System:
    """Raise the contrast of an untrained system: its weights are so small that all pictures are nearly grey."""
    with torch.no_grad():
        for parameter in system.parameters():
            if parameter.ndim > 1:
                parameter *= 8
    return system.eval()


def dimmer(system: System) -> System:
    """Return a painter whose white is grey, to tell it from the other one."""
    with torch.no_grad():
        for parameter in system.parameters():
            parameter *= 0.5
    return system


def cyclegan() -> System:
    """Return one that makes grey pictures of coloured ones and back."""
    torch.manual_seed(0)
    spec = pictures((3, 16, 16), (1, 16, 16), paired=False)
    return livelier(CycleGAN(CycleGAN.Config(**NARROW, patch_layers=1, identity_weight=0), spec))


def stargan() -> System:
    """Return one that turns attributes on and off."""
    torch.manual_seed(0)
    spec = images((3, 16, 16), attributes=("Smiling", "Hat"))
    return livelier(StarGAN(StarGAN.Config(**NARROW, condition="attributes"), spec))


def composer() -> System:
    """Return one that makes music of eight tones."""
    torch.manual_seed(0)
    spec = DataSpec(name="toy", fields={"notes": Field(kind="sequence", shape=(8, 4), names=TONE)})
    options = {"tones": 8, "units": 8, "units_discriminator": 4, "ticks": 4}
    return livelier(CRNNGAN(CRNNGAN.Config.model_validate(options), spec))


def sketcher() -> System:
    """Return one that draws captions."""
    torch.manual_seed(0)
    text = Field(kind="text", shape=(9, 32), encoder=Encoder(source="random-0", sha256=RandomEncoder(0).sha256))
    spec = DataSpec(name="toy", fields={**images((3, 8, 8)).fields, "caption": text, "swapped": text})
    options = {"latent": 4, "width": 8, "heads": 2, "depth": 1, "patch": 4, "features": 2, "features_discriminator": 2}
    return TextToImage(TextToImage.Config.model_validate(options), spec)


MODELS = {
    "painter": lambda: obedient("label"),
    "dimmer": lambda: dimmer(obedient("label")),
    "faces": lambda: obedient("attributes"),
    "composer": composer,
    "cycle": cyclegan,
    "star": stargan,
    "negative": translator,
    "sketcher": sketcher,
}
"""How each is built."""


@contextmanager
def published(folder: Path, *names: str) -> Iterator[list[str]]:
    """Publish some of `MODELS`, with their data where they are given rows; give the block the generators' folders."""
    with pytest.MonkeyPatch.context() as patch:
        for cls in (Obedient, Translator):
            add_to_table(patch, cls)
        for name in names:
            publish_generator(MODELS[name](), folder / name / "model", "fingerprint")
        if "cycle" in names:
            sets = {"a": {"a": colours(8, 3)}, "b": {"b": colours(8, 1)}}
            file = folder / "cycle" / paths.PACKED.name / paths.PACKED_FILE.name
            write_set(file, sets, splits={space: {"train": (0, 4), "test": (4, 8)} for space in sets})
        if "sketcher" in names:
            (folder / "sketcher" / paths.PACKED.name).mkdir()
            write_captioned(folder / "sketcher" / paths.PACKED.name, {"train": 12, "valid": 4, "test": 3})
        yield [str(folder / name / "model") for name in names]


def colours(count: int, channels: int) -> np.ndarray:
    """Return random pictures of 16 x 16 pixels."""
    return RANDOM.integers(0, 256, (count, 16, 16, channels), np.uint8)
