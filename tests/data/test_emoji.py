"""The sets of emoji: small packages in the real layout through download and pack, and the smallest real ones."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from emoji_files import FLAG, PEOPLE, THINGS, VENDORS, colour, members, names, write_packages
from once import made_once, shared_folder
from raw_files import record_again

from ganpipe.config import Data
from ganpipe.core.captions import PADDING, text_of
from ganpipe.data.catalogue.emoji import TONES
from ganpipe.data.catalogue.sets import lookup
from ganpipe.data.download.stage import download
from ganpipe.data.pack import drawing
from ganpipe.data.pack.emoji import held_out
from ganpipe.data.pack.stage import pack
from ganpipe.data.packed.file import Packed
from ganpipe.data.packed.preview import describe, draw_preview
from ganpipe.errors import ConfigError, DataError
from ganpipe.files import read_sealed, write_sealed

SIZE = 4
SETS = ("emoji", "emoji-lines", "openmoji-lines", "emoji-shading", "emoji-styles", "emoji-tones")


def brought(name: str, source: Path, raw: Path) -> Path:
    download(Data(name=name, source=str(source), verify=False), raw)
    return raw


def opened(name: str, raw: Path, into: Path, workers: int = 1, **params: object) -> Packed:
    pack(Data(name=name, **({"size": SIZE} | params)), raw, into, workers)
    packed = Packed.open(into / "data.h5")
    packed.verify()
    return packed


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packages")
    write_packages(folder)
    return folder


@pytest.fixture(scope="module")
def sets(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Packed]:
    """All sets, packed in one process."""
    folder = tmp_path_factory.mktemp("sets")
    return {name: opened(name, brought(name, source, folder / name / "raw"), folder / name) for name in SETS}


def colours(packed: Packed, field: str, split: str | None = None) -> list[tuple[int, ...]]:
    """The colour of every row, each of which must be of one colour."""
    pixels = packed.slice(field, packed.rows(split, packed.fields[field].space) if split else None)
    assert (pixels == pixels[:, :1, :1]).all()
    return [tuple(row) for row in pixels[:, 0, 0].tolist()]


def captions(packed: Packed) -> list[str]:
    words = packed.fields["caption"].names
    return [text_of(words[number] for number in row) for row in packed.slice("caption")]


def classes(packed: Packed, field: str) -> list[str]:
    return [packed.fields[field].names[number] for number in packed.slice(field)]


def base(name: str) -> str:
    return name.partition(":")[0]


def test_every_emoji_has_its_drawing_vendor_caption_and_attributes(sets: dict[str, Packed]) -> None:
    packed = sets["emoji"]
    texts, vendors = captions(packed), classes(packed, "label")
    assert Counter(zip(texts, vendors, strict=True)) == {(name, vendor): 1 for name in names() for vendor in VENDORS}
    due = [colour(VENDORS.index(vendor), name) for name, vendor in zip(texts, vendors, strict=True)]
    assert colours(packed, "image") == due
    names_of = packed.fields["attributes"].names
    for text, row in zip(texts, packed.slice("attributes"), strict=True):
        found = {name for name, value in zip(names_of, row, strict=True) if value}
        tone = {f"{tone} skin tone" for tone in TONES if text.endswith(f": {tone} skin tone")}
        group = {"flags"} if text == FLAG else {"objects"} if text in THINGS else {"people-body"}
        assert found == group | tone | ({"man"} if text.startswith("person") and not tone else set())


def test_the_words_are_named_and_padded(sets: dict[str, Packed]) -> None:
    field, rows = sets["emoji"].fields["caption"], sets["emoji"].slice("caption")
    assert field.names[0] == PADDING and list(field.names[1:]) == sorted(field.names[1:])
    assert set(field.names[1:]) == {word for name in names() for word in name.replace(":", " :").split()}
    assert rows.dtype == np.int32 and rows.shape[1] == field.shape[0] == 11
    assert all((row[np.count_nonzero(row) :] == 0).all() for row in rows)


def test_names_and_skin_tones_are_held_out(sets: dict[str, Packed]) -> None:
    packed = sets["emoji"]
    texts = captions(packed)
    split = {name: {texts[row] for row in rows} for name, rows in packed.splits("items").items()}
    bases = {name: {base(text) for text in texts} for name, texts in split.items()}
    assert not bases["test"] & (bases["train"] | bases["valid"])
    assert len(bases["test"]) == len({base(name) for name in names()}) // 10
    toned = [name for name in names() if ":" in name and base(name) not in bases["test"]]
    assert split["valid"] <= set(toned) and len(split["valid"]) == len(toned) // 10
    assert bases["valid"] <= split["train"]  # without a skin tone
    assert sum(map(len, split.values())) == len(names())


def test_a_tenth_is_held_out_whatever_the_order() -> None:
    assert held_out(map(str, range(100))) == held_out(map(str, reversed(range(100))))
    assert len(held_out(map(str, range(109)))) == 10 and held_out("abc", 3) == {"a", "b", "c"}
    assert held_out(map(str, range(100)), 5) < held_out(map(str, range(100)))


def test_the_true_target_of_every_tone_is_known(sets: dict[str, Packed]) -> None:
    packed = sets["emoji-tones"]
    rows = list(zip(classes(packed, "person"), classes(packed, "vendor"), classes(packed, "label"), strict=True))
    assert Counter(rows) == {(who, by, tone): 1 for who in PEOPLE for by in VENDORS for tone in ("no tone", *TONES)}
    named = [who if tone == "no tone" else f"{who}: {tone} skin tone" for who, _, tone in rows]
    due = [colour(VENDORS.index(by), name) for name, (_, by, _) in zip(named, rows, strict=True)]
    assert colours(packed, "image") == due
    assert packed.slice("label").tolist() == list(range(6)) * (len(rows) // 6)  # neighbours
    people = {name: {rows[row][0] for row in part} for name, part in packed.splits("items").items()}
    assert len(people["test"]) == 2 and not people["test"] & people["train"]


def test_two_styles_share_only_the_test_in_the_same_order(sets: dict[str, Packed]) -> None:
    packed = sets["emoji-styles"]
    assert packed.spaces == ("a", "b")
    plain = {colour(0, name)[1:] for name in names() if ":" not in name and name != FLAG}
    found = {(field, split): colours(packed, field, split) for field in ("a", "b") for split in ("train", "test")}
    assert {red for red, *_ in found["a", "train"]} == {0} and {red for red, *_ in found["b", "test"]} == {1}
    shapes = {key: [rest for _, *rest in rows] for key, rows in found.items()}
    assert shapes["a", "test"] == shapes["b", "test"] and len(shapes["a", "test"]) == 160
    everything = [tuple(one) for key in (("a", "train"), ("b", "train"), ("a", "test")) for one in shapes[key]]
    assert len(everything) == len(set(everything)) and set(everything) == plain
    assert len(shapes["a", "train"]) == len(shapes["b", "train"]) == 20


@pytest.mark.parametrize(("name", "a", "b"), [("emoji-lines", 4, 2), ("emoji-shading", 2, 5)])
def test_pairs_are_of_the_same_name_and_split_by_it(sets: dict[str, Packed], name: str, a: int, b: int) -> None:
    packed = sets[name]
    left, right = colours(packed, "a"), colours(packed, "b")
    assert {red for red, *_ in left} == {a} and {red for red, *_ in right} == {b}
    assert [rest for _, *rest in left] == [rest for _, *rest in right]
    named = {colour(a, name): base(name) for name in names()}
    split = {name: {named[left[row]] for row in rows} for name, rows in packed.splits("items").items()}
    assert len(split["test"]) == len({base(name) for name in names()}) // 10 and not split["test"] & split["train"]


def test_openmoji_pairs_leave_out_flags_tones_and_components(sets: dict[str, Packed]) -> None:
    packed = sets["openmoji-lines"]
    left, right = colours(packed, "a"), colours(packed, "b")
    assert sorted(left) == [(0, 0, number) for number in range(30)]
    assert [(1, *rest) for _, *rest in left] == right
    assert {name: len(rows) for name, rows in packed.splits("items").items()} == {"train": 27, "test": 3}


@pytest.mark.parametrize("name", ["emoji", "emoji-styles"])
def test_two_processes_and_a_second_run_pack_the_same(
    sets: dict[str, Packed], source: Path, tmp_path: Path, name: str
) -> None:
    raw = brought(name, source, tmp_path / "raw")
    for workers in (1, 2):
        assert opened(name, raw, tmp_path / f"{workers}", workers).content_sha256 == sets[name].content_sha256


def test_any_size_and_grey(source: Path, tmp_path: Path) -> None:
    raw = brought("openmoji-lines", source, tmp_path / "raw")
    packed = opened("openmoji-lines", raw, tmp_path, size=33, channels=1)
    assert packed.fields["b"].shape == (1, 33, 33) and packed.attributes["transform"].endswith(
        "33 x 33 by resvg, over white, grey"
    )
    with pytest.raises(ConfigError, match=r"data.crop = 8 cuts pictures, but data.name = 'openmoji-lines' is drawn at"):
        pack(Data(name="openmoji-lines", crop=8), raw, tmp_path)


def test_without_the_library_there_is_one_line(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = brought("openmoji-lines", source, tmp_path / "raw")
    monkeypatch.setattr(drawing.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        DataError, match=r"resvg-py, which draws them, is missing; run `pip install 'ganpipe\[emoji\]'`$"
    ):
        pack(Data(name="openmoji-lines"), raw, tmp_path)


def test_the_preview_shows_all_labels_and_captions(sets: dict[str, Packed], tmp_path: Path) -> None:
    for name in ("emoji", "emoji-tones"):
        draw_preview(sets[name], tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").stat().st_size > 1000
    lines = describe(sets["emoji"])
    assert (
        f"  {len(sets['emoji'].fields['caption'].names) - 1} different words; the first row is 'flag of nowhere'"
        in lines
    )
    assert any(line.startswith("  person 19 ") for line in describe(sets["emoji-tones"]))


DAMAGED = {
    "fluent-flat-icons.json": {
        "no JSON": b"{",
        "no icons": b'{"width": 3}',
        "a list": b"[]",
        "no body": json.dumps({"width": 3, "icons": {"x": {}}}).encode(),
    },
    "fluent-flat-chars.json": {"a list": b"[]", "numbers": b"3"},
    "emojibase-en.json": {
        "no JSON": b"<svg>",
        "no list": b"3",
        "no label": b'[{"hexcode": "1"}]',
        "a tone too many": b'[{"hexcode": "1", "label": "x", "tone": 6}]',
    },
}


@pytest.mark.parametrize(
    ("file", "content"),
    [
        pytest.param(file, content, id=f"{file} {case}")
        for file, cases in DAMAGED.items()
        for case, content in cases.items()
    ],
)
def test_a_file_of_another_kind_is_one_line(sets: dict[str, Packed], tmp_path: Path, file: str, content: bytes) -> None:
    raw = tmp_path / "raw"
    shutil.copytree(Path(sets["emoji"].path).parent / "raw", raw)
    (raw / file).write_bytes(content)
    with pytest.raises(DataError, match=file) as caught:
        pack(Data(name="emoji", size=SIZE), raw, tmp_path / "packed", workers=1)
    assert "\n" not in str(caught.value) and not list(tmp_path.glob("packed/*"))


def test_a_caption_longer_than_the_field_is_one_line(sets: dict[str, Packed], tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    shutil.copytree(Path(sets["emoji"].path).parent / "raw", raw)
    table = json.loads((raw / "emojibase-en.json").read_text())
    table[-2]["label"] = "one two three four five six seven eight nine ten eleven twelve"
    (raw / "emojibase-en.json").write_text(json.dumps(table))
    with pytest.raises(DataError, match="caption 'one two .* twelve' has 12 words, more than the 11 of the field"):
        pack(Data(name="emoji", size=SIZE), raw, tmp_path / "packed", workers=1)


def test_a_drawing_that_cannot_be_drawn_is_left_out(sets: dict[str, Packed], tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    shutil.copytree(Path(sets["emoji-lines"].path).parent / "raw", raw)
    content = json.loads(members()["fluent-line-icons.json"])
    content["icons"]["thing-7"]["body"] = "<path"
    (raw / "fluent-line-icons.json").write_text(json.dumps(content))
    record_again(raw)
    packed = opened("emoji-lines", raw, tmp_path)
    assert packed.count("items") == len(names()) - 1
    listed = (tmp_path / "quarantine.csv").read_text()
    assert "thing-7 (a),cannot be drawn: " in listed and "thing-7 (b),has a partner that cannot be used" in listed


@pytest.fixture(scope="module")
def real_lines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published files of `emoji-lines`, fetched by npm: 2.2 MB, once per test run."""
    folder = shared_folder(tmp_path_factory, "npm") / "emoji-lines"
    return made_once(folder, lambda into: download(Data(name="emoji-lines"), into))


def test_the_published_pairs_are_whole_aligned_and_all_drawn(real_lines: Path, tmp_path: Path) -> None:
    packed = opened("emoji-lines", real_lines, tmp_path, size=16)
    assert packed.count("items") == 1594 == lookup("emoji-lines").count
    assert {name: len(rows) for name, rows in packed.splits("items").items()} == dict(lookup("emoji-lines").splits)
    assert not (tmp_path / "quarantine.csv").exists()
    lines, flat = (packed.slice(field).astype(np.float32) for field in ("a", "b"))
    assert (lines.min(axis=(1, 2, 3)) < 128).all() and (flat.std(axis=(1, 2, 3)) > 1).all()
    assert np.ptp(lines, axis=3).max() == 0  # black on white
    drawn = (flat != 255).any(axis=3)
    inked = lines[..., 0] < 64
    on_it, on_another = ((inked & picture).sum() / inked.sum() for picture in (drawn, np.roll(drawn, 1, axis=0)))
    assert on_it > 0.92 and on_another < 0.8  # the lines lie on the picture


def test_published_files_must_give_the_published_rows(sets: dict[str, Packed], tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    shutil.copytree(Path(sets["openmoji-lines"].path).parent / "raw", raw)
    provenance = read_sealed(raw / "SOURCE.json")
    for record in provenance["files"].values():
        del record["as_published"]
    write_sealed(raw / "SOURCE.json", provenance)
    with pytest.raises(DataError, match=r"gives the splits .* 27.* instead of \{'train': 1919, 'test': 213\}"):
        pack(Data(name="openmoji-lines", size=SIZE), raw, tmp_path / "packed", workers=1)
    assert not list(tmp_path.glob("packed/*"))
