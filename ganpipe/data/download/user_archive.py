"""What an archive or a NumPy file of the user's own is, by its content: the name of the raw file it is copied to."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from pathlib import Path

from ganpipe.data.catalogue.folders import ARCHIVES, ARRAYS
from ganpipe.errors import ConfigError

_ZIP, _TAR = ARCHIVES
_NPY, _NPZ = ARRAYS
_ZIP_MARKS = (b"PK\3\4", b"PK\5\6")  # of a zip with members and without any


def raw_name(path: Path) -> str | None:
    """Return the name under which packing finds a copy of the file `path`; None: it is of no kind that can be read.

    Raises `ConfigError` where the file cannot be opened, or is a damaged zip.
    """
    try:
        with path.open("rb") as opened:
            beginning = opened.read(8)
        if beginning.startswith(b"\x93NUMPY"):
            return _NPY
        if beginning.startswith(_ZIP_MARKS):
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
            return _NPZ if names and all(name.endswith(".npy") for name in names) else _ZIP
        return _TAR if tarfile.is_tarfile(path) else None
    except OSError as error:
        raise ConfigError(f"data.source = {str(path)!r}: cannot be read: {error.strerror or error}") from None
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise ConfigError(f"data.source = {str(path)!r}: is a damaged zip file: {error}") from None
    except (EOFError, zlib.error):  # of a damaged compressed file
        return None
