"""ganpipe: every classic GAN in one reproducible, cached, tracked pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganpipe.loading import load_generator

__all__ = ["__version__", "load_generator"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import `load_generator` on first use: `import ganpipe` alone must not pull in torch."""
    if name == "load_generator":
        from ganpipe.loading import load_generator

        return load_generator
    raise AttributeError(f"module 'ganpipe' has no attribute {name!r}")
