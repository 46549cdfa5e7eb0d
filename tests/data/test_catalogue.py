"""The catalogue: complete entries, light import, a helpful error for an unknown name."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from ganpipe.data.catalogue import DATASETS, lookup
from ganpipe.errors import ConfigError


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_every_entry_is_complete(name: str) -> None:
    dataset = DATASETS[name]
    assert dataset.name == name == lookup(name).name
    assert all((dataset.title, dataset.source, dataset.licence, dataset.citation, dataset.transform, dataset.files))
    assert len(dataset.shape) == {"image": 3, "vector": 1}[dataset.kind]
    assert all(re.fullmatch("[0-9a-f]{64}", file.sha256) and file.size > 0 for file in dataset.files)


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"params.yaml.*'digit' is unknown, did you mean 'digits'.*pattern") as caught:
        lookup("digit")
    assert "\n" not in str(caught.value)


def test_the_catalogue_imports_nothing_heavy() -> None:
    heavy = ("torch", "h5py", "numpy", "PIL")
    code = f"import sys, ganpipe.data.catalogue; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
