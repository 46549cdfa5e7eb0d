"""The house rules that a reader would otherwise have to check by eye."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import REPOSITORY

from ganpipe import recipes, systems
from ganpipe.config import load_params, read_yaml

SOURCES = sorted((REPOSITORY / "ganpipe").rglob("*.py"))
STAGES = sorted((REPOSITORY / "stages").glob("[a-z]*.py"))
SYSTEM_FILES = sorted((REPOSITORY / "ganpipe" / "systems").glob("[a-z]*.py"))

ALLOWED = {  # package -> packages of ganpipe it may import; what is left out here may import anything below the stages
    "errors": set(),
    "paths": set(),
    "config": {"errors"},
    "files": {"errors"},
    "core": {"config", "errors"},
    "curves": {"files", "history"},
    "nets": {"errors"},
    "losses": {"core"},
    "systems": {"config", "core", "losses", "nets", "errors"},
    "cores": set(),
    "data": {"__version__", "config", "core", "cores", "errors", "files", "paths", "pictures", "progress"},
    "metrics": {"config", "core", "data", "device", "errors", "files", "neighbours", "paths", "progress", "systems"},
    "training": {
        "config", "core", "curves", "data", "device", "errors", "files", "generator", "history", "metrics", "paths",
        "pictures", "progress", "systems",
    },
    "report": {
        "__version__", "config", "curves", "errors", "files", "generator", "history", "params", "paths", "recipes",
        "tracking",
    },
    "tracking": {"__version__", "config", "errors", "files", "history", "paths"},
}  # fmt: skip


def name_of(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(tree: ast.AST) -> Iterator[str]:
    """The modules that are imported anywhere in `tree`, except for type checking only."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (
                [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "ganpipe" else [node.module]
            )


def top_level_imports(path: Path) -> set[str]:
    body = [node for node in parsed(path).body if isinstance(node, ast.Import | ast.ImportFrom)]
    return {module.partition(".")[0] for node in body for module in imports(node)}


def calls(path: Path) -> set[str]:
    """The names of all methods and functions that are called in a file."""
    found = (node.func for node in ast.walk(parsed(path)) if isinstance(node, ast.Call))
    return {f.attr if isinstance(f, ast.Attribute) else getattr(f, "id", "") for f in found}


@pytest.mark.parametrize("package", ALLOWED)
def test_arrows_run_down(package: str) -> None:
    root = REPOSITORY / "ganpipe" / package
    files = sorted(root.rglob("*.py")) if root.is_dir() else [root.with_suffix(".py")]
    assert files
    for path in files:
        used = {module.split(".")[1] for module in imports(parsed(path)) if module.startswith("ganpipe.")}
        assert used <= ALLOWED[package] | {package}, name_of(path)


def test_no_system_imports_another() -> None:
    for path in SYSTEM_FILES:
        assert not [module for module in imports(parsed(path)) if module.startswith("ganpipe.systems")], name_of(path)


def test_only_the_loop_and_the_extractors_own_training_differentiate_and_step() -> None:
    loop, extractor = "ganpipe/training/loop.py", "ganpipe/metrics/extractors/domain.py"
    for path in SOURCES:
        if name_of(path) not in (loop, extractor):
            assert not {"backward", "zero_grad", "step", "autocast"} & calls(path) or name_of(path) in (
                "ganpipe/training/precision.py",
            ), name_of(path)
    assert {"backward", "zero_grad", "step"} <= calls(REPOSITORY / loop)


def test_what_decides_the_order_of_rows_is_a_dep_of_the_train_stage() -> None:
    order = REPOSITORY / "ganpipe" / "data" / "order.py"
    needed = {f"{module.replace('.', '/')}.py" for module in imports(parsed(order)) if module.startswith("ganpipe.")}
    deps = read_yaml(REPOSITORY / "dvc.yaml")["stages"]["train"]["deps"]
    assert needed | {name_of(order)} <= set(deps)


def test_mlflow_is_imported_in_one_file() -> None:
    users = [name_of(p) for p in SOURCES if "mlflow" in {module.partition(".")[0] for module in imports(parsed(p))}]
    assert users == ["ganpipe/tracking/store.py"]


@pytest.mark.parametrize(
    "path", [*STAGES, *(REPOSITORY / "ganpipe" / f"{n}.py" for n in ("cli", "stage", "config"))], ids=name_of
)
def test_commands_import_nothing_heavy_before_they_run(path: Path) -> None:
    assert not {"torch", "mlflow", "numpy", "h5py", "torchvision", "PIL"} & top_level_imports(path)


def test_there_are_five_stages_of_at_most_60_lines() -> None:
    assert [path.stem for path in STAGES] == ["download", "evaluate", "pack", "sample", "train"]
    assert all(len(path.read_text().splitlines()) <= 60 for path in STAGES)


@pytest.mark.parametrize("name", systems.SYSTEMS)
def test_every_system_has_its_file_a_recipe_a_test_and_a_source(name: str) -> None:
    cls = systems.system_class(name)
    assert cls.__module__ == f"ganpipe.systems.{name}"
    assert (REPOSITORY / "tests" / "systems" / f"test_{name}.py").is_file()
    own = [recipe for recipe in recipes.names() if load_params(recipes.path_of(recipe)).system.name == name]
    assert own
    assert all(f"`{recipe}`" in (REPOSITORY / "README.md").read_text() for recipe in own)
    assert re.search(r"arXiv:\d{4}\.\d{4,5}|\(\w+, \".+\", \d{4}", cls.__doc__ or ""), "name the paper or book"
    assert "Deviation" in (cls.__doc__ or "")
    assert issubclass(cls.Config, systems.SystemConfig)


def test_every_file_of_systems_is_in_the_table() -> None:
    assert {path.stem for path in SYSTEM_FILES} == set(systems.SYSTEMS)


def test_sizes() -> None:
    assert not [name_of(path) for path in SOURCES if len(path.read_text().splitlines()) > 400]
    assert not [name_of(path) for path in SYSTEM_FILES if len(path.read_text().splitlines()) > 200]
    for path in SOURCES:
        functions = (n for n in ast.walk(parsed(path)) if isinstance(n, ast.FunctionDef))
        assert not [f"{name_of(path)}:{f.name}" for f in functions if (f.end_lineno or 0) - f.lineno + 1 > 50]


def test_less_than_five_percent_of_the_code_is_written_twice() -> None:
    """Of all windows of six lines that hold code, as they are written, few may stand anywhere else."""
    windows: dict[tuple[str, ...], int] = {}
    for path in SOURCES:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        code = [line for line in lines if line and not line.startswith(("#", "import ", "from "))]
        for start in range(len(code) - 5):
            window = tuple(code[start : start + 6])
            windows[window] = windows.get(window, 0) + 1
    repeated = sum(count for count in windows.values() if count > 1)
    assert repeated / sum(windows.values()) < 0.05


def test_no_file_is_a_drawer() -> None:
    assert not [name_of(path) for path in SOURCES if path.stem in ("utils", "helpers", "common", "misc")]


def public_functions(path: Path) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    for node in parsed(path).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node


def test_everything_public_has_a_docstring() -> None:
    for path in [*SOURCES, *STAGES]:
        assert ast.get_docstring(parsed(path)), name_of(path)
        missing = [node.name for node in public_functions(path) if not ast.get_docstring(node)]
        assert not missing, f"{name_of(path)}: {missing}"


def test_fakes_never_come_before_reals() -> None:
    for path in SOURCES:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef):
                names = [argument.arg for argument in node.args.args]
                if {"real", "fake"} <= set(names):
                    assert names.index("real") < names.index("fake"), f"{name_of(path)}:{node.name}"


def test_no_tracked_file_names_this_machine_or_a_package_index() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    hosts = re.compile("|".join(["pypi" + r"\.org", "python" + "hosted", r"/(work|home|root)/[a-z]"]))
    for name in tracked.splitlines():
        path = REPOSITORY / name
        if path.suffix in {".py", ".md", ".toml", ".yaml", ".lock", ""} and path.is_file():
            found = hosts.search(path.read_text(encoding="utf-8", errors="ignore"))
            assert not found, f"{name}: {found and found.group()}"
