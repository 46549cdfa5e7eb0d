"""A copy of this working tree as a git repository of its own, with the commands a user types there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from conftest import REPOSITORY


class Checkout:
    """A clone of this working tree, with the commands a user types there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "MLFLOW_TRACKING"))}
        self.environment |= {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "DVC_TEST": "true",  # no process that asks for a newer DVC after each command
            "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b",
        }  # fmt: skip

    def run(self, command: str, code: int | None = 0) -> str:
        """Run a command line, check its exit code (None: any but 0), and return all it printed."""
        done = subprocess.run(
            command, shell=True, cwd=self.folder, env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=400,
        )  # fmt: skip
        assert done.returncode == code if code is not None else done.returncode != 0, done.stdout
        return done.stdout

    def commit(self) -> None:
        self.run("git add -A && git commit -qm state")

    def metrics(self) -> dict[str, Any]:
        return json.loads((self.folder / "data/metrics.json").read_text())

    def file(self, name: str) -> bytes:
        return (self.folder / "data" / name).read_bytes()

    def rows(self) -> list[Any]:
        """The rows of the MLflow table, newest first."""
        from mlflow import MlflowClient

        client = MlflowClient(f"sqlite:///{self.folder}/mlflow.db")
        return list(client.search_runs([client.get_experiment_by_name("ganpipe").experiment_id]))

    def artifacts(self, row: Any) -> set[str]:
        """The names of all files of a row."""
        folder = Path(row.info.artifact_uri.removeprefix("file://"))
        return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}

    def use(self, recipe: str, **values: str) -> None:
        """Take a recipe and set some of its lines, by key."""
        self.run(f"ganpipe recipe use {recipe} --force")
        path = self.folder / "params.yaml"
        text = path.read_text()
        for key, value in values.items():
            text, count = re.subn(rf"(?m)^  {key}:.*$", f"  {key}: {value}".rstrip(), text, count=1)
            assert count == 1, key
        path.write_text(text)


def copy_working_tree(folder: Path) -> Checkout:
    """Copy what git knows or would add, without results, to an empty folder, and commit it there."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (REPOSITORY / name).is_file() and name != "dvc.lock":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, folder / name)
    checkout = Checkout(folder)
    checkout.run("git init -q -b main")
    checkout.commit()
    return checkout
