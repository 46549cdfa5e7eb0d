"""Checks before the first step of a training: its outputs fit the data, and its checkpoints fit on the disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from ganpipe import config
from ganpipe.core.batch import Batch
from ganpipe.core.inputs import Choice, Given
from ganpipe.core.spec import Field
from ganpipe.core.system import System
from ganpipe.errors import PreflightError
from ganpipe.files import readable_size, require_space
from ganpipe.pictures import DRAWN
from ganpipe.sampling.draw import BLOCK, GivenSource, all_inputs
from ganpipe.training.loop import Trainer

_CHECKPOINTS = 4  # on the disk at once: two are kept while a third is written, and the state of the finished training
_BEYOND = 1e-3  # tolerance for rounding at the ends of [-1, 1]


def require_sound_declarations(system: System) -> None:
    """Raise `PreflightError` where a system leaves out something that the stages rely on.

    Every parameter belongs to a player or a frozen network, or it would never be trained nor published. At least one
    output has a picture. No two inputs choose or are given the same field, which names their column in samples.h5.
    """
    name = type(system).__name__
    owned = tuple(f"{network}." for network in (*system.players, *system.frozen))
    lost = [key for key, _ in system.named_parameters() if not key.startswith(owned)]
    if lost:
        raise PreflightError(
            f"the parameter {lost[0]} of {name} belongs to none of its players ({', '.join(system.players)}) and to no "
            "frozen network: it would never be trained; put it into a player, or name its network in `frozen`"
        )
    kinds = [system.data.fields[field].kind for field in system.outputs.values()]
    if not set(kinds) & set(DRAWN):
        raise PreflightError(f"{name} makes {', '.join(kinds)}: a picture can show {', '.join(DRAWN)} only")
    fields = [one.field for one in system.inputs.values() if isinstance(one, Choice | Given)]
    if len(set(fields)) < len(fields):
        twice = next(field for field in fields if fields.count(field) > 1)
        raise PreflightError(f"two inputs of {name} are of the field {twice!r}: give each a field of its own")


def require_fitting_output(system: System, given: GivenSource | None) -> None:
    """Raise `PreflightError` unless every output fits the field that it should look like.

    It must have the shape of that field and be finite, and images must lie within [-1, 1]. Images that will grow may
    be smaller by a whole factor. The global state of torch's generator is left as it is.
    """
    drawing = f"the generator of {type(system).__name__} draws"
    for name, values in drawn_outputs(system, given).items():
        field = system.data.fields[system.outputs[name]]
        _require_shape(system, name, tuple(values.shape[1:]), field)
        bad = int((~torch.isfinite(values.float())).sum())
        if bad:
            raise PreflightError(
                f"{bad} of {values.numel()} numbers that {drawing} are not finite: mend how its weights begin"
            )
        if field.kind == "image" and values.abs().max() > 1 + _BEYOND:
            raise PreflightError(
                f"{drawing} pixels from {values.min():.3g} to {values.max():.3g}, but images are within [-1, 1]: "
                "end it with tanh"
            )


@torch.no_grad()
def drawn_outputs(system: System, given: GivenSource | None) -> Batch:
    """Return the outputs for the first `BLOCK` inputs, in evaluation mode and network form.

    Raises `PreflightError` unless `generate` returns exactly the declared outputs.
    """
    training = system.training
    outputs = system.eval().generate(all_inputs(system, BLOCK, seed=0, given=given))
    system.train(training)
    missing = sorted(system.outputs.keys() ^ outputs.keys())
    if missing:
        raise PreflightError(
            f"{type(system).__name__}.generate returns {', '.join(sorted(outputs)) or 'nothing'}, but its outputs are "
            f"{', '.join(system.outputs)}"
        )
    return outputs


def _require_shape(system: System, name: str, found: tuple[int, ...], field: Field) -> None:
    grows = field.kind == "image" and len(found) == 3 and found[0] == field.shape[0]
    if found == field.shape or (grows and _is_fraction(found[1:], field.shape[1:])):
        return
    what = "the generator" if len(system.outputs) == 1 else f"output {name!r}"
    raise PreflightError(
        f"{what} of {type(system).__name__} draws {found}, but the packed data is {field.shape}: its last layer must "
        "fit the data"
    )


def _is_fraction(found: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    """Return whether height and width are those of the whole divided by the same whole number."""
    factors = {wanted / side for side, wanted in zip(found, whole, strict=True)}
    return len(factors) == 1 and factors.pop().is_integer()


def require_disk_space(trainer: Trainer, folder: Path) -> str:
    """Raise `DataError` if the disk of `folder` has no room for the checkpoints that are not there yet.

    Returns a line for a person: the size of a checkpoint and the free space.
    """
    size = checkpoint_bytes(trainer)
    existing = next(parent for parent in (folder, *folder.resolve().parents) if parent.is_dir())
    written = sum(file.stat().st_size for file in folder.glob("*.pt"))
    require_space(existing, max(0, _CHECKPOINTS * size - written))
    free = readable_size(shutil.disk_usage(existing).free)
    return f"checkpoints of {readable_size(size)}, {_CHECKPOINTS} at a time, {free} free"


def checkpoint_bytes(trainer: Trainer) -> int:
    """Return the size of a checkpoint in bytes.

    It holds the system, the moving average, the state of the optimizers and, if the best generators are to be
    published, a copy of them.
    """
    system, average, train = trainer.system, trainer.ema, trainer.train
    players = [system.get_submodule(name) for name in system.players]
    weights = sum(_bytes(player.parameters()) for player in players)
    best = sum(_stored(system.get_submodule(name)) for name in system.generators) if train.publish == "best" else 0
    return _stored(system) + _stored(average) + weights * _numbers_remembered(train.optimizer) + best


def _numbers_remembered(optimizer: config.Optimizer) -> int:
    """Return how many numbers per weight the optimizer keeps."""
    match optimizer:
        case config.Adam():
            return 2
        case config.RMSprop():
            return 1
        case config.SGD():
            return 1 if optimizer.momentum else 0


def _stored(module: nn.Module) -> int:
    return _bytes(value for value in module.state_dict().values() if torch.is_tensor(value))


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
