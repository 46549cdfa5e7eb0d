"""Every file that a stage loads is a dependency of the stage in dvc.yaml, or stands here with the reason why not."""

from __future__ import annotations

from collections.abc import Mapping

from conftest import REPOSITORY
from imports import closure, has_code, modules

from ganpipe import systems
from ganpipe.config import read_yaml
from ganpipe.metrics.extractors import EXTRACTORS

STAGES = read_yaml(REPOSITORY / "dvc.yaml")["stages"]

_SYSTEM = ["ganpipe.systems.{name}", "ganpipe.systems.configs.{name}"]
_EXTRACTORS = [f"ganpipe.metrics.extractors.{entry.location.partition(':')[0]}" for entry in EXTRACTORS.values()]
ROOTS: Mapping[str, list[str]] = {  # what each stage loads first; {name}: loaded by its name, as params.yaml says
    "download": ["stages.download"],
    "pack": ["stages.pack"],
    "train": ["stages.train", *_SYSTEM],
    "sample": ["stages.sample", *_SYSTEM],
    "reference": ["ganpipe.metrics.reference", *_EXTRACTORS],
    "evaluate": ["stages.evaluate", *_SYSTEM, *_EXTRACTORS],
}
EVERYWHERE: Mapping[str, str] = {}
DECIDES_NOTHING: Mapping[str, Mapping[str, str]] = {stage: {} for stage in ROOTS}


def loaded(stage: str, system: str) -> set[str]:
    """The files that hold code and that `stage` loads for this system."""
    roots = [root.format(name=system) for root in ROOTS[stage]]
    return {modules()[name].relative_to(REPOSITORY).as_posix() for name in closure(roots) if has_code(name)}


def listed(stage: str, system: str) -> list[str]:
    return [dep.replace("${system.name}", system) for dep in STAGES[stage]["deps"]]


def covers(path: str, file: str) -> bool:
    """Whether a file, or the folder that it lies in, is called `path`."""
    return file == path or file.startswith(f"{path.rstrip('/')}/")


def unlisted(stage: str, system: str) -> set[str]:
    return {file for file in loaded(stage, system) if not any(covers(dep, file) for dep in listed(stage, system))}


if __name__ == "__main__":
    for stage in ROOTS:
        print("==", stage)
        u = set()
        for s in systems.SYSTEMS:
            u |= unlisted(stage, s)
        print("\n".join(sorted(u)))
        l = set()
        for s in systems.SYSTEMS:
            l |= loaded(stage, s)
        print(
            "-- listed but not loaded:",
            [
                d
                for d in STAGES[stage]["deps"]
                if d.startswith("ganpipe") and "$" not in d and not any(covers(d, f) for f in l)
            ],
        )
