"""Builds the system that a description asks for, if the weights beside it are of such a size: both may be foreign."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from ganpipe.core.system import System
from ganpipe.errors import CheckpointError, GanpipeError

_TIMES = 100  # as many parameters, and as many numbers in them, as the weights have: adversaries are not published
_FREE = 10_000  # parameters beyond that
_FREE_NUMBERS = 1 << 26  # numbers beyond that


class _TooLargeError(Exception):
    """The message says what is asked for."""


def tensors_of(weights: bytes, where: str) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file. Raises `CheckpointError` naming the place `where` for other bytes."""
    try:
        return load(weights)
    except (SafetensorError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{where}: its weights are no safetensors: {_one_line(error)}; train again") from None


def built_for(
    weights: Mapping[str, Tensor],
    build: Callable[[], System],
    published: Callable[[System], Mapping[str, Tensor]],
    where: str,
) -> System:
    """Return the system that `build` makes, once it is known that its `published` state has the shapes of `weights`.

    It is first built without memory. Raises `CheckpointError` naming the place `where` for other shapes, for networks
    that are absurdly larger than the weights, and where nothing can be built; other errors for users pass.
    """
    try:
        with torch.device("meta"), _bounded(weights):
            planned = {name: value.shape for name, value in published(build()).items()}
    except GanpipeError as error:
        if where in str(error):
            raise
        raise CheckpointError(f"{where}: {error}") from None
    except _TooLargeError as error:
        raise CheckpointError(f"{where}: {error}; it is not the description of these weights") from None
    except Exception as error:  # a description of any content raises any kind
        reason = f"{type(error).__name__}: {_one_line(error)}"
        raise CheckpointError(f"{where}: no system can be built as it says ({reason}); train again") from None
    odd = sorted(planned.keys() ^ weights.keys()) or [n for n, shape in planned.items() if weights[n].shape != shape]
    if odd:
        found, due = (tuple(one[odd[0]]) if odd[0] in one else "missing" for one in (_shapes(weights), planned))
        raise CheckpointError(f"{where}: not the weights of this system ({odd[0]}: {found}, not {due}); train again")
    return build()


def _shapes(weights: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in weights.items()}


@contextmanager
def _bounded(weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Raise `_TooLargeError` in the block when this thread makes far more, or far larger, parameters than `weights`."""
    most, numbers = _TIMES * len(weights) + _FREE, _TIMES * sum(map(torch.numel, weights.values())) + _FREE_NUMBERS
    mine, made, held = threading.get_ident(), 0, 0

    def count(module: nn.Module, name: str, parameter: Tensor | None) -> None:
        nonlocal made, held
        if threading.get_ident() != mine or parameter is None:
            return
        made, held = made + 1, held + parameter.numel()
        if made > most or held > numbers:
            raise _TooLargeError(f"asks for networks of over {made} parameters with {held} numbers")

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
