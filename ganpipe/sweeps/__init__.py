"""Sweeps: many experiments that an engine chooses, each a real experiment of DVC with a run of its own."""

from __future__ import annotations

import importlib.util

from ganpipe.errors import ConfigError


def require_optuna() -> None:
    """Raise `ConfigError` where the engine is not installed."""
    if importlib.util.find_spec("optuna") is None:
        raise ConfigError("`ganpipe sweep` needs Optuna: install it with `pip install 'ganpipe[sweep]'`")
