"""The house rules that a reader would otherwise have to check by eye."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Collection, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from conftest import REPOSITORY
from imports import graph, imported

from ganpipe import recipes, systems
from ganpipe.config import load_params

SOURCES = sorted((REPOSITORY / "ganpipe").rglob("*.py"))
CONFIG = sorted((REPOSITORY / "ganpipe" / "config").glob("*.py"))
STAGES = sorted((REPOSITORY / "stages").glob("[a-z]*.py"))
SYSTEM_FILES = sorted((REPOSITORY / "ganpipe" / "systems").glob("[a-z]*.py"))

BASE = "config core errors files paths progress"
PARTS = {  # from bottom to top: a module or package, and what it may import; named without `ganpipe.`, which is the
    # version. `sampling.stage` stands for itself: it looks for copies, as `metrics` does, which draw with `sampling`.
    "ganpipe": "",
    "errors": "",
    "faults": "",
    "paths": "",
    "words": "",
    "config": "errors",
    "core": "config errors",
    "files": "errors",
    "progress": "words",
    "machine": "config core errors",
    "pictures": "core files",
    "rolls": "core",
    "identity": "config errors paths",
    "nets": "config errors",
    "losses": "config core",
    "systems.configs": "config core errors nets",
    "data": "",
    "data.catalogue": "config core errors files paths",
    "data.download": "config data.catalogue errors files ganpipe paths progress words",
    "pretrained": "config data.catalogue data.download errors files nets paths",
    "systems": "config core errors losses nets pretrained systems.configs",
    "data.packed": "core errors files machine paths pictures progress rolls",
    "data.pack": f"{BASE} data.catalogue data.download data.packed ganpipe machine pictures pretrained words",
    "history": "errors files",
    "sampling": "config core errors files nets pictures pretrained progress rolls systems",
    "sampling.photographs": "data.packed errors files pictures progress sampling",
    "metrics": f"{BASE} data.catalogue data.download data.pack data.packed losses machine nets pretrained sampling "
    "systems words",
    "sampling.stage": f"{BASE} data.packed machine metrics pictures rolls sampling sampling.photographs",
    "sampling.to_folder": "core data.packed errors files paths pictures progress sampling sampling.stage",
    "sampling.apply": "config core data.pack errors machine pictures progress sampling sampling.to_folder",
    "serving": "core sampling",
    "training": f"{BASE} data.packed faults history identity losses machine metrics pictures sampling systems",
    "params": "config data.catalogue errors metrics paths sampling systems systems.configs",
    "preflight": "config core data.packed errors machine metrics paths sampling training",
    "tracking": "config errors files ganpipe history identity machine paths sampling serving words",
    "loading": "sampling tracking",
    "sweeps": "config errors params paths tracking",
    "recipes": "config core data.catalogue errors files metrics params words",
    "report": "config core errors files ganpipe history params paths recipes systems tracking words",
    "demo": "config core data.pack data.packed errors machine paths pictures progress sampling sampling.apply "
    "sampling.stage sampling.to_folder tracking training",
    "doctor": "data.download data.packed errors files machine params paths pretrained tracking words",
    "command": "errors faults params words",
    "cli_tracking": "command errors params report sweeps tracking",
    "cli": f"{BASE} cli_tracking command data.catalogue data.packed demo doctor history metrics params preflight "
    "pretrained recipes report sampling.apply sampling.to_folder tracking",
    "stages": "command data.download data.pack data.packed files history identity metrics paths sampling "
    "sampling.stage sweeps tracking training",
}


def name_of(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def part_of(module: str) -> str:
    """The part that a module belongs to: the one with the longest name that it begins with."""
    name = module.removeprefix("ganpipe.")
    return max((part for part in PARTS if name == part or name.startswith(f"{part}.")), key=len)


def circle(edges: Mapping[str, Collection[str]]) -> list[str]:
    """A circle among these arrows, empty if there is none."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def top_level_imports(path: Path) -> set[str]:
    body: list[ast.stmt] = [node for node in parsed(path).body if isinstance(node, ast.Import | ast.ImportFrom)]
    return {name.partition(".")[0] for name in imported(ast.Module(body, []))}


def all_imports(path: Path) -> set[str]:
    """The packages that a file imports in any way."""
    return {
        name.partition(".")[0]
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in imported(ast.Module([node], []))
    }


def calls(path: Path) -> set[str]:
    """The names of all methods and functions that are called in a file."""
    found = (node.func for node in ast.walk(parsed(path)) if isinstance(node, ast.Call))
    return {f.attr if isinstance(f, ast.Attribute) else getattr(f, "id", "") for f in found}


def test_every_module_belongs_to_a_part_and_every_part_has_modules() -> None:
    assert {part_of(module) for module in graph()} == set(PARTS)


def test_parts_may_import_only_parts_below_them() -> None:
    for number, (part, allowed) in enumerate(PARTS.items()):
        assert set(allowed.split()) <= set(list(PARTS)[:number]), part


@pytest.mark.parametrize("module", graph())
def test_arrows_run_down(module: str) -> None:
    own = part_of(module)
    assert {part_of(one) for one in graph()[module]} <= {own, *PARTS[own].split()}


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert not circle(graph())


def test_imports_for_type_checking_and_on_request_do_not_count_and_all_others_do() -> None:
    text = """
from typing import TYPE_CHECKING
import a.b
if TYPE_CHECKING:
    import torch
else:
    from c import d
def load():
    try:
        from e import f
    except ImportError:
        import g
def __getattr__(name):
    import h
class K:
    def __getattr__(self, name):
        import i
"""
    assert list(imported(ast.parse(text))) == ["typing.TYPE_CHECKING", "a.b", "c.d", "e.f", "g", "i"]
    assert circle({"a": ["b"], "b": ["c"], "c": ["a"]}) and not circle({"a": ["b", "c"], "b": ["c"]})


def test_no_system_imports_another() -> None:
    for name in systems.SYSTEMS:
        used = {one for one in graph()[f"ganpipe.systems.{name}"] if one.startswith("ganpipe.systems")}
        assert used == {f"ganpipe.systems.configs.{name}"}
        used = {one for one in graph()[f"ganpipe.systems.configs.{name}"] if one.startswith("ganpipe.systems")}
        assert used == {"ganpipe.systems.configs"}


def test_only_the_loop_and_the_extractors_own_training_and_the_pixels_of_gatys_differentiate_and_step() -> None:
    loop, extractor, pixels = "training/loop.py", "metrics/extractors/domain.py", "sampling/direct.py"
    loop, extractor, pixels = (f"ganpipe/{name}" for name in (loop, extractor, pixels))
    for path in SOURCES:
        if name_of(path) not in (loop, extractor, pixels):
            assert not {"backward", "zero_grad", "step", "autocast"} & calls(path), name_of(path)
    assert {"backward", "zero_grad", "step"} <= calls(REPOSITORY / loop)


def test_mlflow_is_imported_in_two_files() -> None:
    users = [name_of(path) for path in SOURCES if "mlflow" in all_imports(path)]
    assert users == ["ganpipe/tracking/models.py", "ganpipe/tracking/store.py"]


@pytest.mark.parametrize(
    "path",
    [*STAGES, *(REPOSITORY / "ganpipe" / f"{name}.py" for name in ("cli", "command")), *CONFIG],
    ids=name_of,
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
