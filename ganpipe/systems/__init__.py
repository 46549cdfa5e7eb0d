"""The table of systems: the name in params.yaml and its class in the module of that name. Imports torch when needed."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ganpipe.config import SystemSection, choose, parse
from ganpipe.errors import ConfigError
from ganpipe.systems.configs import SystemConfig

if TYPE_CHECKING:
    from ganpipe.core.spec import DataSpec
    from ganpipe.core.system import System

SYSTEMS = {
    "dcgan": "DCGAN",
    "conditional_gan": "ConditionalGAN",
    "mlp_gan": "MLPGAN",
    "wgan": "WGAN",
    "wgan_gp": "WGANGP",
    "pattern_gan": "PatternGAN",
    "pix2pix": "Pix2Pix",
    "cyclegan": "CycleGAN",
    "stargan": "StarGAN",
    "progan": "ProGAN",
    "r3gan": "R3GAN",
    "srgan": "SRGAN",
    "esrgan": "ESRGAN",
    "style": "Style",
    "c_rnn_gan": "CRNNGAN",
    "text_to_image": "TextToImage",
}


def system_class(name: str, where: str = "params.yaml") -> type[System]:
    """Import and return the class of a system. Raises `ConfigError` for an unknown name."""
    cls = SYSTEMS[choose("system.name", name, SYSTEMS, where)]
    return getattr(importlib.import_module(f"{__name__}.{name}"), cls)


def configure(section: SystemSection, where: str = "params.yaml") -> SystemConfig:
    """Return the options of a system, checked against its `Config`, without torch. Raises `ConfigError`."""
    name = choose("system.name", section.name, SYSTEMS, where)
    model: type[SystemConfig] = importlib.import_module(f"{__name__}.configs.{name}").Config
    return parse(model, section.options, where, prefix="system.")


def drawing_section(section: SystemSection, options: Mapping[str, Any], where: str) -> SystemSection:
    """Return a system with some of its options replaced, by name, that matter for drawing alone.

    Raises `ConfigError` that names the place `where` for an option of another kind, or an unfitting value.
    """
    able = configure(section, where).drawing
    for name in options:
        if name not in able:
            there = f"those of system.name = {section.name!r} are {', '.join(able)}" if able else "it has none"
            raise ConfigError(f"{where}: {name} is no option of {section.name} that matters for drawing alone; {there}")
    changed = SystemSection(name=section.name, **section.options | dict(options))
    configure(changed, where)
    return changed


def build(section: SystemSection, data: DataSpec, seed: int, where: str = "params.yaml") -> System:
    """Build the named system for this data, on the CPU, with the first weights that `seed` gives.

    Raises `ConfigError` if the system cannot learn data of this kind or shape; the message names the file `where`.
    """
    from ganpipe.core.seed import seeded

    cls, cfg = system_class(section.name, where), configure(section, where)
    with seeded(seed):
        return cls(cfg, data)
