"""Emoji as drawings: which drawings make the rows of a set, with names, skin tones and splits.

Splits depend on names alone: those whose sha256 comes first are held out. So all drawings of a name, in every skin tone
and by every vendor, are in one split, but for `valid` of the captioned emoji.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from ganpipe.core.captions import words_of
from ganpipe.data.catalogue.dataset import Dataset
from ganpipe.data.catalogue.drawings import (
    EmojiCaptions,
    EmojiPairs,
    EmojiStyles,
    EmojiTexts,
    EmojiTones,
    IconSet,
    OpenMojiPairs,
)
from ganpipe.data.catalogue.emoji import GENDERS, GROUPS, HAIR, NO_TONE, TONES, TWO_TONES
from ganpipe.data.pack.archives import ADVICE, members
from ganpipe.data.pack.items import TEST, TRAIN, VALID, Item
from ganpipe.errors import DataError

_FLAGS = "flags"
_OPENMOJI = {"a": "black", "b": "color"}  # the folder of each field
_OPENMOJI_TABLE = "package/data/openmoji.json"
_SKIN_TONE = tuple(f"-{tone}" for tone in sorted(TONES, key=len, reverse=True))  # the ends of Fluent's names
_DAMAGE = (KeyError, TypeError, ValueError, AttributeError, IndexError)


@dataclass(frozen=True)
class Emoji:
    """An emoji of the table of names."""

    code: str  # its code points as in `_code`
    name: str  # in English, with its skin tone
    base: str  # the name without a skin tone
    tone: str  # one of `TONES`, several for pairs of people, or `NO_TONE`
    group: str  # one of `GROUPS`; empty: of none
    gender: str  # one of `GENDERS`; empty: not told

    @property
    def attributes(self) -> set[str]:
        """The attributes that this emoji has, by the names of the catalogue."""
        hair = {look for look in HAIR if set(words_of(look)) <= set(words_of(self.name))}
        return {self.group, f"{self.tone} skin tone", self.gender} | hair


class Icons:
    """The drawings of a JSON file of Iconify, by name. Raises `DataError` where it is another file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        content = _json(path)
        try:
            self._side, self._icons = int(content["width"]), dict(content["icons"])
        except _DAMAGE:
            raise DataError(f"{path}: is no JSON file of Iconify: it lacks icons or width; {ADVICE}") from None

    @property
    def names(self) -> set[str]:
        """The names of all drawings."""
        return set(self._icons)

    def svg(self, name: str) -> bytes:
        """Return a drawing as an SVG file, square as all of this file are meant to be.

        A few icons are recorded a little higher or wider than that, and are drawn at the same scale as all others, so
        that drawings of one thing stay aligned. One that is not as high stands in the middle.
        """
        try:
            icon = self._icons[name]
            top = min(0.0, (float(icon.get("height", self._side)) - self._side) / 2)
            body = str(icon["body"])
        except _DAMAGE:
            raise DataError(f"{self._path}: has no sound drawing {name!r}; {ADVICE}") from None
        box = f"0 {top:g} {self._side} {self._side}"
        spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
        return f'<svg {spaces} viewBox="{box}">{body}</svg>'.encode()


class Vendor:
    """The drawings of a vendor by code points. Raises `DataError` where the files are others."""

    def __init__(self, files: IconSet, raw: Path) -> None:
        self.name, self._icons = files.vendor, Icons(raw / files.icons)
        names = _json(raw / files.chars)
        if not isinstance(names, dict):
            raise DataError(f"{raw / files.chars}: is no table of code points; {ADVICE}")
        self._names = {_code(code): name for code, name in names.items()}

    @property
    def codes(self) -> set[str]:
        """The code points of all emoji that this vendor has drawn."""
        return set(self._names)

    def item(self, emoji: Emoji, **more: Any) -> Item:
        """Return the drawing of an emoji; `more` are further parts of the item."""
        return Item(f"{emoji.name} ({self.name})", self._icons.svg(self._names[emoji.code]), None, **more)


def read_emoji(path: Path) -> dict[str, Emoji]:
    """Read emojibase's data.json: all emoji and their skin tones by code points. Raises `DataError`."""
    table: dict[str, Emoji] = {}
    try:
        for entry in _json(path):
            for one in (entry, *entry.get("skins", ())):
                table[_code(one["hexcode"])] = _emoji(entry, one)
    except _DAMAGE as error:
        raise DataError(
            f"{path}: is not emojibase's table of emoji ({type(error).__name__}: {error}); {ADVICE}"
        ) from None
    return table


def _emoji(entry: Mapping[str, Any], one: Mapping[str, Any]) -> Emoji:
    """Return an emoji of the table; `one` is the entry itself or one of its skin tones."""
    tones = one.get("tone", [])
    tones = tones if isinstance(tones, list) else [tones]
    return Emoji(
        _code(one["hexcode"]),
        str(one["label"]),
        str(entry["label"]),
        ", ".join(TONES[tone - 1] for tone in tones) or NO_TONE,
        GROUPS[entry["group"]] if "group" in entry else "",
        GENDERS[one["gender"]] if "gender" in one else "",
    )


def held_out(names: Iterable[str], count: int | None = None) -> set[str]:
    """Return `count` of these names, None: a tenth of them, rounded down; the same on every machine."""
    different = sorted(set(names), key=lambda name: hashlib.sha256(name.encode()).digest())
    return set(different[: len(different) // 10 if count is None else count])


def captioned_emoji(dataset: Dataset, raw: Path) -> Iterator[Item]:
    """Yield the drawings of all vendors of the emoji that all have drawn, by name and vendor."""
    layout = dataset.layout
    assert isinstance(layout, EmojiCaptions)
    vendors = [Vendor(files, raw) for files in layout.sets]
    common = _common(read_emoji(raw / layout.table), vendors)
    splits = _captioned_splits(common)
    for emoji in common:
        columns = {"caption": words_of(emoji.name), "attributes": _attributes(emoji, dataset.names("attributes"))}
        for vendor in vendors:
            yield vendor.item(emoji, split=splits[emoji.name], columns=columns | {"label": vendor.name})


def emoji_with_texts(dataset: Dataset, raw: Path) -> Iterator[Item]:
    """Yield the drawings of `captioned_emoji` with a caption, "red apple, noto style", and one with a part swapped.

    Swapped is the vendor or, where there is one in the same split, the skin tone; which, the sha256 of the caption
    says.
    """
    layout = dataset.layout
    assert isinstance(layout, EmojiTexts)
    vendors = [Vendor(files, raw) for files in layout.sets]
    common = _common(read_emoji(raw / layout.table), vendors)
    splits = _captioned_splits(common)
    alike: dict[tuple[str, str], list[str]] = {}
    for emoji in common:
        alike.setdefault((emoji.base, splits[emoji.name]), []).append(emoji.name)
    for emoji in common:
        toned = [name for name in alike[emoji.base, splits[emoji.name]] if name != emoji.name]
        tone = TWO_TONES if "," in emoji.tone else emoji.tone
        for vendor in vendors:
            caption = _in_style(emoji.name, vendor)
            others = [_in_style(emoji.name, other) for other in vendors if other is not vendor]
            number = int.from_bytes(hashlib.sha256(caption.encode()).digest()[:8], "big")
            found = [_in_style(name, vendor) for name in toned] if toned and number % 2 else others
            columns = {"caption": caption, "swapped": found[number // 2 % len(found)], "label": vendor.name}
            columns |= {"subject": emoji.group, "tone": tone}
            yield vendor.item(emoji, split=splits[emoji.name], columns=columns)


def _in_style(name: str, vendor: Vendor) -> str:
    return f"{name}, {vendor.name.lower()} style"


def _captioned_splits(common: Sequence[Emoji]) -> dict[str, str]:
    """Return the split of each name: test for a tenth of the names, valid for a tenth of the others' skin tones."""
    tested = held_out(emoji.base for emoji in common)
    checked = held_out(emoji.name for emoji in common if emoji.tone != NO_TONE and emoji.base not in tested)
    return {emoji.name: TEST if emoji.base in tested else VALID if emoji.name in checked else TRAIN for emoji in common}


def _attributes(emoji: Emoji, names: tuple[str, ...]) -> UInt8[np.ndarray, " k"]:
    found = emoji.attributes
    return np.array([name in found for name in names], np.uint8)


def emoji_in_tones(dataset: Dataset, raw: Path) -> Iterator[Item]:
    """Yield the drawings of all vendors of the people that all have drawn in all skin tones."""
    layout = dataset.layout
    assert isinstance(layout, EmojiTones)
    vendors = [Vendor(files, raw) for files in layout.sets]
    people: dict[str, dict[str, Emoji]] = {}
    for emoji in _common(read_emoji(raw / layout.table), vendors):
        people.setdefault(emoji.base, {})[emoji.tone] = emoji
    people = {person: tones for person, tones in people.items() if {NO_TONE, *TONES} <= tones.keys()}
    tested = held_out(people)
    for person, tones in people.items():
        split = TEST if person in tested else TRAIN
        for vendor in vendors:
            for number, tone in enumerate((NO_TONE, *TONES)):
                columns = {"label": tone, "vendor": vendor.name, "person": person}
                key = f"{person} {vendor.name} {number}"  # the six of a person and vendor are neighbours, in this order
                yield vendor.item(tones[tone], split=split, columns=columns, key=key)


def emoji_in_styles(dataset: Dataset, raw: Path) -> Iterator[Item]:
    """Yield drawings of two vendors: pairs for the split test, of different emoji for the split train."""
    layout = dataset.layout
    assert isinstance(layout, EmojiStyles)
    a, b = (Vendor(files, raw) for files in (layout.a, layout.b))
    plain = [
        emoji
        for emoji in _common(read_emoji(raw / layout.table), [a, b])
        if emoji.tone == NO_TONE and emoji.group != _FLAGS
    ]
    tested = held_out((emoji.name for emoji in plain), layout.held_out)
    for emoji in (emoji for emoji in plain if emoji.name in tested):
        yield a.item(emoji, split=TEST, field="a", key=emoji.name)
        yield b.item(emoji, split=TEST, field="b", key=emoji.name)
    for number, emoji in enumerate(emoji for emoji in plain if emoji.name not in tested):
        yield (b if number % 2 else a).item(emoji, field="b" if number % 2 else "a", key=emoji.name)


def emoji_pairs(dataset: Dataset, raw: Path) -> Iterator[Item]:
    """Yield the drawings whose name is in both files, as the fields a and b."""
    layout = dataset.layout
    assert isinstance(layout, EmojiPairs)
    sides = {"a": Icons(raw / layout.a), "b": Icons(raw / layout.b)}
    names = sorted(sides["a"].names & sides["b"].names)
    tested = held_out(map(_without_tone, names))
    for name in names:
        split = TEST if _without_tone(name) in tested else TRAIN
        for field, icons in sides.items():
            yield Item(f"{name} ({field})", icons.svg(name), None, split, field=field, key=name)


def openmoji_pairs(dataset: Dataset, raw: Path) -> Iterator[Item]:
    """Yield the drawings of OpenMoji in lines and in colours, as the fields a and b, in the order of the archive."""
    layout = dataset.layout
    assert isinstance(layout, OpenMojiPairs)
    path = raw / layout.archive
    splits = _openmoji_splits(path)
    files = {
        f"package/{folder}/svg/{code}.svg": (field, code) for code in splits for field, folder in _OPENMOJI.items()
    }
    missing = set(files)
    for member in members(path, files.__contains__):
        field, code = files[member.name]
        missing.discard(member.name)
        yield Item(member.name, member.content, member.problem, splits[code], field=field, key=code)
    if missing:
        raise DataError(f"{path}: has no {min(missing)}, which its table names; {ADVICE}")


def _openmoji_splits(path: Path) -> dict[str, str]:
    """Return the splits of the emoji that are taken, by the names of their files."""
    found = next(members(path, _OPENMOJI_TABLE.__eq__), None)
    if found is None or found.problem:
        raise DataError(f"{path}: its member {_OPENMOJI_TABLE} {found.problem if found else 'is missing'}; {ADVICE}")
    try:
        names = {
            entry["hexcode"]: str(entry["annotation"])
            for entry in json.loads(found.content)
            if not entry["skintone"]
            and entry["group"] not in (_FLAGS, "component")
            and "flag" not in entry["subgroups"]
        }
    except _DAMAGE:
        raise DataError(f"{path}: {_OPENMOJI_TABLE} is not OpenMoji's table of emoji; {ADVICE}") from None
    tested = held_out(names.values())
    return {code: TEST if name in tested else TRAIN for code, name in names.items()}


def _common(table: Mapping[str, Emoji], vendors: Sequence[Vendor]) -> list[Emoji]:
    """Return the emoji that have a name and that all vendors have drawn, by name."""
    codes = set(table).intersection(*(vendor.codes for vendor in vendors))
    return sorted((table[code] for code in codes), key=lambda emoji: (emoji.name, emoji.code))


def _without_tone(name: str) -> str:
    """Return a name of Fluent's without its skin tone."""
    return next((name.removesuffix(end) for end in _SKIN_TONE if name.endswith(end)), name)


def _code(points: str) -> str:
    """Return code points in one spelling: lower case, without the mark that asks for a coloured picture."""
    return "-".join(point for point in points.lower().split("-") if point != "fe0f")


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}; {ADVICE}") from None
    except ValueError as error:
        raise DataError(f"{path}: is no JSON file: {error}; {ADVICE}") from None
