"""`ganpipe reproduce`: put back the params and the pipeline that a run was computed with, and run them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ganpipe import paths
from ganpipe.errors import ConfigError
from ganpipe.files import write_bytes
from ganpipe.tracking.api import copy_recipe
from ganpipe.tracking.run_metadata import CODE_DIFF, COMMIT, RECIPE_FILES, RECIPE_FOLDER, code_diff, git


def reproduce(name: str, force: bool = False) -> int:
    """Put back params.yaml, dvc.yaml and dvc.lock of a run, run `dvc repro`, and return its exit code.

    `name` is that of a run or the beginning of its id. Says where the code here is not that of the run. What lies in
    DVC's cache is not computed again. Raises `ConfigError` for an unknown run, for one without these files, and where
    uncommitted changes would be lost, unless `force`; then copies stay beside the files, with `.bak` behind the name.
    """
    with tempfile.TemporaryDirectory(prefix="ganpipe-reproduce-") as folder:
        kept = Path(folder)
        run = copy_recipe(name, kept)
        if run is None:
            raise ConfigError(f"run {name!r} is unknown; see `ganpipe ui` for names and ids")
        found = ((path, kept / RECIPE_FOLDER / path) for path in RECIPE_FILES)
        files = {path: copy.read_bytes() for path, copy in found if copy.is_file()}
        diff = (kept / CODE_DIFF).read_text(encoding="utf-8") if (kept / CODE_DIFF).is_file() else ""
    if paths.PARAMS not in files:
        raise ConfigError(f"run {run.name} holds no {paths.PARAMS}: it was written by a ganpipe that kept none")
    _put_back(files, force)
    print(f"{', '.join(map(str, files))} are now those of run {run.name}.", flush=True)
    if line := _about_code(run.tags.get(COMMIT, ""), diff):
        print(line, flush=True)
    return subprocess.call([sys.executable, "-m", "dvc", "repro"])


def _put_back(files: Mapping[Path, bytes], force: bool) -> None:
    differing = [path for path, content in files.items() if path.is_file() and path.read_bytes() != content]
    lost = [
        path for path in differing if git("status", "--porcelain", "--", str(path)) or not git("ls-files", str(path))
    ]
    if lost and not force:
        names = " and ".join(map(str, lost))
        raise ConfigError(f"{names} hold changes that are not committed: commit them, or add --force (.bak files stay)")
    for path in lost:
        path.rename(path.with_name(f"{path.name}.bak"))
    for path, content in files.items():
        write_bytes(path, content)


def _about_code(commit: str, diff: str) -> str:
    """Return a line where the code here is not the code of the run: `commit`, changed by `diff`."""
    known = git("rev-parse", "--quiet", "--verify", f"{commit}^{{commit}}").strip() if commit else ""
    if not commit or (known and code_diff(known) == diff):
        return ""
    same = f"`git checkout {commit[:12]}`" + (f" and `git apply` of its {CODE_DIFF}" if diff else "")
    return f"The code here is not that of the run, so the result may differ; its own code: {same}, then this command."
