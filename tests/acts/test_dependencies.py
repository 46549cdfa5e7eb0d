"""What real DVC runs again after an edit, on one finished pipeline: what the edit can change, and nothing else."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from checkout import Checkout, copy_working_tree

from ganpipe import __version__

UP_TO_DATE: set[str] = set()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    folder = tmp_path_factory.mktemp("checkout")
    checkout = copy_working_tree(folder)
    checkout.use("pattern-1010", kimg="2.5", lr="0.04", checkpoint_seconds="0.2")  # four times as fast as the recipe
    params = folder / "params.yaml"
    params.write_text(re.sub(r"pictures:.*\n(  - \w+\n)+", "pictures: []\n", params.read_text()))
    checkout.commit()
    checkout.run("dvc repro")
    checkout.commit()
    assert stale(checkout) == UP_TO_DATE
    yield checkout
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def edited(finished: Checkout) -> Iterator[Checkout]:
    """The finished pipeline; what a test writes to its files is undone."""
    yield finished
    finished.run("git checkout -q . && git clean -qfd")


@pytest.fixture
def checkout(edited: Checkout) -> Iterator[Checkout]:
    """The finished pipeline; what a test does to it, with DVC as well, is undone."""
    yield edited
    edited.run("git checkout -q . && git clean -qfd && dvc checkout -q")


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, (path, old)
    path.write_text(text.replace(old, new), encoding="utf-8")


def stale(checkout: Checkout) -> set[str]:
    """The stages that DVC would run now, without `source`, which looks at the user's files each time.

    Those behind a stale one are not among them before it has run.
    """
    return set(json.loads(checkout.run("dvc status --json"))) - {"source"}


def add_system(root: Path) -> None:
    """Add a system that no params name: its file, its options, its line in the table."""
    for folder in (root / "ganpipe/systems", root / "ganpipe/systems/configs"):
        shutil.copy(folder / "pattern_gan.py", folder / "zz_new.py")
    replace(root / "ganpipe/systems/__init__.py", "SYSTEMS = {\n", 'SYSTEMS = {\n    "zz_new": "PatternGAN",\n')


def add_recipe(root: Path) -> None:
    shutil.copy(root / "ganpipe/recipes/pattern-1010.yaml", root / "ganpipe/recipes/zz-new.yaml")


def comment_in_preflight(root: Path) -> None:
    with (root / "ganpipe/preflight/checks.py").open("a") as file:
        file.write("# seen by `ganpipe check` alone\n")


def add_networks(root: Path) -> None:
    (root / "ganpipe/nets/zz_new.py").write_text('"""Networks of another system."""\n')


def choose_other_rows(root: Path) -> None:
    with (root / "ganpipe/data/packed/order.py").open("a") as file:
        file.write("# it decides which rows score a generator, and which an extractor learns from\n")


def let_cudnn_choose(root: Path) -> None:
    replace(root / "ganpipe/core/reproducible.py", "cudnn.deterministic = True", "cudnn.deterministic = False")


def bump_version(root: Path) -> None:
    replace(root / "ganpipe/__init__.py", f'__version__ = "{__version__}"', '__version__ = "99.9.9"')


def test_the_1010_recipe_ends_with_the_pattern(finished: Checkout) -> None:
    assert finished.metrics()["pattern"]["valid_share"] > 0.95
    assert finished.metrics()["pattern"]["valid_share_untrained"] == 0
    assert finished.rows()[0].data.metrics["eval/pattern/valid_share"] > 0.95


def test_check_forecasts_the_memory_of_the_training(finished: Checkout) -> None:
    used = json.loads((finished.folder / "data/peak_memory.json").read_text())["mib"]["cpu"]
    found = re.search(r"peak: (\d+) MiB of CPU memory", finished.run("ganpipe check"))
    assert found is not None
    assert float(found[1]) == pytest.approx(used, rel=0.05)


DECIDE_NOTHING = (add_system, add_recipe, comment_in_preflight, bump_version)


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        (DECIDE_NOTHING, UP_TO_DATE),
        ((choose_other_rows,), {"train", "reference"}),
        ((let_cudnn_choose,), {"train", "sample"}),
    ],
    ids=["code_that_decides_nothing", "order_of_rows", "determinism"],
)
def test_an_edit_makes_stale_what_it_can_change(
    edits: tuple[Callable[[Path], None], ...], expected: set[str], edited: Checkout
) -> None:
    for edit in edits:
        edit(edited.folder)
    assert stale(edited) == expected


def test_networks_of_another_system_retrain_nothing(checkout: Checkout) -> None:
    add_networks(checkout.folder)
    checkout.run("dvc repro check")
    assert stale(checkout) == UP_TO_DATE
    with (checkout.folder / "ganpipe/nets/mlp.py").open("a") as file:
        file.write("# of this system\n")
    checkout.run("dvc repro check")
    assert stale(checkout) == {"train", "sample", "evaluate"}


def test_packing_the_same_rows_again_in_another_version_retrains_nothing(checkout: Checkout) -> None:
    bump_version(checkout.folder)
    assert "Writing pattern" in checkout.run("dvc repro -f -s pack")
    assert stale(checkout) == UP_TO_DATE


def test_one_more_picture_of_the_samples_is_drawn_and_scores_nothing_again(checkout: Checkout) -> None:
    replace(checkout.folder / "params.yaml", "pictures: []", "pictures: [grid]")
    assert stale(checkout) == {"check", "sample"}
    assert "stages.sample" in checkout.run("dvc repro sample check")
    assert (checkout.folder / "data/samples/grid.png").exists()
    assert stale(checkout) == UP_TO_DATE


def test_an_unknown_system_is_one_line_also_where_all_else_is_cached(checkout: Checkout) -> None:
    for command in ("dvc exp run -S system.name=patern_gan", "dvc repro"):
        out = checkout.run(command, code=None)
        assert re.findall("^Error: (.*), did you mean", out, re.MULTILINE) == [
            "params.yaml: system.name 'patern_gan' is unknown"
        ], out
        assert "No such file" not in out and "Traceback" not in out
        checkout.run("git checkout -q .")
        replace(checkout.folder / "params.yaml", "name: pattern_gan", "name: patern_gan")


def test_an_interrupted_training_goes_on_after_a_pull_that_adds_a_system(checkout: Checkout) -> None:
    params = checkout.folder / "params.yaml"
    replace(params, "  kimg: 2.5\n", "  kimg: 2\n")
    checkpoints = checkout.folder / ".ganpipe/checkpoints"
    process = subprocess.Popen(
        ["dvc", "repro", "train"], cwd=checkout.folder, env=checkout.environment, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not list(checkpoints.glob("*/last.pt")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    for edit in DECIDE_NOTHING:
        edit(checkout.folder)
    out = checkout.run("dvc repro train")
    assert re.search(r"Resuming at [\d.]+ of 2 kimg", out), out
