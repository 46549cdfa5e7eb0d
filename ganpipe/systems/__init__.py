"""The table of systems: name in params.yaml -> "module:Class". One file per system; no torch until one is asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from ganpipe.config import Closed, SystemSection, choose, parse

if TYPE_CHECKING:
    from ganpipe.core.batch import DataSpec
    from ganpipe.core.system import System

SYSTEMS = {
    "dcgan": "ganpipe.systems.dcgan:DCGAN",
    "mlp_gan": "ganpipe.systems.mlp_gan:MLPGAN",
    "wgan": "ganpipe.systems.wgan:WGAN",
    "wgan_gp": "ganpipe.systems.wgan_gp:WGANGP",
    "pattern_gan": "ganpipe.systems.pattern_gan:PatternGAN",
}


def system_class(name: str, where: str = "params.yaml") -> type[System]:
    """Import and return the class of a system. Raises `ConfigError` for an unknown name."""
    module, _, cls = SYSTEMS[choose("system.name", name, SYSTEMS, where)].partition(":")
    return getattr(importlib.import_module(module), cls)


def configure(section: SystemSection, where: str = "params.yaml") -> Closed:
    """Check the keys of the `system` section against the `Config` of the named system. Raises `ConfigError`."""
    return parse(system_class(section.name, where).Config, section.options, where, prefix="system.")


def build(section: SystemSection, data: DataSpec, seed: int, where: str = "params.yaml") -> System:
    """Build the named system for this data, on the CPU, with the first weights that `seed` gives.

    Raises `ConfigError` where the system cannot learn data of this kind or shape; `where` names the file at fault.
    """
    import torch

    cls, cfg = system_class(section.name, where), configure(section, where)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would reseed the GPUs too
        return cls(cfg, data)
