"""CelebA from an HTTP server through the whole pipeline, Flowers to the packed data: small archives like the real ones.

The stages behind are the same for both; tests/acts/test_recipes.py has them for recipes with either. And a folder of
one's own that changes.
"""

from __future__ import annotations

import functools
import http.server
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkout import Checkout, copy_working_tree
from raw_files import jpeg, write_celeba, write_flowers

from ganpipe.data.packed.file import Packed
from ganpipe.sampling.published import load_generator

TINY = {
    "kimg": "0.08",
    "batch": "8",
    "preview_kimg": "0.04",
    "log_kimg": "0.02",
    "lr_decay_from_kimg": "",
    "count": "10",
    "grid": "3",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that holds both sets."""
    folder = tmp_path_factory.mktemp("served")
    write_celeba(folder / "celeba", count=60)
    write_flowers(folder / "flowers", per_class=8)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_address[1]}"
        served.shutdown()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    folder = tmp_path_factory.mktemp("checkout")
    yield copy_working_tree(folder)
    shutil.rmtree(folder, ignore_errors=True)


def run(checkout: Checkout, server: str, name: str, target: str = "", **values: str) -> Packed:
    """Run the pipeline, or what leads to a target, on a set from the server, scored by its pixels."""
    checkout.use("fashion-dcgan", source=f"{server}/{name}", verify="false", **TINY, **values)
    params = checkout.folder / "params.yaml"
    params.write_text(params.read_text().replace("name: fashion-mnist", f"name: {name}").replace("- domain", "- pixel"))
    out = checkout.run(f"dvc repro {target}")
    assert "verify" in out or "published" in out, "a set that is not the published one is said to be so"
    assert target or "pixel: fd" in out
    return Packed.open(checkout.folder / Path("data/packed/data.h5"))


def test_celeba(checkout: Checkout, server: str) -> None:
    packed = run(checkout, server, "celeba", crop="128", size="32")
    assert packed.count("items") == 60
    assert packed.fields["image"].shape == (3, 32, 32)
    splits = {name: len(rows) for name, rows in packed.splits("items").items()}
    assert splits == {"train": 40, "valid": 10, "test": 10}
    assert len(packed.spec.names("attributes")) == 40
    assert load_generator(checkout.folder / "data/model").sample(2).shape == (2, 32, 32, 3)
    assert checkout.metrics()["pixel"]["fd"] > 0


def test_flowers(checkout: Checkout, server: str) -> None:
    packed = run(checkout, server, "flowers", target="pack", size="32")
    assert packed.count("items") == 40
    assert packed.spec.names("label") == ("daisy", "dandelion", "roses", "sunflowers", "tulips")
    assert packed.class_counts("label") == [8] * 5


def test_a_folder_that_has_changed_is_packed_again_and_nothing_else_is_run(checkout: Checkout, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    for number in range(3):
        (mine / f"{number}.jpg").write_bytes(jpeg(seed=number))
    checkout.use("fashion-dcgan", source=str(mine))
    params = checkout.folder / "params.yaml"
    params.write_text(params.read_text().replace("name: fashion-mnist", "name: folder"))

    def stages() -> list[str]:
        return re.findall("Running stage '(.*)'", checkout.run("dvc repro pack"))

    assert stages() == ["source", "download", "pack"]
    assert stages() == ["source"]
    (mine / "1.jpg").touch()
    assert stages() == ["source", "download"]  # the raw file has the same bytes
    (mine / ".DS_Store").touch()
    assert stages() == ["source"]
    (mine / "3.jpg").write_bytes(jpeg(seed=3))
    assert stages() == ["source", "download", "pack"]
    assert Packed.open(checkout.folder / "data/packed/data.h5").count("items") == 4
    mine.rename(tmp_path / "away")
    assert stages() == ["source"]  # on another machine, what was packed remains valid
