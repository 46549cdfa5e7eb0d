"""Files of the state of a training that know whether they are whole: each carries the SHA-256 of its content.

A zip file, which torch writes, has checksums, and torch does not look at them: most single bits that flip on a disk
would be trained on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_SEAL = "sha256"


class Damaged(Exception):
    """The message says in a few words what is wrong with a file."""


def save(content: Mapping[str, Any], path: Path) -> None:
    """Write a mapping of mappings, sequences, tensors, numbers and texts to a file, with its SHA-256.

    Raises `OSError`, or another error over it, where the disk takes no more, and `TypeError` for any other content.
    """
    sealed = {**content, _SEAL: sha256(content)}
    with path.open("wb") as file:  # torch tells nothing of why it cannot write to a path
        torch.save(sealed, file)


def load(path: Path) -> dict[str, Any]:
    """Return what `save` wrote, with all tensors on the CPU. Raises `Damaged` for every other content."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen kinds for a damaged file
        raise Damaged(type(error).__name__) from None
    if not isinstance(content, dict) or content.pop(_SEAL, None) != sha256(content):
        raise Damaged("its content is not that of its SHA-256")
    return content


def sha256(content: object) -> str:
    """Return the SHA-256 of content as `save` takes it, of its types, its order and all its values."""
    digest = hashlib.sha256()
    _feed(digest, content)
    return digest.hexdigest()


def _feed(digest: Any, value: object) -> None:
    """Add a value to a digest, each part behind its type and length, so that no two contents give the same bytes."""
    if isinstance(value, Mapping):
        digest.update(b"{%d" % len(value))
        for key, item in value.items():
            _feed(digest, key)
            _feed(digest, item)
    elif isinstance(value, list | tuple):
        digest.update(b"[%d" % len(value))
        for item in value:
            _feed(digest, item)
    elif isinstance(value, Tensor):
        digest.update(f"<{value.dtype}{list(value.shape)}".encode())
        flat = value.detach().cpu().contiguous().flatten()
        digest.update(flat.view(torch.uint8).numpy())
    elif value is None or isinstance(value, bool | int | float | str):
        text = repr(value).encode("utf-8", "surrogatepass")
        digest.update(b"%s%d:%s" % (type(value).__name__.encode(), len(text), text))
    else:
        raise TypeError(f"a checkpoint cannot hold {type(value).__name__}")
