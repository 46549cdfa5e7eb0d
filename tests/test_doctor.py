"""`ganpipe doctor`: a line for each thing, and for what is at fault what to do."""

from __future__ import annotations

import http.server
import json
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ganpipe import doctor, paths
from ganpipe.cli import app
from ganpipe.config import Params

Workspace = Callable[[str], Params]
Look = Callable[[str], doctor.Finding]


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> Look:
    """Return a function that looks at one thing alone."""
    whole = dict(doctor._LOOKS)

    def at(about: str) -> doctor.Finding:
        monkeypatch.setattr(doctor, "_LOOKS", {about: whole[about]})
        (found,) = doctor.findings()
        return found

    return at


def repository() -> None:
    """Make the current folder a git repository with a commit."""
    subprocess.run(["git", "init", "-q"], check=True)
    named = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *named, "commit", "-qm", "first", "--allow-empty"], check=True)


def test_a_workspace_in_which_all_is_well(workspace: Workspace) -> None:
    workspace("pattern-1010")
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=b", "commit", "-qm", "c", "--allow-empty"], check=True
    )
    subprocess.run(["git", "config", "user.name", "a"], check=True)
    subprocess.run(["git", "config", "user.email", "a@example.org"], check=True)
    found = {finding.about: finding for finding in doctor.findings()}
    assert list(found) == list(doctor._LOOKS)
    assert {name for name, finding in found.items() if finding.todo} == {"dvc"}  # no pipeline in a miniature
    assert found["params"].found == "pattern_gan on pattern"
    assert found["device"].found == "runtime.device = auto is cpu"
    assert "every row of" in found["data"].found


def test_the_command_ends_with_1_where_something_is_to_be_done(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    few = {name: doctor._LOOKS[name] for name in ("python", "params")}
    monkeypatch.setattr(doctor, "_LOOKS", few)
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 1
    first, second = done.output.splitlines()
    assert first.startswith("OK  python       3.")
    assert second.startswith("!!  params       at fault: params.yaml: no such file; run `ganpipe recipe use")
    monkeypatch.setattr(doctor, "_LOOKS", {"python": few["python"]})
    assert CliRunner().invoke(app, ["doctor"]).exit_code == 0


def test_a_place_without_git_and_dvc(look: Look, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert "git init" in look("git").todo
    assert look("dvc").todo == "`dvc init`"
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=b", "commit", "-qm", "c", "--allow-empty"], check=True
    )
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, "/dev/null")
    subprocess.run(["git", "config", "user.useConfigOnly", "true"], check=True)
    assert "git config user.name" in look("git").todo


def test_data_that_its_manifest_does_not_name(look: Look, workspace: Workspace) -> None:
    workspace("pattern-1010")
    manifest = json.loads(paths.MANIFEST.read_text())
    paths.MANIFEST.write_text(json.dumps({**manifest, "content_sha256": "0123456789"}))
    assert "names the content 01234567, but the file beside it holds" in look("data").todo


def test_weights_that_are_damaged(look: Look, workspace: Workspace) -> None:
    workspace("pattern-1010")
    (file,) = doctor.TABLE["hed"].files
    path = paths.state_dir() / "weights" / "hed" / file.name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half")
    found = look("weights")
    assert str(path) in found.found
    assert found.todo.startswith(f"`rm {path}`")


@pytest.fixture
def answering() -> Iterator[Callable[[int], str]]:
    """Return a function that starts a server which answers every request with a status, and returns its address."""
    servers = []

    def start(status: int) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()


def test_stores_of_rows(
    look: Look, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, answering: Callable[[int], str]
) -> None:
    workspace("pattern-1010")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert "will be made by the first run" in look("tracking").found
    store = paths.main_root() / "mlflow.db"
    with sqlite3.connect(store) as database:
        database.execute("CREATE TABLE runs (id TEXT)")
    assert look("tracking") == doctor.Finding("tracking", f"{store}: ok")
    store.write_bytes(b"no database at all, but long enough to be looked at" * 100)
    assert look("tracking").todo == "file is not a database"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", answering(200))
    assert not look("tracking").todo
    monkeypatch.setenv("MLFLOW_TRACKING_URI", answering(503))
    assert "unset MLFLOW_TRACKING_URI" in look("tracking").todo


def test_a_folder_that_may_not_be_written(look: Look, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write everywhere, so that the refusal is made here."""
    workspace("pattern-1010")

    def refused(dir: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", refused)
    assert look("permissions").todo == "let this user write there"


def test_little_disk_and_memory(look: Look, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace("pattern-1010")
    assert not look("disk").todo and not look("memory").todo
    monkeypatch.setattr(doctor, "_LITTLE_DISK", 1e18)
    monkeypatch.setattr(doctor, "_LITTLE_MEMORY", 1e18)
    assert "make room" in look("disk").todo
    assert "lower train.batch" in look("memory").todo
