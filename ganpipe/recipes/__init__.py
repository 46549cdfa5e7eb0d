"""Recipes: complete params files that come with ganpipe. Using one replaces params.yaml."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ganpipe.config import choose, flatten, read_yaml
from ganpipe.errors import ConfigError
from ganpipe.files import write_bytes

_FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Return the names of all recipes, sorted."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def path_of(name: str) -> Path:
    """Return the file of a recipe. Raises `ConfigError` for an unknown name."""
    return _FOLDER / f"{choose('recipe', name, names(), 'ganpipe recipe')}.yaml"


def title_of(name: str) -> str:
    """Return the first comment line of a recipe: what it is, in one sentence."""
    return path_of(name).read_text(encoding="utf-8").splitlines()[0].lstrip("# ")


def use(name: str, params: Path, force: bool = False) -> None:
    """Make `params` the recipe called `name`.

    Changes that neither git nor any recipe holds are only replaced with `force`, and are kept as `params.yaml.bak`.
    Raises `ConfigError` otherwise.
    """
    content = path_of(name).read_bytes()
    if params.exists() and not _is_safe(params):
        if not force:
            raise ConfigError(
                f"{params} holds changes that are not committed: commit them, or add --force "
                f"(a copy stays in {params}.bak)"
            )
        write_bytes(params.with_name(params.name + ".bak"), params.read_bytes())
    write_bytes(params, content)


def difference(name: str, params: Path) -> list[str]:
    """Return one line `key: recipe -> params` for each value of `params` that is not the recipe's."""
    theirs, ours = flatten(read_yaml(path_of(name))), flatten(read_yaml(params))
    keys = [*theirs, *(key for key in ours if key not in theirs)]
    return [
        f"{key}: {_value(theirs, key)} -> {_value(ours, key)}"
        for key in keys
        if _value(theirs, key) != _value(ours, key)
    ]


def _value(flat: dict[str, object], key: str) -> str:
    if key not in flat:
        return "(absent)"
    return "(blank)" if flat[key] is None else str(flat[key])


def _is_safe(params: Path) -> bool:
    """Whether replacing `params` loses nothing: it is some recipe, or what git holds."""
    if any(params.read_bytes() == path_of(name).read_bytes() for name in names()):
        return True
    tracked = ["git", "ls-files", "--error-unmatch", "--", str(params)]
    unchanged = ["git", "diff", "--quiet", "HEAD", "--", str(params)]
    try:
        return all(subprocess.run(args, capture_output=True).returncode == 0 for args in (tracked, unchanged))
    except FileNotFoundError:  # no git here
        return False
