"""The evaluate stage for generators of every shape: several outputs, sequences, targets, small beginnings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapes
from metrics.sets import column, write_samples

from ganpipe import paths, systems
from ganpipe.config import Params
from ganpipe.data.packed.file import Packed
from ganpipe.errors import MetricError
from ganpipe.metrics.reference import prepare_reference
from ganpipe.metrics.stage import evaluate


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in a folder of its own, with the systems of `shapes`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(systems, "SYSTEMS", dict(systems.SYSTEMS))
    shapes.register()
    yield


def prepared(name: str, **sections: dict[str, Any]) -> tuple[Params, Packed]:
    """The params and data of a system of `shapes`, with their reference."""
    params = shapes.params_of(name, **sections)
    shapes.write_data(name, paths.PACKED)
    prepare_reference(params, paths.PACKED, paths.REFERENCE)
    return params, Packed.open(paths.PACKED_FILE)


def scored(params: Params) -> dict[str, Any]:
    evaluate(params, paths.PACKED, paths.REFERENCE, paths.SAMPLES, paths.DATA)
    return json.loads(paths.METRICS.read_text())


def rows(space: str, packed: Packed) -> dict[str, Any]:
    test = packed.rows("test", space)
    return {f"row_{space}": column(np.arange(test.start, test.stop), "row")}


def test_two_outputs_have_a_block_each(capsys: pytest.CaptureFixture[str]) -> None:
    params, packed = prepared("two_spaces")
    a, b = (packed.slice(name, packed.rows("test", name)) for name in "ab")
    made = {"fake_b": column(b), "fake_a": column(255 - a), **rows("a", packed), **rows("b", packed)}
    write_samples(paths.SAMPLES_FILE, made, {"fake_b": "b", "fake_a": "a"})
    found = scored(params)
    assert set(found) == {"schema", "n_fake", "n_real", "pixel", "translation"}
    assert found["n_fake"] == shapes.HELD_OUT
    assert found["translation"].keys() == {"fake_a", "fake_b"}
    assert found["pixel"].keys() == {"fake_a", "fake_b"}
    assert found["pixel"]["fake_b"]["fd"] < found["pixel"]["fake_a"]["fd"]
    assert found["pixel"]["fake_a"]["extractor"] == found["pixel"]["fake_b"]["extractor"] == "pixel1024"
    assert all(block["fd_untrained"] > 0 for block in found["pixel"].values())
    said = capsys.readouterr().out
    assert "pixel, fake_b: fd " in said and "pixel, fake_a: fd " in said
    assert sorted(path.parent.name for path in paths.REFERENCE.rglob("features.safetensors")) == ["a", "b"]


def test_the_scores_of_an_output_are_those_of_its_own_field() -> None:
    params, packed = prepared("two_spaces")
    b = packed.slice("b", packed.rows("test", "b"))
    write_samples(paths.SAMPLES_FILE, {"fake_b": column(b), "fake_a": column(b)}, {"fake_b": "b", "fake_a": "a"})
    both = scored(params)["pixel"]
    assert both["fake_a"]["fd"] > 2 * both["fake_b"]["fd"]
    write_samples(paths.SAMPLES_FILE, {"fake_b": column(b)}, {"fake_b": "b"})
    alone = scored(params)["pixel"]
    assert alone == both["fake_b"]


def test_a_translation_is_compared_with_its_target(capsys: pytest.CaptureFixture[str]) -> None:
    params, packed = prepared("translation")
    test = packed.rows("test", "items")
    target = packed.slice("b", test)
    made = np.clip(target.astype(int) + 51, 0, 255).astype(np.uint8)
    samples = {"translated": column(made), **rows("items", packed)}
    write_samples(paths.SAMPLES_FILE, samples, {"translated": "b"})
    found = scored(params)
    assert found["pixel"]["fd"] > 0, "one output: no level for it"
    scores = found["paired"]["translated"]
    of = ("", "_mean_image", "_copy")
    measured = {f"{score}{ending}" for score in ("l1", "psnr", "l1_differing") for ending in of}
    assert scores.keys() == {*measured, "differing_share"}
    apart = made.astype(float) - target
    assert scores["l1"] == pytest.approx(np.abs(apart).mean() / 255, rel=1e-5)
    copied = packed.slice("a", test).astype(float) - target
    assert scores["l1_copy"] == pytest.approx(np.abs(copied).mean() / 255, rel=1e-5)
    mean = packed.slice("b", packed.rows("train", "items")).mean(axis=0) - target
    assert scores["l1_mean_image"] == pytest.approx(np.abs(mean).mean() / 255, rel=1e-5)
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("paired, translated: l1 "))
    assert "mean image: " in line and "copy of the input: " in line and "psnr " in line


def test_an_enlargement_has_no_copy_of_its_small_input() -> None:
    params, packed = prepared("two_phases")
    high = packed.slice("high", packed.rows("test", "items"))
    write_samples(paths.SAMPLES_FILE, {"enlarged": column(high), **rows("items", packed)}, {"enlarged": "high"})
    found = scored(params)
    assert found["paired"]["enlarged"].keys() == {"l1", "psnr", "l1_mean_image", "psnr_mean_image"}
    assert found["paired"]["enlarged"]["l1"] == 0
    assert found["paired"]["enlarged"]["psnr"] == pytest.approx(58.9226, abs=1e-4)


@pytest.mark.parametrize("name", ["two_spaces", "attributes"])
def test_where_no_target_is_known_nothing_is_paired(name: str) -> None:
    params, packed = prepared(name)
    field = packed.fields["a" if name == "two_spaces" else "image"]
    title = "fake_a" if name == "two_spaces" else "image"
    images = packed.slice("a" if name == "two_spaces" else "image", packed.rows("test", field.space))
    samples = {title: column(images), **rows(field.space, packed)}
    write_samples(paths.SAMPLES_FILE, samples, {title: "a" if name == "two_spaces" else "image"})
    assert "paired" not in scored(params)


def test_sequences_are_scored_by_their_values() -> None:
    params, packed = prepared("sequences")
    notes = packed.slice("notes")
    names = packed.fields["notes"].names
    write_samples(paths.SAMPLES_FILE, {"melody": column(notes[:24], "sequence", names)}, {"melody": "notes"})
    good = scored(params)["values"]
    assert good["extractor"] == "values1024" and {"fd", "precision", "coverage", "kd_x1000"} < good.keys()
    assert "memorised_share" not in good
    write_samples(paths.SAMPLES_FILE, {"melody": column(notes[:24] + 1, "sequence", names)}, {"melody": "notes"})
    bad = scored(params)["values"]
    assert bad["fd"] > good["fd"] + 11  # 12 numbers are one further away
    assert good["fd"] < good["fd_untrained"]


def test_a_generator_that_starts_with_small_pictures_has_no_untrained_score(capsys: pytest.CaptureFixture[str]) -> None:
    params, packed = prepared("growing")
    write_samples(paths.SAMPLES_FILE, {"image": column(packed.slice("image")[:24])}, {"image": "image"})
    found = scored(params)["pixel"]
    assert "fd_floor" in found and "fd_untrained" not in found
    assert "before training" not in capsys.readouterr().out


def test_an_extractor_that_cannot_look_at_an_output_is_skipped_with_a_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    params = shapes.params_of("two_spaces", evaluate={"extractors": ["pixel"]})
    shapes.write_data("two_spaces", paths.PACKED)
    prepare_reference(params, paths.PACKED, paths.REFERENCE)
    both = shapes.params_of("two_spaces", evaluate={"extractors": ["pixel", "domain"]})
    packed = Packed.open(paths.PACKED_FILE)
    a, b = (packed.slice(name)[:24] for name in "ab")
    write_samples(paths.SAMPLES_FILE, {"fake_b": column(b), "fake_a": column(a)}, {"fake_b": "b", "fake_a": "a"})
    found = scored(both)
    assert "domain" not in found and "pixel" in found
    said = capsys.readouterr().out.splitlines()
    assert "domain: needs labels beside `b`, skipped for output fake_b" in said
    assert "domain: needs labels beside `a`, skipped for output fake_a" in said


def test_without_any_extractor_that_fits_there_are_no_scores() -> None:
    params, packed = prepared("two_spaces")
    none = shapes.params_of("two_spaces", evaluate={"extractors": ["values"]})
    write_samples(paths.SAMPLES_FILE, {"fake_b": column(packed.slice("b")[:24])}, {"fake_b": "b"})
    line = (
        "none can look at any output: values: looks at vectors or sequences, but `b` holds images of 1 x 8 x 8, skipped"
    )
    with pytest.raises(MetricError, match=line):
        scored(none)
    assert not paths.METRICS.exists()


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (
            {"fake_b": "c"},
            "output fake_b holds images of 1 x 8 x 8, but the real data has no field `c`: run `dvc repro",
        ),
        ({}, "does not say which fields it has samples of: run `dvc repro sample`"),
    ],
)
def test_samples_of_other_data_are_refused(outputs: dict[str, str], message: str) -> None:
    params, packed = prepared("two_spaces")
    columns = {"fake_b": column(packed.slice("b")[:24])}
    if outputs:
        write_samples(paths.SAMPLES_FILE, columns, outputs)
    else:
        from metrics.sets import write_set

        write_set(paths.SAMPLES_FILE, columns)
    with pytest.raises(MetricError, match=message):
        scored(params)
