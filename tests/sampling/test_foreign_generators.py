"""Published generators of others: descriptions and weights that contradict each other, or ask for absurd sizes."""

from __future__ import annotations

import hashlib
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save
from specs import images

from ganpipe.config import SystemSection
from ganpipe.errors import CheckpointError, ConfigError
from ganpipe.files import read_sealed, write_sealed
from ganpipe.sampling.published import load_generator, publish_generator
from ganpipe.systems import build

Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    publish_generator(build(SystemSection(name="dcgan", features=4), images((1, 16, 16)), seed=0), tmp_path, "f")
    return tmp_path


def system(**options: Any) -> Change:
    return lambda description: description["system"].update(options)


def field(**values: Any) -> Change:
    return lambda description: description["data"]["fields"]["image"].update(values)


DESCRIPTIONS: dict[str, Change] = {
    "far too wide": system(features=65536),
    "too wide": system(features=8),
    "absurd latent": system(latent=10**9),
    "endless latent": system(latent=10**30),
    "another system": system(name="mlp_gan"),
    "no system": system(name="nothing"),
    "name of no text": system(name=["dcgan"]),
    "unknown option": system(wings=2),
    "system of no mapping": lambda description: description.update(system=3),
    "frozen of no mapping": lambda description: description.update(frozen=None),
    "data of no mapping": lambda description: description.update(data=[1]),
    "no fields": lambda description: description["data"].update(fields={}),
    "huge pictures": field(shape=[1, 16384, 16384]),
    "too large pictures": field(shape=[1, 32, 32]),
    "endless pictures": field(shape=[1, 2**40, 2**40]),
    "empty pictures": field(shape=[1, 0, 0]),
    "odd pictures": field(shape=[1, 17, 16]),
    "flat pictures": field(shape=[16, 16]),
    "backward pictures": field(shape=[1, -16, 16]),
    "other kind": field(kind="vector"),
    "far too many growing widths": system(generator_widths=[64] * 10**5, name="mlp_gan"),
}


@pytest.mark.parametrize("case", DESCRIPTIONS)
def test_a_description_that_does_not_fit_its_weights_is_refused(folder: Path, case: str) -> None:
    description = read_sealed(folder / "generator.json")
    DESCRIPTIONS[case](description)
    write_sealed(folder / "generator.json", description)
    _refused(folder)


WEIGHTS: dict[str, Callable[[bytes], bytes]] = {
    "no safetensors": lambda content: b"\x80\x04" + content,
    "empty": lambda content: b"",
    "cut": lambda content: content[:-4],
    "header of 2^60 bytes": lambda content: (1 << 60).to_bytes(8, "little") + content[8:],
    "other shapes": lambda content: save({name: torch.zeros(3) for name in load(content)}),
    "one missing": lambda content: save(dict(list(load(content).items())[1:])),
    "one more": lambda content: save(load(content) | {"more": torch.zeros(1)}),
}


@pytest.mark.parametrize("case", WEIGHTS)
def test_weights_that_do_not_fit_their_description_are_refused(folder: Path, case: str) -> None:
    content = WEIGHTS[case]((folder / "generator.safetensors").read_bytes())
    (folder / "generator.safetensors").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    write_sealed(folder / "generator.json", read_sealed(folder / "generator.json") | {"sha256": digest})
    _refused(folder)


def _refused(folder: Path) -> None:
    """Load what must be refused in one line, soon, and without much memory."""
    began, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises((CheckpointError, ConfigError)) as caught:
        load_generator(folder)
    assert time.process_time() - began < 3
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000, "KiB"
    message = str(caught.value)
    assert "\n" not in message and len(message) < 500 and str(folder) in message
