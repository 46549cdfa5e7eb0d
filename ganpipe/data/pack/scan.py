"""A first look at an archive: which of its files are pictures, and in which folders they lie.

The archive is the tar file that `download` made of a folder, a zip or tar of the user's own, or a published one. In the
latter two, one folder at the top that wraps everything is looked through, unless its name is that of a split.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ganpipe.data.catalogue.folders import ARCHIVES, FOLDER_TAR
from ganpipe.data.download.user_folder import HIDDEN
from ganpipe.data.pack.archives import Member, leads_out, members
from ganpipe.data.pack.items import is_hidden
from ganpipe.data.pack.left_out import Quarantine, counted
from ganpipe.data.pack.recognise import (
    MISSING_HEIC,
    can_read_heic,
    enough,
    is_heic,
    is_picture,
    kind_of,
    named_as_picture,
)
from ganpipe.data.pack.split_folders import split_of
from ganpipe.errors import DataError
from ganpipe.progress import progress

ADVICE = "mend what data.source names in params.yaml, and run `dvc repro`"


@dataclass
class Scan:
    """What an archive holds: pictures in their order, files of other kinds by folder, all folders.

    Hidden files and folders are no part of it. Names are those of the archive; `inside` takes the wrapping folder off.
    """

    path: Path
    pictures: dict[str, None] = field(default_factory=dict)  # a set in the order of the archive
    folders: set[str] = field(default_factory=set)  # those inside of others, too
    kinds: dict[str, Counter[str]] = field(default_factory=dict)  # of files that are no pictures, by folder
    wrapper: str = ""  # with its slash; empty: none

    def inside(self, name: str) -> str:
        """Return the name of a file or folder without the folder that wraps everything."""
        return name.removeprefix(self.wrapper)

    def read(self) -> Iterator[Member]:
        """Yield the pictures with their content, or with the reason why there is none."""
        return members(self.path, self.pictures.__contains__, advice=ADVICE)

    def contents(self, folder: str) -> str:
        """Return what a folder without pictures holds, as the end of a sentence; `folder` is its name inside."""
        found: Counter[str] = Counter()
        for name, kinds in self.kinds.items():
            if f"{self.inside(name)}/".startswith(f"{folder}/"):
                found += kinds
        return f"it holds {counted(found)}" if found else "it is empty"


def scan(raw: Path, archive: str, bad: Quarantine) -> Scan:
    """Look at every file of the archive in `raw` of this name, or of the user's own archive in its place.

    Reports to `bad` what is no picture.

    Raises `DataError` where there is no archive or none that can be read, and where a picture needs an extra that is
    not installed: what is packed must not depend on the machine.
    """
    found = Scan(archive_in(raw, archive))
    with progress("Looking at", None, "files") as bar:
        for member in members(found.path, lambda name: name != "./", enough, ADVICE):
            _note(found, member, bad)
            bar.advance()
    if found.path.name != FOLDER_TAR and (top := _wrapper(found)):
        found.wrapper = f"{top}/"
        found.folders.discard(top)
    return found


def archive_in(raw: Path, archive: str) -> Path:
    """Return the archive of the user's own in `raw`, or the one of this name where there is none."""
    return next((raw / name for name in ARCHIVES if (raw / name).is_file()), raw / archive)


def _note(found: Scan, member: Member, bad: Quarantine) -> None:
    """Sort a file or folder into what was found."""
    name, folder = member.name, member.name.rpartition("/")[0]
    if is_hidden(name):
        if not name.endswith("/"):
            bad.add_beside(name, HIDDEN, HIDDEN)
        return
    if folder and not leads_out(name):
        found.folders.add(folder)
    if name.endswith("/"):
        return
    if named_as_picture(name) if member.problem else is_picture(name, member.content):
        if is_heic(member.content) and not can_read_heic():
            raise DataError(f"{found.path}: {name!r} {MISSING_HEIC}")
        found.pictures[name] = None
    else:
        found.kinds.setdefault(folder, Counter())[kind_of(name)] += 1
        bad.add_beside(name, kind_of(name), member.problem or "is no picture in a format that is read")


def _wrapper(found: Scan) -> str | None:
    """Return the folder at the top that holds all pictures and folders; None: there is none."""
    tops = {name.split("/")[0] for name in found.folders}
    loose = any("/" not in name for name in found.pictures)
    top = next(iter(tops), "")
    return top if len(tops) == 1 and not loose and split_of(top) is None else None
