"""The catalogue as text: a table of all data sets, and a card of one with its fields, files, hashes and addresses."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from ganpipe.config import choose
from ganpipe.core.spec import VALUES
from ganpipe.data.catalogue.dataset import Dataset, Glyphs, RawField, RawFile, UserFolders
from ganpipe.data.catalogue.drawings import Drawings
from ganpipe.data.catalogue.origins import Embedded, EmbeddedFolder, Generated, NpmPackage, Published
from ganpipe.data.catalogue.sets import DATASETS
from ganpipe.files import readable_size

_WIDTH = 100  # columns


def table() -> list[str]:
    """Return one aligned line per data set, below a line of titles."""
    rows = [("name", "rows", "download", "licence", "what it is"), *(map(_row, DATASETS.values()))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        f"{name:<{widths[0]}}  {count:>{widths[1]}}  {size:>{widths[2]}}  {terms:<{widths[3]}}  {title}"
        for name, count, size, terms, title in rows
    ]


def card(name: str) -> list[str]:
    """Return all that is known of a data set; raise `ConfigError` where its name is unknown."""
    dataset = DATASETS[choose("data set", name, DATASETS, where="ganpipe dataset show")]
    facts = {
        dataset.name: dataset.title,
        "rows": _rows(dataset),
        **{name: _field(field, dataset) for name, field in dataset.fields.items()},
        "packed as": dataset.transform,
        "from": dataset.source,
        "licence": dataset.licence,
        "cite": dataset.citation,
        "raw files": _summary(type(dataset.layout)),
    }
    lines = [line for title, text in facts.items() if text for line in _wrapped(title, text)]
    return lines + [line for file in dataset.files for line in _file(file)]


def _row(dataset: Dataset) -> tuple[str, str, str, str, str]:
    on_the_web = isinstance(dataset.files[0].origin, Published | NpmPackage)
    size = readable_size(dataset.nbytes) if on_the_web and dataset.nbytes is not None else "-"
    return dataset.name, "-" if dataset.count is None else f"{dataset.count:,}", size, dataset.terms, dataset.title


def _rows(dataset: Dataset) -> str:
    if dataset.count is None:
        return "as many as the raw files give"
    splits = ", ".join(f"{name} {length:,}" for name, length in dataset.splits)
    return f"{dataset.count:,}" + (f": {splits}" if splits else "")


def _field(field: RawField, dataset: Dataset) -> str:
    """Return what one value of a field is, with its names."""
    space = "" if field.space == "items" else f", in a space of its own ({field.space})"
    match field.kind:
        case "image":
            drawn = isinstance(dataset.layout, Drawings | Glyphs)
            return ("drawings, of any size" if drawn else _image(field.shape)) + space
        case "label":
            if field.names:
                return f"one of the classes {', '.join(field.names)}"
            own = isinstance(dataset.layout, UserFolders)
            return (
                "the subfolders or labels, where there are some"
                if own
                else "one of the classes that the raw files name"
            )
        case "attributes":
            return f"yes or no: {', '.join(field.names)}"
        case "sequence":
            return f"sequences of {(field.shape or (0,))[0]} steps: {', '.join(field.names)}" + space
        case "text":
            return "texts, encoded once by data.encoder: features of their tokens" + space
        case "tokens":
            return f"texts of at most {(field.shape or (0,))[0]} words and marks, as numbers; 0 is none" + space
    return f"{VALUES[field.kind]} of {' x '.join(map(str, field.shape or ()))} numbers" + space


def _image(shape: tuple[int, ...] | None) -> str:
    if shape is None:
        return "images of many shapes"
    channels, height, width = shape
    return f"{'colour' if channels == 3 else 'grey'} images, {width} x {height} pixels"


def _file(file: RawFile) -> Iterator[str]:
    size = "" if file.size is None else f"{file.size:,} bytes"
    yield from _wrapped("file", f"{file.name}  {size}".rstrip())
    if file.sha256 is not None:
        yield from _wrapped("", f"sha256 {file.sha256}")
    if file.content is not None:
        yield from _wrapped("", f"or any gzip file of {file.content.size:,} bytes with sha256 {file.content.sha256}")
    match file.origin:
        case Published(urls):
            yield from (line for url in urls for line in _wrapped("", url))
        case NpmPackage() as origin:
            what = "the npm package" if origin.member is None else f"{origin.member} of the npm package"
            yield from _wrapped("", f"{what} {origin.spec}, fetched by npm")
            yield from (line for url in origin.urls for line in _wrapped("", url))
        case Embedded() as origin:
            yield from _wrapped("", f"carried by the Python package {origin.project}")
        case EmbeddedFolder() as origin:
            what = f"{origin.folder}/{origin.pattern} of the Python package {origin.package}"
            yield from _wrapped("", f"a tar of {what}, which `pip install '{origin.project}'` brings")
        case Generated():
            yield from _wrapped("", "computed here")
        case _:
            yield from _wrapped("", "made of the folder data.source, or a copy of the archive or arrays that it names")


def _wrapped(title: str, text: str) -> list[str]:
    lines = textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
    return [f"{title if number == 0 else '':<18}{line}" for number, line in enumerate(lines)]


def _summary(layout: type) -> str:
    """Return the first paragraph of the description of a layout."""
    return " ".join((layout.__doc__ or "").split("\n\n")[0].split())
