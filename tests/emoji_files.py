"""Small npm packages of emoji in the exact layout of the published ones. Every drawing is a square of one colour, or a
disc for those who want to learn from it."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ganpipe.config import Data
from ganpipe.data.catalogue.emoji import EMOJI, EMOJI_LINES, EMOJI_SHADING, OPENMOJI_LINES, TONES
from ganpipe.data.catalogue.origins import NpmPackage
from ganpipe.data.download.stage import download

VENDORS = ("Twemoji", "Noto", "Fluent", "OpenMoji")  # in the order of the catalogue
SIDES = dict(zip(VENDORS, (36, 128, 32, 72), strict=True))
PEOPLE = tuple(f"person {number}" for number in range(20))
THINGS = tuple(f"thing {number}" for number in range(180))
FLAG = "flag of nowhere"
ORIGINS = {
    file.name: file.origin
    for dataset in (EMOJI, EMOJI_LINES, EMOJI_SHADING, OPENMOJI_LINES)
    for file in dataset.files
    if isinstance(file.origin, NpmPackage)
}


def names() -> list[str]:
    """The names of all emoji, in the order of their code points from 1000 (hexadecimal) on."""
    toned = [name for person in PEOPLE for name in (person, *(f"{person}: {tone} skin tone" for tone in TONES))]
    return [*toned, *THINGS, FLAG]


def code(name: str) -> str:
    """The code points of an emoji, with the mark that asks for a coloured picture."""
    return f"{0x1000 + names().index(name):X}-FE0F"


def icon(name: str) -> str:
    """The name of a drawing."""
    return name.replace(": ", "-").replace(" skin tone", "").replace(" ", "-")


def colour(vendor: int, name: str) -> tuple[int, int, int]:
    """The colour of the drawing of an emoji by a vendor, which is like no other."""
    number = names().index(name)
    return vendor, number // 256, number % 256


def body(red: int, green: int, blue: int, side: int) -> str:
    return f'<path fill="#{red:02x}{green:02x}{blue:02x}" d="M0 0h{side}v{side}H0z"/>'


def disc(vendor: int, high: int, low: int, side: int) -> str:
    """A disc whose place, radius and colour are those of an emoji and a vendor, see `colour`."""
    number = 256 * high + low
    x, y, radius = (side * (least + most * (number * step % 11) / 10) for least, most, step in _PLACES)
    return f'<circle cx="{x}" cy="{y}" r="{radius}" fill="hsl({(37 * number + 60 * vendor) % 360},80%,50%)"/>'


_PLACES = ((0.35, 0.3, 1), (0.35, 0.3, 3), (0.15, 0.2, 7))

Drawn = Callable[[int, int, int, int], str]


def table() -> list[dict[str, Any]]:
    """The table of names, as emojibase's data.json."""
    entries: list[dict[str, Any]] = []
    for person in PEOPLE:
        skins = [
            {"label": f"{person}: {tone} skin tone", "hexcode": code(f"{person}: {tone} skin tone"), "tone": number}
            for number, tone in enumerate(TONES, 1)
        ]
        entries.append({"label": person, "hexcode": code(person), "group": 1, "gender": 1, "skins": skins})
    entries += [{"label": thing, "hexcode": code(thing), "group": 7, "tags": ["x"]} for thing in THINGS]
    return [
        *entries,
        {"label": FLAG, "hexcode": code(FLAG), "group": 9},
        {"label": "letter no vendor has", "hexcode": "1F1E7"},
    ]


def icons(vendor: int, drawn: Drawn = body) -> dict[str, Any]:
    """The drawings of a vendor, as Iconify's icons.json."""
    side = SIDES[VENDORS[vendor % len(VENDORS)]]
    bodies = {icon(name): {"body": drawn(*colour(vendor, name), side)} for name in names()}
    return {"prefix": "x", "icons": bodies, "aliases": {}, "width": side, "height": side}


def chars() -> dict[str, str]:
    """The names of the drawings by code points, as Iconify's chars.json."""
    return {code(name).lower().removesuffix("-fe0f"): icon(name) for name in names()}


def members(drawn: Drawn = body) -> dict[str, bytes]:
    """The content of every raw file of the sets, but that of OpenMoji's own package."""
    found: dict[str, Any] = {"emojibase-en.json": table()}
    for number, stem in enumerate(("twemoji", "noto", "fluent-flat", "openmoji")):
        found |= {f"{stem}-icons.json": icons(number, drawn), f"{stem}-chars.json": chars()}
    found |= {"fluent-line-icons.json": icons(4, drawn), "fluent-shaded-icons.json": icons(5, drawn)}
    return {name: json.dumps(content, ensure_ascii=False).encode() for name, content in found.items()}


def openmoji() -> dict[str, bytes]:
    """The files of OpenMoji's own package that matter."""
    rows = [(code(name), name, "objects", "", "") for name in THINGS[:30]]
    rows += [
        ("1F1E6", "a flag", "flags", "country-flag", ""),
        ("1F3F4", "a banner", "extras", "subdivision-flag", ""),
        ("1F3FB", "a tone", "component", "skin-tone", ""),
        ("1F9D1", "a person", "people-body", "person", "1"),
    ]
    keys = ("hexcode", "annotation", "group", "subgroups", "skintone")
    found = {"data/openmoji.json": json.dumps([dict(zip(keys, row, strict=True)) for row in rows]).encode()}
    for number, (points, *_) in enumerate(rows):
        for red, folder in enumerate(("black", "color")):
            svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 72 72">{body(red, 0, number, 72)}</svg>'
            found[f"{folder}/svg/{points}.svg"] = svg.encode()
    return found


def write_package(path: Path, files: Mapping[str, bytes]) -> None:
    """Write a package as npm does: a gzipped tar file of the folder `package`."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(f"package/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def write_packages(folder: Path, drawn: Drawn = body) -> None:
    """Write the packages of all sets to a folder, under the names that npm gives them."""
    packages: dict[str, dict[str, bytes]] = {ORIGINS["openmoji-17.0.0.tgz"].tarball: openmoji()}
    for name, content in members(drawn).items():
        origin = ORIGINS[name]
        assert origin.member is not None
        packages.setdefault(origin.tarball, {"package.json": b"{}"})[origin.member] = content
    for tarball, files in packages.items():
        write_package(folder / tarball, files)


def write_raw(folder: Path, name: str) -> None:
    """Make `folder` the raw files of a set of emoji, as `download` leaves them; the drawings are discs."""
    with tempfile.TemporaryDirectory() as packages:
        write_packages(Path(packages), disc)
        download(Data(name=name, source=packages, verify=False), folder)
