"""Fingerprints change with everything that may change a result, and with nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ganpipe import identity, paths
from ganpipe.config import Params, load_params
from ganpipe.errors import ConfigError, DataError
from ganpipe.files import write_json
from ganpipe.identity import Identity, code_digest, identify, identify_workspace, networks_digest

PARAMS = {"system": {"name": "dcgan"}}
TRAINS = {
    "data__flip": True,
    "data__jitter": 8,
    "system__name": "wgan",
    "system__latent": 9,
    "train__kimg": 4.0,
    "train__batch": 8,
    "train__seed": 1,
    "train__lr": 1e-4,
    "train__lr_discriminator": 1e-4,
    "train__optimizer": {"name": "sgd"},
    "train__precision": "bf16",
    "train__ema_half_life_kimg": 1.0,
}
REPORTS = {
    "sample__count": 11,
    "sample__seed": 1,
    "evaluate__extractors": ["inception"],
    "evaluate__neighbours": 3,
    "data__source": "elsewhere",
}


def base(checkout) -> Identity:
    return identify_workspace(checkout.params())


@pytest.mark.parametrize("change", TRAINS.items(), ids=TRAINS)
def test_what_trains_changes_both_fingerprints(checkout, change) -> None:
    other = identify_workspace(checkout.params(**dict([change])))
    assert other.data == base(checkout).data
    assert other.train != base(checkout).train and other.experiment != base(checkout).experiment
    assert (other.family == base(checkout).family) == (change[0] == "train__kimg")


@pytest.mark.parametrize("change", REPORTS.items(), ids=REPORTS)
def test_what_samples_and_evaluates_leaves_the_training_alone(checkout, change) -> None:
    other = identify_workspace(checkout.params(**dict([change])))
    assert other.family == base(checkout).family
    assert other.train == base(checkout).train and other.experiment != base(checkout).experiment


@pytest.mark.parametrize("change", [("device", "cuda"), ("threads", 3), ("checkpoint_seconds", 1.0)])
def test_runtime_changes_nothing(checkout, change) -> None:
    assert identify_workspace(checkout.params(runtime=dict([change]))) == base(checkout)


def test_other_data_changes_everything(checkout) -> None:
    other = identify(checkout.params(), "e" * 64)
    assert other.data == "e" * 64
    assert other.train != base(checkout).train and other.experiment != base(checkout).experiment


def test_weights_to_begin_with_count_by_their_content(checkout) -> None:
    plain = base(checkout)
    with pytest.raises(DataError, match=r"start\.json: names no weights.*run `dvc repro --force check`"):
        identify_workspace(checkout.params(train__start_from="models/one"))
    found = {}
    for path, sha256 in (("models/one", "a" * 64), ("models/same", "a" * 64), ("models/other", "b" * 64)):
        write_json(paths.START_NOTE, {"sha256": sha256})
        found[path] = identify_workspace(checkout.params(train__start_from=path))
    assert found["models/one"] == found["models/same"]
    assert len({plain.train, found["models/one"].train, found["models/other"].train}) == 3
    assert len({plain.family, found["models/one"].family, found["models/other"].family}) == 3
    assert base(checkout) == plain


def test_another_torch_is_another_training(checkout, monkeypatch) -> None:
    before = base(checkout)
    monkeypatch.setattr(identity, "version", lambda name: {"torch": "0.1"}[name])
    assert base(checkout).train != before.train


def test_comments_order_and_spelling_of_the_file_change_nothing(checkout) -> None:
    def read(text: str) -> Params:
        Path("params.yaml").write_text(text)
        return load_params(Path("params.yaml"))

    plain = (
        "data:\n  name: digits\nsystem:\n  name: dcgan\n  latent: 8\n"
        "train:\n  kimg: 10\n  batch: 4\n  lr: 0.0002\n  preview_kimg: 1\n  log_kimg: 1\n"
        "  optimizer:\n    name: adam\n    betas:\n    - 0.5\n    - 0.9\n"
        "sample:\n  count: 9\nevaluate:\n  extractors:\n  - domain\n"
    )
    spelled = (
        "# another comment\nevaluate: {extractors: [domain]}\nsample: {count: 9, seed: 0}\n"
        "train: {optimizer: {betas: [0.5, 0.9], name: adam}, log_kimg: 1.0, preview_kimg: 1.0, lr: 2e-4, batch: 4,"
        " kimg: 10.0}  # ten\nsystem: {latent: 8.0, name: dcgan}\ndata: {name: digits, source: null}\n"
    )
    assert identify_workspace(read(plain)) == identify_workspace(read(spelled))
    assert identify_workspace(read(plain)) != identify_workspace(read(plain.replace("kimg: 10", "kimg: 11")))


@pytest.mark.parametrize(
    "file", ["ganpipe/nets/dcgan.py", "stages/train.py", "ganpipe/nets/deep/er.py", "ganpipe/systems/dcgan.py"]
)
def test_training_code_changes_the_training(checkout, file: str) -> None:
    before = base(checkout)
    Path(file).parent.mkdir(exist_ok=True)
    Path(file).write_text("width = 99\n")
    assert base(checkout).train != before.train


def test_a_renamed_file_changes_the_training(checkout) -> None:
    before = base(checkout)
    Path("ganpipe/nets/dcgan.py").rename("ganpipe/nets/unet.py")
    assert base(checkout).train != before.train


@pytest.mark.parametrize(
    "file",
    [
        "ganpipe/metrics/frechet.py",  # code of another stage
        "ganpipe/systems/wgan.py",  # the system of another experiment
        "ganpipe/systems/new_gan.py",
        "ganpipe/recipes/new.yaml",
        "ganpipe/tracking.py",
        "ganpipe/nets/notes.md",
        "ganpipe/nets/__pycache__/dcgan.py",
        "ganpipe/nets/.ipynb_checkpoints/dcgan.py",
        "data/packed/data.py",  # a dep, but no code
        "README.md",
    ],
)
def test_other_files_change_nothing(checkout, file: str) -> None:
    before = base(checkout)
    Path(file).parent.mkdir(exist_ok=True)
    Path(file).write_text("changed\n")
    assert base(checkout) == before


def test_each_stage_has_its_own_code(checkout) -> None:
    train = code_digest("train", PARAMS)
    Path("ganpipe/metrics/frechet.py").write_text("order = 1\n")
    evaluate = code_digest("evaluate", PARAMS)
    Path("ganpipe/metrics/frechet.py").write_text("order = 2\n")
    assert code_digest("train", PARAMS) == train and code_digest("evaluate", PARAMS) != evaluate


def test_the_digest_does_not_depend_on_where_the_checkout_lies(checkout, tmp_path) -> None:
    here = code_digest("train", PARAMS)
    elsewhere = checkout.root.rename(tmp_path / "moved")
    assert code_digest("train", PARAMS, elsewhere / "dvc.yaml") == here


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "no such file"),
        ("stages:\n  pack:\n    cmd: x\n", "no stage 'train'; it has pack"),
        ("stages:\n  train:\n    cmd: x\n    deps: [ganpipe/gone.py]\n", "ganpipe/gone.py, which does not exist"),
        ("stages:\n  train:\n    cmd: x\n    deps: ['ganpipe/${system.nam}.py']\n", "needs system.nam, which params"),
    ],
)
def test_an_unusable_pipeline_is_one_line(checkout, content: str | None, problem: str) -> None:
    Path("dvc.yaml").unlink()
    if content:
        Path("dvc.yaml").write_text(content)
    with pytest.raises(ConfigError, match=problem) as caught:
        code_digest("train", PARAMS)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [None, "not json", "{}", "[]"])
def test_a_missing_or_damaged_manifest_says_what_to_run(checkout, content: str | None) -> None:
    manifest = Path("data/packed/manifest.json")
    manifest.unlink()
    if content:
        manifest.write_text(content)
    with pytest.raises(DataError, match="dvc repro"):
        identify_workspace(checkout.params())


@pytest.mark.parametrize("module", ["ganpipe.identity", "ganpipe.tracking.api", "ganpipe.tracking.server"])
def test_importing_is_light(module: str) -> None:
    code = f"import sys, {module}; print(sorted({{'mlflow', 'torch', 'pandas'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_networks_that_the_system_imports_change_the_training_and_others_do_not(checkout) -> None:
    Path("ganpipe/losses").mkdir(exist_ok=True)
    Path("ganpipe/systems/dcgan.py").write_text(
        "from ganpipe.nets import dcgan\nfrom ganpipe.losses.hinge import hinge\n"
    )
    Path("ganpipe/nets/dcgan.py").write_text("from ganpipe.nets.layers import noise\n")
    Path("ganpipe/nets/layers.py").write_text("noise = 1\n")
    Path("ganpipe/losses/hinge.py").write_text("hinge = 1\n")
    before = networks_digest("dcgan")
    Path("ganpipe/nets/unet.py").write_text("of = 'another system'\n")
    assert networks_digest("dcgan") == before
    for name, line in (("nets/layers", "noise = 2"), ("losses/hinge", "hinge = 2")):
        Path(f"ganpipe/{name}.py").write_text(f"{line}\n")
        assert networks_digest("dcgan") != before
        before = networks_digest("dcgan")
    with pytest.raises(ConfigError, match="typo.py: no such file"):
        networks_digest("typo")
