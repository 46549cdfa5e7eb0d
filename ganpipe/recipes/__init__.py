"""Recipes: complete params files that come with ganpipe. Using one replaces params.yaml."""

from __future__ import annotations

import shlex
import subprocess
from io import StringIO
from pathlib import Path

from ruamel.yaml import YAML

from ganpipe.config import Params, choose, flatten, load_params, parse, read_yaml
from ganpipe.data.catalogue.sets import DATASETS
from ganpipe.errors import ConfigError
from ganpipe.files import write_bytes
from ganpipe.metrics.extractors import require_packages
from ganpipe.params import checked
from ganpipe.recipes import own_data

_FOLDER = Path(__file__).parent
_ALWAYS_THERE = "pixel"
"""The extractor that needs no package, for pictures of any kind."""


def names() -> list[str]:
    """Return the names of all recipes, sorted."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def path_of(name: str) -> Path:
    """Return the file of a recipe. Raises `ConfigError` for an unknown name."""
    return _FOLDER / f"{choose('recipe', name, names(), 'ganpipe recipe')}.yaml"


def title_of(name: str) -> str:
    """Return the first comment line of a recipe: what it is, in one sentence."""
    return path_of(name).read_text(encoding="utf-8").splitlines()[0].lstrip("# ")


def use(name: str, params: Path, force: bool = False, source: str | None = None, size: int | None = None) -> list[str]:
    """Make `params` the recipe called `name`, and return what there is to say about it, line by line.

    `source` and `size`, where given, are its data.source and data.size. An extractor whose packages are not installed
    gives way to `pixel`, so that what is written runs at once. Content that neither git holds nor a command has written
    is only replaced with `force`, and is kept as `params.yaml.bak`. Raises `ConfigError` where it is not replaced, and
    for a source or a size that will not do.
    """
    data = load_params(path_of(name)).data
    if source is not None:
        source = own_data.checked_source(source, data, params)
    if size is not None and not DATASETS[data.name].images:
        raise ConfigError(f"--size {size}: data.name = {data.name!r} holds no pictures")
    content = _filled(name, source, size)
    checked(parse(Params, YAML(typ="safe").load(content), f"recipe {name}"), f"recipe {name}")
    before = _command_for(params) if params.exists() else None
    if params.exists() and before is None and not _is_committed(params):
        if not force:
            raise ConfigError(
                f"{params} holds changes that are not committed: commit them, or add --force "
                f"(a copy stays in {params}.bak)"
            )
        write_bytes(params.with_name(params.name + ".bak"), params.read_bytes())
    write_bytes(params, content)
    replaced = f"It replaces what `{before}` wrote." if before and " --" in before else None
    return [*_told(name, params), *([replaced] if replaced else [])]


def _told(name: str, params: Path) -> list[str]:
    """Return what `params` is now, what differs from the recipe and why, and what is to be done next."""
    data = load_params(params).data
    if own_data.needs_source(data):
        next_step = "Set data.source to the place of your pictures, or use --source; then run `dvc repro`."
    else:
        next_step = "Run `dvc repro`."
    lines = [f"{params} is now the recipe {name}. {next_step}", *difference(name, params)]
    return [*lines, *_missing_extractors(name).values()]


def _filled(name: str, source: str | None, size: int | None) -> bytes:
    """Return a recipe with these values in place of its own and all its comments."""
    content, missing = path_of(name).read_bytes(), _missing_extractors(name)
    if source is None and size is None and not missing:
        return content
    yaml = YAML()
    yaml.width = 1 << 16  # a long path stays on its line
    recipe = yaml.load(content.decode())
    if source is not None:
        recipe["data"]["source"] = source
    if size is not None:
        recipe["data"]["size"] = size
    if missing:
        kept = [extractor for extractor in recipe["evaluate"]["extractors"] if extractor not in missing]
        recipe["evaluate"]["extractors"] = kept or [_ALWAYS_THERE]
    out = StringIO()
    yaml.dump(recipe, out)
    return out.getvalue().encode()


def _missing_extractors(name: str) -> dict[str, str]:
    """Return the extractors of a recipe whose packages are not installed, each with what would install them."""
    missing = {}
    for extractor in load_params(path_of(name)).evaluate.extractors:
        try:
            require_packages(extractor)
        except ConfigError as error:
            missing[extractor] = str(error)
    return missing


def _command_for(params: Path) -> str | None:
    """Return the command that writes the very bytes of `params`; None: a person has changed them since."""
    written = params.read_bytes()
    plain = next((name for name in names() if path_of(name).read_bytes() == written), None)
    if plain is not None:
        return f"ganpipe recipe use {plain}"
    try:
        found = load_params(params)
    except ConfigError:
        return None
    data = found.data
    for name in names():
        text = path_of(name).read_text(encoding="utf-8")
        alike = all(
            f"  name: {one}\n" in text for one in (data.name, found.system.name)
        )  # most are not: reading is slow
        if alike and _filled(name, data.source, data.size) == written:
            source = f" --source {shlex.quote(data.source)}" if data.source is not None else ""
            own_size = load_params(path_of(name)).data.size
            return f"ganpipe recipe use {name}{source}" + (f" --size {data.size}" if data.size != own_size else "")
    return None


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


def _is_committed(params: Path) -> bool:
    """Whether git holds what stands in `params`."""
    tracked = ["git", "ls-files", "--error-unmatch", "--", str(params)]
    unchanged = ["git", "diff", "--quiet", "HEAD", "--", str(params)]
    try:
        return all(subprocess.run(args, capture_output=True).returncode == 0 for args in (tracked, unchanged))
    except FileNotFoundError:  # no git here
        return False
