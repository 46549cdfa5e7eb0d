"""The commands: recipes, params, and how little is imported to answer --help."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY
from typer.testing import CliRunner

from ganpipe import paths, recipes
from ganpipe.cli import app

HEAVY = {"torch", "mlflow", "pandas", "h5py", "numpy", "torchvision", "PIL", "scipy", "sklearn", "dvc"}


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git repository whose params.yaml is committed."""
    monkeypatch.chdir(tmp_path)
    recipes.use("digits-dcgan", paths.PARAMS)
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "start"]):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *command], check=True)
    return tmp_path


@pytest.mark.parametrize(
    "module", ["ganpipe.cli", *(f"stages.{name}" for name in ("download", "pack", "train", "sample", "evaluate"))]
)
def test_help_imports_nothing_heavy(module: str) -> None:
    code = f"""
import sys
from {module} import app
try:
    app(["--help"])
except SystemExit as end:
    assert end.code == 0
print("modules:", " ".join(sys.modules))
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    usage, modules = out.split("modules:")
    assert "Usage:" in usage
    assert not HEAVY & {name.partition(".")[0] for name in modules.split()}


WITHOUT_TORCH = """
import sys
from typer.testing import CliRunner
from ganpipe import cli
from stages import download, pack
for module, arguments in ((cli, ["params", "check"]), (download, []), (pack, [])):
    result = CliRunner().invoke(module.app, arguments)
    assert result.exit_code == 0, result.output
    assert "torch" not in sys.modules, module
"""


@pytest.mark.parametrize("recipe", ["pattern-1010", "digits-dcgan"])
def test_params_are_checked_and_data_is_downloaded_and_packed_without_torch(recipe: str, tmp_path: Path) -> None:
    recipes.use(recipe, tmp_path / paths.PARAMS)
    environment = {name: value for name, value in os.environ.items() if name != "DVC_ROOT"}
    environment["PYTHONPATH"] = str(REPOSITORY)
    command = [sys.executable, "-c", WITHOUT_TORCH]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / paths.MANIFEST).is_file()


def test_recipes_are_listed_with_a_sentence_each() -> None:
    code, out, _ = run("recipe", "list")
    assert code == 0
    lines = out.splitlines()
    assert [line.split()[0] for line in lines] == recipes.names()
    assert all(line.rstrip().endswith(".") and len(line) < 160 for line in lines)


def test_a_recipe_is_shown_as_it_is() -> None:
    assert run("recipe", "show", "pattern-1010") == (0, recipes.path_of("pattern-1010").read_text(), "")


def test_an_unknown_recipe_names_the_nearest() -> None:
    code, out, err = run("recipe", "show", "digits-dcgn")
    assert (code, out) == (2, "")
    assert "recipe 'digits-dcgn' is unknown, did you mean 'digits-dcgan'?; allowed: " in err


def test_using_a_recipe_replaces_params(checkout: Path) -> None:
    code, out, _ = run("recipe", "use", "pattern-1010")
    assert (code, out) == (0, "params.yaml is now the recipe pattern-1010. Run `dvc repro`.\n")
    assert paths.PARAMS.read_bytes() == recipes.path_of("pattern-1010").read_bytes()
    assert not Path("params.yaml.bak").exists()  # git holds what was there


def test_uncommitted_changes_are_not_lost(checkout: Path) -> None:
    mine = paths.PARAMS.read_text().replace("seed: 0", "seed: 7")
    paths.PARAMS.write_text(mine)
    code, _, err = run("recipe", "use", "pattern-1010")
    assert code == 2
    assert "holds changes that are not committed" in err
    assert paths.PARAMS.read_text() == mine
    assert run("recipe", "use", "pattern-1010", "--force")[0] == 0
    assert run("recipe", "use", "digits-mlp")[0] == 0
    assert Path("params.yaml.bak").read_text() == mine  # a recipe does not push it out


def test_committed_changes_may_be_replaced(checkout: Path) -> None:
    paths.PARAMS.write_text(paths.PARAMS.read_text().replace("seed: 0", "seed: 7"))
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qam", "seed"], check=True)
    assert run("recipe", "use", "pattern-1010")[0] == 0


def test_the_difference_to_a_recipe(checkout: Path) -> None:
    assert run("recipe", "diff", "digits-dcgan") == (0, "", "")
    text = (
        paths.PARAMS.read_text()
        .replace("  batch: 64\n", "  batch: 32\n")
        .replace("  micro_batch:", "  micro_batch: 8 #")
    )
    paths.PARAMS.write_text(text)
    assert run("recipe", "diff", "digits-dcgan")[1] == "train.batch: 64 -> 32\ntrain.micro_batch: (blank) -> 8\n"
    assert "system.hidden: 3 -> (absent)" in run("recipe", "diff", "pattern-1010")[1]


def test_params_are_checked(checkout: Path) -> None:
    assert run("params", "check") == (0, "params.yaml is good.\n", "")
    paths.PARAMS.write_text(paths.PARAMS.read_text().replace("name: dcgan", "name: dcgam"))
    code, out, err = run("params", "check")
    assert (code, out) == (2, "")
    assert err.startswith("Error: params.yaml: system.name 'dcgam' is unknown, did you mean 'dcgan'?")


def test_diagnose_prints_a_line_per_finding(tmp_path: Path) -> None:
    curve = tmp_path / "scores.csv"
    curve.write_text("kimg,fid\n" + "".join(f"{kimg},{fid}\n" for kimg, fid in enumerate([90, 50, 60, 80, 100, 120])))
    code, out, _ = run("diagnose", str(curve))
    assert code == 0
    assert out.startswith("divergence at 5 kimg: fid is 120, and above 1.5 times its best, 50 at 1 kimg, ")
    assert out.count("\n") == 1
    curve.write_text("kimg,fid\n0,90\n1,50\n2,40\n3,\n")
    assert run("diagnose", str(curve)) == (0, f"{curve}: no sign of failure in 4 rows.\n", "")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read: No such file"),
        ("", "needs a column kimg"),
        ("step,fid\n1,2\n", "needs a column kimg"),
        ("kimg,fid\n,2\n", "needs a column kimg"),
        ("kimg,fid\n1,good\n", "could not convert string to float: 'good'"),
        ("kimg,fid\n1,2,3\n", "not a table of numbers"),
    ],
)
def test_diagnose_refuses_other_files_in_one_line(content: str | None, problem: str, tmp_path: Path) -> None:
    file = tmp_path / "scores.csv"
    if content is not None:
        file.write_text(content)
    code, out, err = run("diagnose", str(file))
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"Error: {file}: ")
    assert problem in err
