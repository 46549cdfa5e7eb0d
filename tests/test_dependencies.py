"""Each file that a stage loads is a dependency of the stage in dvc.yaml, or stands here with the reason why not.

A dependency of `train` is also part of its fingerprint: a needless one costs days of training, a missing one lets a
result pass for one that other code made. What real DVC does after an edit is tested in acts/test_dependencies.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import pytest
from conftest import REPOSITORY
from imports import closure, has_code, modules

from ganpipe import systems
from ganpipe.config import read_yaml
from ganpipe.identity import networks_digest
from ganpipe.metrics.extractors import EXTRACTORS

STAGES = read_yaml(REPOSITORY / "dvc.yaml")["stages"]
SYSTEMS = list(systems.SYSTEMS)
FOLDERS = {  # of code or weights, that are dependencies as a whole
    "ganpipe/metrics/extractors/weights",
}

_SYSTEM = ["ganpipe.systems.{name}", "ganpipe.systems.configs.{name}"]
_EXTRACTORS = [f"ganpipe.metrics.extractors.{entry.location.partition(':')[0]}" for entry in EXTRACTORS.values()]
ROOTS: Mapping[str, list[str]] = {  # what a stage loads first, and what it loads by a {name} in params.yaml
    "source": ["ganpipe.data.download.look"],
    "download": ["stages.download"],
    "pack": ["stages.pack"],
    "train": ["stages.train", *_SYSTEM],
    "sample": ["stages.sample", *_SYSTEM],
    "reference": ["ganpipe.metrics.reference", *_EXTRACTORS],
    "evaluate": ["stages.evaluate", *_SYSTEM, *_EXTRACTORS],
}
DATA_OF = {"ganpipe/metrics/extractors/committed.py": "ganpipe/metrics/extractors/weights"}  # read by the file

DECIDES_NOTHING: Mapping[str, str] = {  # in any stage that does not list it
    "ganpipe/__init__.py": "holds the version and a name for `load_generator`",
    "ganpipe/command.py": "checks params first, turns errors into lines last",
    "ganpipe/config": "reads params.yaml, whose values DVC tracks; a default of the schema takes effect where somebody "
    "has deleted a key of a recipe only, since recipes are complete (tests/test_config.py)",
    "ganpipe/core/tones.py": "names and places of the columns of music, which the manifest of the packed data repeats",
    "ganpipe/data/pack/hints.py": "notes what looks wrong with pictures, for lines on the terminal",
    "ganpipe/data/pack/npy.py": "refuses; a stage that refused left no result",
    "ganpipe/sampling/described.py": "refuses; a stage that refused left no result",
    "ganpipe/errors.py": "the kinds of errors; a stage that raised one left no result",
    "ganpipe/faults.py": "words for errors",
    "ganpipe/files.py": "writes the bytes that it is given",
    "ganpipe/identity.py": "names an experiment; the name changes no weight",
    "ganpipe/machine.py": "device and threads are `runtime`, which is not tracked; what makes a GPU reproducible is in "
    "core/reproducible.py",
    "ganpipe/metrics/rows_needed.py": "warns, or refuses; a stage that refused left no result",
    "ganpipe/params.py": "checks params",
    "ganpipe/nets/minilm.py": "an encoder of texts: the features are packed, and no other stage encodes any",
    "ganpipe/nets/vgg_layouts.py": "layers of trunks, in the same table as the encoder; who builds a trunk lists it",
    "ganpipe/paths.py": "names of files, which dvc.yaml repeats: the outs would be missing under other names",
    "ganpipe/pictures.py": "lays out pictures. No stage is repeated for how a picture looks: "
    "`dvc repro -f -s STAGE` draws it anew",
    "ganpipe/pretrained": "brings published weights of frozen networks, whose sha256 the training adds to its "
    "fingerprint; what is built of them is in ganpipe/nets; a stage that only draws builds them for the "
    "picture `gatys` alone",
    "ganpipe/rolls.py": "draws music in pictures, see ganpipe/pictures.py",
    "ganpipe/progress.py": "lines on the terminal",
    "ganpipe/sampling/prompts.py": "encodes texts of a person's own, which no stage draws",
    "ganpipe/sampling/needs.py": "checks sample.pictures",
    "ganpipe/training/start.py": "copies weights to data/start, on which the training depends",
    "ganpipe/systems/__init__.py": "the table of systems, which every new one changes; what it does for a training, "
    "seeding the first weights, is in core/seed.py",
    "ganpipe/systems/configs/__init__.py": "the base class of options, which has none, and a check that only refuses",
    "ganpipe/sweeps": "tells a sweep how a training goes; a training that it gives up leaves no result",
    "ganpipe/tracking": "reads what a stage left, and shows it",
    "ganpipe/words.py": "escapes names and masks passwords in lines on the terminal",
    "stages": "hands params and folders to the body of the stage",
}

_PARAMS_ONLY = "only to check params"
_EXTRACTOR_NAMES = {"ganpipe/metrics/extractors/__init__.py": _PARAMS_ONLY}
_HISTORY = {"ganpipe/history/table.py": "lets tracking read the curves"}
_CATALOGUE = {"ganpipe/data/catalogue": "facts of the sets, from which the packed data and its content hash follow"}
_PACKED = {
    f"ganpipe/data/packed/{name}.py": "reads rows whose content hash, of names, types, flip rules and bytes, is that "
    "of the manifest"
    for name in ("columns", "file", "hdf5", "manifest", "texts")
}
_ORDER = {"ganpipe/data/packed/order.py": "gives packed files the size of their blocks; rows are taken as they lie"}
_WEIGHTS = {"ganpipe/data/download": "brings published weights of extractors, verified by their sha256"}
_TRUNKS = {"ganpipe/data/download": "brings published weights of frozen networks, verified by their sha256"}
_SEED = {"ganpipe/core/seed.py": "the first weights of a system whose published ones are loaded over them"}
_ROWS = "asked by metrics/rows_needed.py, which warns or refuses"
_CHECK = {"ganpipe/metrics/checks.py": "refuses; a stage that refused left no result"}

_ROLLS = {"ganpipe/core/onsets.py": "draws music in pictures, see ganpipe/pictures.py"}

IN_ONE_STAGE: Mapping[str, Mapping[str, str]] = {
    "source": {
        "ganpipe/core/spec.py": _PARAMS_ONLY,
        "ganpipe/data/catalogue/dataset.py": "the types of the catalogue's entries",
        "ganpipe/data/catalogue/origins.py": "the types of the catalogue's entries",
        "ganpipe/data/catalogue/names.py": "names of classes and attributes, which no raw file has",
        **{
            f"ganpipe/data/catalogue/{name}.py": "the stage looks at the user's own pictures alone"
            for name in ("carried", "drawings", "emoji", "photographs", "translation")
        },
    },
    "download": {
        **_EXTRACTOR_NAMES,
        "ganpipe/core/inputs.py": _PARAMS_ONLY,
        "ganpipe/core/seed.py": _PARAMS_ONLY,
        "ganpipe/core/spec.py": _PARAMS_ONLY,
        "ganpipe/data/catalogue/dataset.py": "the types of the catalogue's entries",
        "ganpipe/data/catalogue/origins.py": "the types of the catalogue's entries",
        "ganpipe/data/catalogue/drawings.py": "what packing reads",
        "ganpipe/data/catalogue/names.py": "names of classes and attributes, which no raw file has",
        "ganpipe/data/download/look.py": "writes data/source.json in the stage `source`",
        **{
            f"ganpipe/data/download/{name}.py": "brings a published file, whose bytes the catalogue's sha256 decides"
            for name in ("http", "locate", "npm", "partial", "transfer", "verify", "wheel")
        },
    },
    "pack": {
        "ganpipe/data/catalogue/origins.py": "where raw files come from, which are there when they are packed",
        "ganpipe/core/batch.py": _ROWS,
        "ganpipe/core/inputs.py": _PARAMS_ONLY,
        "ganpipe/core/reproducible.py": "for GPUs; packing uses none",
        "ganpipe/core/seed.py": _PARAMS_ONLY,
        "ganpipe/data/download": "names the folder of raw files, which are a dependency themselves",
        "ganpipe/data/packed/preview.py": "draws data/packed/preview.png, see ganpipe/pictures.py",
        "ganpipe/data/packed/splits.py": _ROWS,
        "ganpipe/metrics": _ROWS,
        **_ORDER,
        **_ROLLS,
    },
    "train": {
        **_CATALOGUE,
        **_TRUNKS,
        **_EXTRACTOR_NAMES,
        **_PACKED,
        **_ROLLS,
        "ganpipe/history/panels.py": "draws data/curves.png, see ganpipe/pictures.py",
        "ganpipe/metrics/extractors/committed.py": _ROWS,
        "ganpipe/metrics/extractors/interface.py": "a protocol, and the name of Inception with its published weights",
        "ganpipe/metrics/extractors/weights": _ROWS,
        "ganpipe/sampling/latent_pictures.py": "for the pictures of the sample stage",
        "ganpipe/sampling/pictures.py": "lays out the previews, of items that sampling/draw.py decides; see "
        "ganpipe/pictures.py",
        "ganpipe/training/checks.py": "refuses a training before its first step",
        "ganpipe/training/forecast.py": "says how long a training will take",
        "ganpipe/training/sealed.py": "reads back the state that was written, or refuses",
        "ganpipe/training/stopping.py": "ends a training early; a later one goes on from there",
    },
    "sample": {
        **_CATALOGUE,
        **_TRUNKS,
        **_CHECK,
        **_EXTRACTOR_NAMES,
        **_HISTORY,
        **_ORDER,
        **_SEED,
        "ganpipe/training/checkpoint.py": "deletes the checkpoints of a training that DVC has recorded",
        "ganpipe/training/sealed.py": "reads checkpoints",
    },
    "reference": {
        **_CATALOGUE,
        **_CHECK,
        **_PACKED,
        **_WEIGHTS,
        "ganpipe/core/inputs.py": _ROWS,
        "ganpipe/core/seed.py": _ROWS,
        "ganpipe/data/packed/splits.py": _ROWS,
    },
    "evaluate": {
        "ganpipe/core/reproducible.py": "for GPUs; scores are computed on the CPU",
        **_CATALOGUE,
        **_HISTORY,
        **_ORDER,
        **_PACKED,
        **_WEIGHTS,
        "ganpipe/data/pack": "reads the pictures of `ganpipe score`",
        "ganpipe/metrics/images.py": "reads the pictures of `ganpipe score`",
    },
}


def covers(path: str, file: str) -> bool:
    """Whether `path` is the file, or a folder that it lies in."""
    return file == path or file.startswith(f"{path}/")


def loaded(stage: str, system: str) -> set[str]:
    """The files that `stage` loads for this system: those with code, and the data that they read."""
    roots = [root.format(name=system) for root in ROOTS[stage]]
    files = {modules()[name].relative_to(REPOSITORY).as_posix() for name in closure(roots) if has_code(name)}
    return files | {data for file, data in DATA_OF.items() if file in files}


def listed(stage: str, system: str) -> list[str]:
    """The dependencies of a stage on code; `data/params.checked` stands for the networks of the system."""
    deps = [dep.replace("${system.name}", system) for dep in STAGES[stage]["deps"]]
    code = [dep for dep in deps if not dep.startswith("data/")]
    return [*code, *networks(system)] if "data/params.checked" in deps else code


def networks(system: str) -> list[str]:
    """The networks and losses that a system loads, found by importing it: what `identity.networks_digest` hashes."""
    names = closure([f"ganpipe.systems.{system}"])
    files = [modules()[name].relative_to(REPOSITORY).as_posix() for name in names if has_code(name)]
    return [file for file in files if file.startswith(("ganpipe/nets/", "ganpipe/losses/"))]


def unlisted(stage: str, system: str) -> set[str]:
    return {file for file in loaded(stage, system) if not any(covers(dep, file) for dep in listed(stage, system))}


def test_every_stage_is_looked_at() -> None:
    assert set(STAGES) - {"check"} == set(ROOTS) == set(IN_ONE_STAGE)


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("stage", ROOTS)
def test_what_a_stage_loads_is_listed_or_decides_nothing(stage: str, system: str) -> None:
    excused = [*DECIDES_NOTHING, *IN_ONE_STAGE[stage]]
    assert not {file for file in unlisted(stage, system) if not any(covers(path, file) for path in excused)}


@pytest.mark.parametrize("stage", ROOTS)
def test_a_stage_lists_nothing_that_it_does_not_load(stage: str) -> None:
    for system in SYSTEMS:
        files = loaded(stage, system)
        assert not [dep for dep in listed(stage, system) if not any(covers(dep, file) for file in files)], system


def test_no_excuse_is_needless() -> None:
    left = {stage: {file for system in SYSTEMS for file in unlisted(stage, system)} for stage in ROOTS}
    for stage, excuses in IN_ONE_STAGE.items():
        assert not [path for path in excuses if not any(covers(path, file) for file in left[stage])], stage
        assert not set(excuses) & set(DECIDES_NOTHING), stage
    every = set.union(*left.values())
    assert not [path for path in DECIDES_NOTHING if not any(covers(path, file) for file in every)]


@pytest.mark.parametrize("stage", ROOTS)
def test_dependencies_are_files_that_exist_and_few_folders_and_in_order(stage: str) -> None:
    for system in SYSTEMS:
        deps = listed(stage, system)
        assert {dep for dep in deps if not (REPOSITORY / dep).is_file()} <= FOLDERS
        assert all((REPOSITORY / dep).exists() for dep in deps)
    written = STAGES[stage]["deps"]
    assert written == sorted(written), "sorted, so that merges are simple"


def test_the_packed_data_is_a_dependency_by_its_content_hash_and_the_samples_without_their_pictures() -> None:
    data = {stage: [dep for dep in STAGES[stage]["deps"] if dep.startswith("data/")] for stage in ROOTS}
    assert data == {
        "source": [],
        "download": ["data/source.json"],
        "pack": ["data/raw"],
        "train": ["data/packed/manifest.json", "data/params.checked", "data/start"],
        "sample": [
            "data/model/generator.json",
            "data/model/generator.safetensors",
            "data/packed/manifest.json",
            "data/params.checked",
        ],
        "reference": ["data/packed/manifest.json"],
        "evaluate": [
            "data/packed/manifest.json",
            "data/params.checked",
            "data/reference",
            "data/samples/photographs",
            "data/samples/samples.h5",
        ],
    }


def test_jitter_is_tracked_wherever_flip_is() -> None:
    flipped = {stage for stage in STAGES if "data.flip" in STAGES[stage]["params"]}
    assert flipped == {stage for stage in STAGES if "data.jitter" in STAGES[stage]["params"]}
    assert "train" in flipped


def test_all_params_are_checked_first() -> None:
    assert STAGES["check"]["params"] == ["data", "evaluate", "sample", "system", "train"]
    assert STAGES["check"]["outs"] == ["data/params.checked", "data/start"]
    assert STAGES["check"]["deps"] == ["ganpipe/losses", "ganpipe/nets"]


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_hash_of_the_networks_is_that_of_the_files_that_the_system_loads(system: str) -> None:
    digest = hashlib.sha256()
    for name in sorted(networks(system)):
        content = hashlib.sha256((REPOSITORY / name).read_bytes()).hexdigest()
        digest.update(f"{name}\0{content}\n".encode())
    assert networks(system)
    assert networks_digest(system, REPOSITORY) == digest.hexdigest()
