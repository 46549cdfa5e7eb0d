"""The catalogue: complete entries, light import, a helpful error for an unknown name, and what the commands print."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import asdict

import pytest
from typer.testing import CliRunner

from ganpipe.cli import app
from ganpipe.data.catalogue.dataset import Dataset
from ganpipe.data.catalogue.listing import card
from ganpipe.data.catalogue.origins import NpmPackage, Published, UserFolder
from ganpipe.data.catalogue.sets import CELEBA, DATASETS, FLOWERS102, lookup
from ganpipe.errors import ConfigError

ALL = [pytest.param(dataset, id=name) for name, dataset in sorted(DATASETS.items())]


@pytest.mark.parametrize("dataset", ALL)
def test_every_entry_is_complete(dataset: Dataset) -> None:
    assert DATASETS[dataset.name] is dataset is lookup(dataset.name)
    assert all((dataset.title, dataset.source, dataset.licence, dataset.terms, dataset.citation, dataset.transform))
    assert len(dataset.terms) <= 15 and dataset.fields and dataset.labelled == ("label" in dataset.kinds)
    for field in dataset.fields.values():
        due = {"image": 3, "vector": 1, "label": 0, "attributes": 1, "sequence": 2, "tokens": 1, "text": 0}[field.kind]
        assert len(set(field.names)) == len(field.names) and (field.shape is None or len(field.shape) == due)
    assert {name for name in dataset.fields if dataset.fields[name].kind == "image"} == set(dataset.images)
    assert not dataset.splits or sum(length for _, length in dataset.splits) == dataset.count


@pytest.mark.parametrize("dataset", ALL)
def test_every_file_can_be_verified(dataset: Dataset) -> None:
    for file in dataset.files:
        if isinstance(file.origin, UserFolder):
            assert file.sha256 is None and file.size is None and dataset.nbytes is None
            continue
        assert file.size is not None and file.size > 0 and dataset.nbytes
        hashes = [file.sha256, *([file.content.sha256] if file.content else [])]
        assert all(re.fullmatch("[0-9a-f]{64}", found or "") for found in hashes)


@pytest.mark.parametrize("dataset", ALL)
def test_the_layout_speaks_of_the_files_of_the_set(dataset: Dataset) -> None:
    def texts(value: object) -> set[str]:
        if isinstance(value, str):
            return {value}
        pieces = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else ()
        return {text for piece in pieces for text in texts(piece)}

    assert {file.name for file in dataset.files} <= texts(asdict(dataset.layout))


@pytest.mark.parametrize("dataset", ALL)
def test_every_address_can_be_asked(dataset: Dataset) -> None:
    for file in dataset.files:
        for url in file.origin.urls if isinstance(file.origin, Published) else ():
            assert re.fullmatch(r"https?://[a-z0-9.-]+/[^ ]+", url)
            assert url.endswith("/" + file.name) or "drive." in url


@pytest.mark.parametrize("dataset", ALL)
def test_an_npm_package_has_a_version_and_its_files_a_copy_on_the_web(dataset: Dataset) -> None:
    for file in dataset.files:
        if isinstance(file.origin, NpmPackage):
            assert re.fullmatch(r"\d+\.\d+\.\d+", file.origin.version)
            assert file.origin.tarball.endswith(f"-{file.origin.version}.tgz") and "/" not in file.origin.tarball
            assert (file.name == file.origin.tarball) == (file.origin.member is None) == (not file.origin.urls)
            assert all(url.endswith(f"/{file.origin.spec}/{file.origin.member}") for url in file.origin.urls)


def test_published_numbers() -> None:
    attributes, classes = CELEBA.names("attributes"), FLOWERS102.names("label")
    assert (CELEBA.nbytes, len(attributes), attributes[20]) == (1_473_048_250, 40, "Male")
    assert (len(classes), classes[0], classes[-1]) == (
        102,
        "pink primrose",
        "blackberry lily",
    )


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"params.yaml.*'digit' is unknown, did you mean 'digits'.*pattern") as caught:
        lookup("digit")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("module", ["ganpipe.data.catalogue.sets", "ganpipe.data.catalogue.listing"])
def test_the_catalogue_imports_nothing_heavy(module: str) -> None:
    heavy = ("torch", "h5py", "numpy", "PIL", "requests")
    code = f"import sys, {module}; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_list_is_an_aligned_table() -> None:
    lines = CliRunner().invoke(app, ["dataset", "list"]).output.splitlines()
    assert len(lines) == 1 + len(DATASETS) and all(len(line) <= 120 for line in lines)
    titles = lines[0].index("what it is")
    for line, dataset in zip(lines[1:], DATASETS.values(), strict=True):
        assert line.startswith(dataset.name + " ") and line[titles:] == dataset.title and line[titles - 1] == " "
    celeba = next(line for line in lines if line.startswith("celeba"))
    assert "202,599" in celeba and "1.5 GB" in celeba and "research only" in celeba


@pytest.mark.parametrize("dataset", ALL)
def test_a_card_tells_everything(dataset: Dataset) -> None:
    result = CliRunner().invoke(app, ["dataset", "show", dataset.name])
    text = " ".join(result.output.split())
    assert result.exit_code == 0 and max(map(len, result.output.splitlines())) < 130
    for fact in (
        dataset.title,
        dataset.licence,
        dataset.citation,
        dataset.source,
        *(name for field in dataset.fields.values() for name in field.names),
    ):
        assert fact in text
    for file in dataset.files:
        assert file.name in text and (file.sha256 or "") in text and f"{file.size or 0:,}" in text + "0"
        assert all(url in text for url in getattr(file.origin, "urls", ()))


def test_a_card_says_what_texts_drawings_and_unnamed_classes_are() -> None:
    emoji, tones, folder = ("\n".join(card(name)) for name in ("emoji", "emoji-tones", "folder"))
    assert "drawings, of any size" in emoji and "texts of at most 11 words and marks" in emoji
    assert "person            one of the classes that the raw files name" in tones
    assert "label             the subfolders or labels, where there are some" in folder


def test_no_card_of_an_unknown_set() -> None:
    result = CliRunner().invoke(app, ["dataset", "show", "celebs"])
    assert result.exit_code == 2 and "'celebs' is unknown, did you mean 'celeba'" in result.stderr
