"""One experiment is one complete run, whatever ran, was cached, was repeated or was interrupted."""

from __future__ import annotations

import getpass
import json
import shutil
from pathlib import Path

import pytest

from ganpipe import paths
from ganpipe.config import flatten
from ganpipe.identity import identify_workspace
from ganpipe.tracking.api import track

LOSS = "train/loss_generator"
CURVE = [(1000, 1.0), (2000, 0.5), (3000, 1 / 3)]
SLOTS = ("train", "sample", "evaluate")


def slots(run) -> list[str | None]:
    return [run.data.tags.get(f"ganpipe.slot.{stage}") for stage in SLOTS]


def test_the_first_run_is_one_complete_run(checkout) -> None:
    params = checkout.params()
    checkout.repro(params)
    (run,) = checkout.runs()
    identity = identify_workspace(params)
    assert run.info.run_name == f"repro-dcgan-{identity.experiment[:6]}"
    assert run.info.status == "FINISHED"
    assert slots(run) == ["done"] * 3
    assert checkout.points(run, LOSS) == CURVE
    assert run.data.tags["eval.domain.identity"] == "lenet84@b7320f18" and run.data.tags["eval.n_fake"] == "10"
    assert run.data.metrics["eval/domain/fd"] == 2.5 and run.data.metrics["eval/domain/floor/fd"] == 0.5
    assert checkout.files(run) == {"history.csv", "metrics.json"}
    assert checkout.files(run, "model") == {"model/generator.safetensors", "model/generator.json"}
    assert checkout.files(run, "samples") == {"samples/grid.png"}
    assert Path(checkout.root, "mlartifacts", run.info.run_id).is_dir()
    assert not list(Path(".ganpipe/runs").iterdir()), "the lock of a finished run is gone"


def test_all_params_are_logged_but_speed_and_blanks_and_lists_as_json(checkout) -> None:
    params = checkout.params(train__seed=5, data__source="x" * 7000)
    checkout.train(params)
    logged = checkout.runs()[0].data.params
    decide = flatten(params.model_dump(exclude={"runtime"}))
    assert set(logged) == {key for key, value in decide.items() if value is not None} < set(decide)
    assert checkout.runs()[0].data.tags["mlflow.user"] == getpass.getuser()
    assert json.loads(logged["train.optimizer.betas"]) == [0.5, 0.9]
    assert logged["train.seed"] == "5" and logged["system.latent"] == "8"
    assert logged["data.source"] == "x" * 6000


def test_tags_tell_where_a_run_comes_from(checkout, monkeypatch) -> None:
    monkeypatch.setenv("DVC_EXP_NAME", "lr-high")
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "b" * 40)
    params = checkout.params()
    identity = identify_workspace(params)
    checkout.train(params)
    (run,) = checkout.runs()
    tags = run.data.tags
    assert run.info.run_name == "lr-high" == tags["dvc.exp.name"]
    assert tags["dvc.exp.baseline"] == "b" * 40
    assert tags["mlflow.source.git.commit"] == checkout.git("rev-parse", "HEAD")
    assert tags["mlflow.source.name"] == "stages.train"
    assert tags["ganpipe.key"] == identity.experiment and tags["ganpipe.data_sha256"] == "d" * 64
    assert "dvc exp apply lr-high" in tags["mlflow.note.content"]
    (given,) = run.inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("digits", "d" * 8)


def test_only_changed_code_makes_a_run_dirty(checkout) -> None:
    Path("params.yaml").write_text("train: {}\n")
    Path("dvc.lock").write_text("schema: '2.0'\n")
    checkout.train(checkout.params())
    Path("ganpipe/nets/dcgan.py").write_text("width = 16\n")
    Path("ganpipe/nets/new.py").write_text("depth = 1\n")
    checkout.train(checkout.params())
    clean, dirty = checkout.runs()
    assert clean.data.tags["git.dirty_code"] == "false" and "code.diff" not in checkout.files(clean)
    assert dirty.data.tags["git.dirty_code"] == "true"
    diff = Path(checkout.client.download_artifacts(dirty.info.run_id, "code.diff")).read_text()
    assert "+width = 16" in diff and "+depth = 1" in diff and "params.yaml" not in diff


def test_another_evaluation_replays_the_cached_stages_and_leaves_the_old_run_alone(checkout) -> None:
    checkout.repro(checkout.params())
    (before,) = checkout.runs()
    checkout.evaluate(checkout.params(evaluate__neighbours=3), fd=9.0)
    old, new = checkout.runs()
    assert old.data.to_dictionary() == before.data.to_dictionary()
    assert slots(new) == ["replayed", "replayed", "done"]
    assert checkout.points(new, LOSS) == CURVE
    assert new.data.params["evaluate.neighbours"] == "3"
    assert new.data.metrics["eval/domain/fd"] == 9.0
    assert checkout.files(new, "model") == {"model/generator.safetensors", "model/generator.json"}
    assert checkout.files(new, "samples") == {"samples/grid.png"}


def test_live_and_replayed_previews_are_the_same(checkout) -> None:
    checkout.train(checkout.params())
    checkout.sample(checkout.params(sample__count=20))
    live, replayed = checkout.runs()
    steps = [sorted(name.split("+timestamp")[0] for name in checkout.files(run, "images")) for run in (live, replayed)]
    expected = [f"images/samples+step+{step}" for step in (1000, 2000, 3000) for _ in range(2)]  # picture, thumbnail
    assert steps == [expected, expected]


def test_a_forced_retraining_that_gives_the_same_is_the_same_run(checkout) -> None:
    params = checkout.params()
    checkout.repro(params)
    before = [run.to_dictionary() for run in checkout.runs()]
    checkout.repro(params)
    checkout.train(params)
    assert [run.to_dictionary() for run in checkout.runs()] == before


def test_a_forced_retraining_that_gives_something_else_is_a_new_attempt(checkout) -> None:
    params = checkout.params()
    checkout.repro(params)
    checkout.repro(params, noise=0.5)
    old, new = checkout.runs()
    assert new.info.run_name == old.info.run_name + "-2"
    assert old.data.tags["ganpipe.superseded_by"] == new.info.run_id
    assert (old.data.tags["ganpipe.attempt"], new.data.tags["ganpipe.attempt"]) == ("1", "2")
    assert slots(new) == ["done"] * 3
    assert checkout.points(old, LOSS) == CURVE
    assert checkout.points(new, LOSS) == [(step, value + 0.5) for step, value in CURVE]


def test_evaluating_again_counts_only_with_other_numbers(checkout) -> None:
    params = checkout.params()
    checkout.repro(params)
    checkout.repro(params, noise=0.5)
    before = [run.data.to_dictionary() for run in checkout.runs()]
    checkout.evaluate(params, fd=2.5)
    assert [run.data.to_dictionary() for run in checkout.runs()] == before
    checkout.evaluate(params, fd=3.75)
    first, second, third = checkout.runs()
    assert [run.data.metrics["eval/domain/fd"] for run in (first, second, third)] == [2.5, 2.5, 3.75]
    assert checkout.points(second, "eval/domain/fd") == [(0, 2.5)]
    assert third.data.tags["ganpipe.source_run"] == second.info.run_id == first.data.tags["ganpipe.superseded_by"]
    assert third.info.run_name.endswith("-3") and third.info.status == "FINISHED"
    assert slots(third) == ["replayed", "replayed", "done"] and checkout.points(third, LOSS) == checkout.points(
        second, LOSS
    )


def test_sampling_again_counts_only_with_other_pictures(checkout) -> None:
    params = checkout.params()
    checkout.repro(params)
    checkout.sample(params, shade=7)
    assert len(checkout.runs()) == 1
    checkout.sample(params, shade=8)
    old, new = checkout.runs()
    assert slots(new) == ["replayed", "done", None]
    checkout.evaluate(params)
    assert [slots(run) for run in checkout.runs()] == [["done"] * 3, ["replayed", "done", "done"]]
    assert old.info.run_id == new.data.tags["ganpipe.source_run"]


def test_scores_join_the_attempt_whose_training_lies_in_the_workspace(checkout) -> None:
    params = checkout.params()
    checkout.train(params)
    outputs = checkout.root / "kept"
    shutil.copytree("data", outputs)
    checkout.train(params, noise=0.25)
    shutil.rmtree("data")
    shutil.copytree(outputs, "data")  # what `dvc checkout` of the first attempt does
    checkout.sample(params)
    first, second = checkout.runs()
    assert slots(first) == ["done", "done", None] and slots(second) == ["done", None, None]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RuntimeError("boom"), "FAILED"),
        (SystemExit(1), "FAILED"),
        (KeyboardInterrupt(), "KILLED"),
        (SystemExit(143), "KILLED"),
    ],
)
def test_an_interrupted_training_goes_on_in_its_run(checkout, error, status) -> None:
    params = checkout.params()
    with pytest.raises(type(error)):
        checkout.train(params, upto=2, error=error)
    (run,) = checkout.runs()
    assert run.info.status == status and slots(run) == [None] * 3
    assert checkout.points(run, LOSS) == CURVE[:2]
    checkout.train(params)
    (run,) = checkout.runs()
    assert run.info.status == "FINISHED" and run.data.tags["ganpipe.resumed"] == "1"
    assert checkout.points(run, LOSS) == CURVE, "no point twice, none missing"
    assert len(checkout.files(run, "images")) == 6, "three previews with a thumbnail each, none twice"


def test_a_run_lists_all_experiments_it_stands_for(checkout, monkeypatch) -> None:
    params = checkout.params()
    monkeypatch.setenv("DVC_EXP_NAME", "first")
    with pytest.raises(KeyboardInterrupt):
        checkout.train(params, upto=1, error=KeyboardInterrupt())
    monkeypatch.setenv("DVC_EXP_NAME", "second")
    checkout.train(params)
    (run,) = checkout.runs()
    assert run.info.run_name == "first" and json.loads(run.data.tags["dvc.exp.names"]) == ["first", "second"]


def test_a_failed_repetition_changes_nothing(checkout) -> None:
    params = checkout.params()
    checkout.repro(params)
    before = checkout.runs()[0].to_dictionary()
    with pytest.raises(RuntimeError), track("evaluate", params, identify_workspace(params)) as run:
        run.metrics({"eval/domain/fd": 99.0}, step=0)
        raise RuntimeError
    assert [run.to_dictionary() for run in checkout.runs()] == [before]


def test_a_wiped_store_gets_a_complete_run(checkout, migrated_store) -> None:
    checkout.repro(checkout.params())
    shutil.copy(migrated_store, "mlflow.db")
    shutil.rmtree("mlartifacts")
    checkout.evaluate(checkout.params(evaluate__neighbours=7))
    (run,) = checkout.runs()
    assert slots(run) == ["replayed", "replayed", "done"] and checkout.points(run, LOSS) == CURVE
    assert checkout.files(run) == {"history.csv", "metrics.json"} and len(checkout.files(run, "images")) == 6


def test_a_deleted_experiment_is_brought_back(checkout) -> None:
    params = checkout.params()
    checkout.train(params)
    checkout.client.delete_experiment(checkout.runs()[0].info.experiment_id)
    checkout.sample(params)
    assert slots(checkout.runs()[0])[:2] == ["done", "done"]


def test_all_verbs_of_a_run_arrive(checkout) -> None:
    params = checkout.params()
    with track("train", params, identify_workspace(params)) as run:
        run.tags({"a,b": "c"})
        run.metrics({"train/odd[0]//name": 1.5}, step=7)
    (done,) = checkout.runs()
    assert done.data.tags["a_b"] == "c" and done.data.metrics["train/odd_0_/name"] == 1.5
    assert slots(done) == [None] * 3, "a stage that left no files has filled no slot"


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_never_stored(checkout, bad) -> None:
    params = checkout.params()
    with track("train", params, identify_workspace(params)) as run:
        run.metrics({"train/good": 1.0, "train/bad": bad}, step=1)
        checkout.training(run, 1, noise=bad)
    (done,) = checkout.runs()
    assert checkout.points(done, "train/good") == [(1, 1.0)]
    assert checkout.points(done, "train/bad") == checkout.points(done, LOSS) == []
    assert checkout.points(done, "train/loss_discriminator") == [(1000, 1 / 3)]
    assert LOSS in done.data.tags["ganpipe.non_finite"]


def test_other_ranks_are_silent(checkout, monkeypatch) -> None:
    monkeypatch.setenv("RANK", "1")
    checkout.train(checkout.params())
    assert checkout.runs() == [] and paths.HISTORY.exists()
