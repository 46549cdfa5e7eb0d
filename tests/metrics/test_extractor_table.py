"""The table of extractors: complete, lazy, and plain about unknown names."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ganpipe.errors import ConfigError
from ganpipe.metrics import EXTRACTORS, load_extractor_class


@pytest.mark.parametrize("name", EXTRACTORS)
def test_every_entry_can_be_imported(name: str) -> None:
    cls = load_extractor_class(name)
    assert f"{cls.__module__}:{cls.__name__}" == EXTRACTORS[name]
    assert callable(cls.extract) and hasattr(cls, "identity")


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"evaluate.extractors: extractor 'domian' .* did you mean 'domain'\?.*pixel"):
        load_extractor_class("domian")


def test_reading_the_table_imports_neither_torch_nor_numpy() -> None:
    code = "import sys, ganpipe.metrics; sys.exit(any(name in sys.modules for name in ('torch', 'numpy')))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
