"""Downloads from a server that fails in every way: the complete verified file, or one line and nothing."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from data.fault_cases import CURED, FATAL, FORM, HTML
from data.fault_server import GOOD, QUOTA, FaultServer, Reply, serving

from ganpipe.config import Data
from ganpipe.data.catalogue.origins import Generated, Published
from ganpipe.data.catalogue.sets import DATASETS, PATTERN
from ganpipe.data.download import generated, http
from ganpipe.data.download import stage as fetch
from ganpipe.data.download import transfer as web
from ganpipe.errors import ConfigError, DataError

NAME = PATTERN.files[0].name


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The published bytes of a small set: 160,128 of them, compressed in no way."""
    path = tmp_path_factory.mktemp("content") / NAME
    origin = PATTERN.files[0].origin
    assert isinstance(origin, Generated)
    generated.generate(origin, path)
    return path.read_bytes()


@pytest.fixture(autouse=True)
def hasty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout of its own, and hundredths of seconds in place of seconds."""
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setattr(web, "BACKOFF_SECONDS", 0.01)
    monkeypatch.setattr(http, "STALL_SECONDS", 0.3)


def fetched(source: str | None, verify: bool = True) -> bytes:
    """Download and check that nothing is there but the file and its provenance; return the file."""
    fetch.download(Data(name="pattern", source=source, verify=verify), Path("raw"))
    assert sorted(path.name for path in Path("raw").iterdir()) == sorted([NAME, fetch.SOURCE])
    litter = {path.name for path in Path(".ganpipe/downloads/pattern").iterdir()} - {NAME, f"{NAME}.lock"}
    assert not litter
    return Path("raw", NAME).read_bytes()


def other(content: bytes) -> bytes:
    """Content of the same length that differs everywhere."""
    return bytes(255 - byte for byte in content)


@pytest.mark.parametrize("case", CURED)
def test_a_fault_that_passes(content: bytes, case: str) -> None:
    with serving(content, *CURED[case]) as server:
        assert fetched(server.url) == content
        assert len(server.requests) == len(CURED[case])


@pytest.mark.parametrize("ignoring", [True, False])
def test_a_file_that_changes_under_way_is_never_mixed(content: bytes, ignoring: bool) -> None:
    changed = Reply(status=206 if ignoring else None, etag='"2"')
    with serving(content, Reply(cut=0.5, content=other(content)), changed, Reply(etag='"2"')) as server:
        assert fetched(server.url) == content
        assert len(server.requests) == (3 if ignoring else 2)


@pytest.mark.parametrize("case", FATAL)
def test_a_fault_that_lasts(content: bytes, case: str, capsys: pytest.CaptureFixture[str]) -> None:
    reply, problem = FATAL[case]
    with serving(content, reply) as server:
        with pytest.raises(DataError, match=f"{NAME} could not be downloaded: 127.0.0.1: .*{problem}") as caught:
            fetched(server.url)
        message = str(caught.value)
        assert "\n" not in message and "data.source should give" in message and "data.verify: false" in message
        assert list(Path("raw").iterdir()) == []
        server.script = lambda n, path: GOOD
        assert fetched(server.url) == content
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "http://no-such-host.invalid/"])
def test_a_host_that_is_not_there(url: str) -> None:
    with pytest.raises(DataError, match="refused|cannot be resolved|not known"):
        fetched(url)
    assert list(Path("raw").iterdir()) == []


@pytest.mark.parametrize("url", ["ftp://example.org/", "s3://bucket/", "http:///path", "https://"])
def test_an_address_of_another_kind(url: str) -> None:
    with pytest.raises(ConfigError, match="data.source = .*only http:// and https://"):
        fetched(url)


def test_a_cut_download_costs_little_more_than_one(content: bytes) -> None:
    with serving(content, *[Reply(cut=0.5)] * 3, GOOD) as server:
        assert fetched(server.url) == content
        assert server.sent == len(content)
        assert [asked for _, asked in server.requests] == [None, "bytes=80064-", "bytes=120096-", "bytes=140112-"]


def test_the_server_is_given_the_time_it_asks_for(content: bytes) -> None:
    with serving(content, Reply(status=429, headers={"Retry-After": "1"}), GOOD) as server:
        start = time.monotonic()
        assert fetched(server.url) == content
        assert 1 <= time.monotonic() - start < 20


def test_a_trickle_counts_as_a_stall(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MIN_RATE", 1e6)
    with serving(content, Reply(pace=0.05), GOOD) as server:
        assert fetched(server.url) == content
        assert len(server.requests) == 2 and server.requests[1][1] is not None


def test_the_answer_to_a_question_carries_its_fields(content: bytes) -> None:
    with serving(content, Reply(content=FORM, headers=HTML), GOOD) as server:
        assert fetched(server.url) == content
        assert server.requests[1][0] == "/confirmed?a=1&id=x%26y&confirm=t"


@pytest.mark.parametrize(
    ("suffix", "path"),
    [("", f"/{NAME}"), ("a", f"/a/{NAME}"), ("a/", f"/a/{NAME}"), ("get?f=", f"/get?f={NAME}"), (NAME, f"/{NAME}")],
)
def test_a_prefix_and_a_name_make_an_address(content: bytes, suffix: str, path: str) -> None:
    with serving(content) as server:
        assert fetched(server.url + suffix) == content
        assert server.requests == [(path, None)]


# ------------------------------------------------------------------------------------------------------------- mirrors


@pytest.fixture
def mirrored(monkeypatch: pytest.MonkeyPatch) -> Callable[[tuple[str, ...]], None]:
    """Return a function that publishes the set under some addresses."""

    def publish(urls: tuple[str, ...]) -> None:
        file = replace(PATTERN.files[0], origin=Published(tuple(url + NAME for url in urls)))
        monkeypatch.setitem(DATASETS, "pattern", replace(PATTERN, files=(file,)))

    return publish


@pytest.mark.parametrize(
    "first",
    [
        Reply(status=404),
        Reply(status=503, headers={"Retry-After": "900"}),
        Reply(content=QUOTA, headers=HTML),
        Reply(flip=0.5),
        Reply(cut=0.3, ranges=False),
        Reply(content=b""),
    ],
)
def test_the_next_mirror_is_asked(mirrored: Callable[..., None], content: bytes, first: Reply) -> None:
    with serving(content, first) as bad, serving(content) as good:
        mirrored((bad.url, good.url))
        assert fetched(None) == content
        assert bad.requests and len(good.requests) == 1


def test_a_mirror_goes_on_where_another_left_off(mirrored: Callable[..., None], content: bytes) -> None:
    with serving(content, Reply(cut=0.5), Reply(status=410)) as first, serving(content, Reply(etag='"x"')) as second:
        mirrored((first.url, second.url))
        assert fetched(None) == content
        assert second.requests == [(f"/{NAME}", "bytes=80064-")]


def test_all_mirrors_are_named_when_none_will_do(mirrored: Callable[..., None], content: bytes) -> None:
    with serving(content, Reply(content=QUOTA, headers=HTML)) as first, serving(content, Reply(status=404)) as second:
        mirrored((first.url, second.url.replace("127.0.0.1", "localhost")))
        with pytest.raises(DataError) as caught:
            fetched(None)
    assert str(caught.value) == (
        f"{NAME} could not be downloaded: 127.0.0.1: sends an HTML page ('Google Drive - Quota exceeded'), not the "
        f"file; localhost: 404 Not Found; try again later, or fetch it with a browser and set data.source: "
        f"/path/to/{NAME} in params.yaml"
    )


# ------------------------------------------------------------------------------------------- what is there already


def test_a_verified_file_is_not_fetched_again(content: bytes) -> None:
    with serving(content) as server:
        fetched(server.url)
        fetched(server.url)
        assert len(server.requests) == 1
        shutil.rmtree("raw")  # as DVC does before it runs the stage again
        assert fetched(server.url) == content and len(server.requests) == 1
        Path("raw", NAME).unlink()
        Path("raw", NAME).write_bytes(content[:-1])
        assert fetched(server.url) == content and len(server.requests) == 1
        for path in (Path("raw", NAME), Path(".ganpipe/downloads/pattern", NAME)):
            path.write_bytes(other(content))
        assert fetched(server.url) == content and len(server.requests) == 2


def test_a_kept_download_is_linked(content: bytes) -> None:
    with serving(content) as server:
        fetched(server.url)
    assert Path("raw", NAME).samefile(Path(".ganpipe/downloads/pattern", NAME))


def test_where_links_are_impossible_the_file_is_moved(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def impossible(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(os, "link", impossible)
    with serving(content) as server:
        assert fetched(server.url) == content
    assert not Path(".ganpipe/downloads/pattern", NAME).exists()


@pytest.mark.parametrize("damage", ["beginning", "longer", "note", "no note", "other url"])
def test_a_partial_file_that_does_not_belong_does_no_harm(content: bytes, damage: str) -> None:
    part, note = Path(f".ganpipe/downloads/pattern/{NAME}.part"), Path(f".ganpipe/downloads/pattern/{NAME}.part.json")
    with serving(content, Reply(cut=0.5), Reply(status=404), GOOD) as server:
        with pytest.raises(DataError, match="404"):
            fetched(server.url)
        assert part.stat().st_size == 80_064 and not Path("raw", NAME).exists()
        if damage == "beginning":
            part.write_bytes(other(content)[:80_064])
        elif damage == "longer":
            part.write_bytes(content + b"more")
        elif damage == "note":
            note.write_text("{")
        elif damage == "no note":
            note.unlink()
        else:
            note.write_text(json.dumps({"url": "http://example.org/", "validator": '"9"', "size": len(content)}))
        assert fetched(server.url) == content


# ------------------------------------------------------------------------------------------------ data.verify: false


def test_other_content_is_taken_when_the_user_says_so(content: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    mine = other(content)[:70_000]
    with serving(mine, Reply(cut=0.5), GOOD) as server:
        with pytest.raises(DataError, match="offers 70000 bytes instead of 160128.*set data.verify: false"):
            fetched(server.url)
        server.requests.clear()
        capsys.readouterr()
        assert fetched(server.url, verify=False) == mine
        assert [asked for _, asked in server.requests] == [None, "bytes=35000-"]
        assert fetched(server.url, verify=False) == mine and len(server.requests) == 3  # asked anew each time
    warning = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Warning")][0]
    assert NAME in warning and PATTERN.files[0].sha256 in warning and "holds 70000 bytes instead of 160128" in warning
    assert json.loads(Path("raw", fetch.SOURCE).read_text())["files"][NAME]["as_published"] is False


def test_published_content_is_known_even_then(content: bytes) -> None:
    with serving(content) as server:
        fetched(server.url, verify=False)
    assert "as_published" not in json.loads(Path("raw", fetch.SOURCE).read_text())["files"][NAME]


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (Reply(content=b""), "is empty"),
        (Reply(content=QUOTA), "HTML page"),
        (Reply(length=None), "does not say how long"),
        (Reply(status=404), "404"),
    ],
)
def test_what_is_no_data_is_refused_even_then(content: bytes, reply: Reply, problem: str) -> None:
    with serving(content, reply) as server, pytest.raises(DataError, match=problem):
        fetched(server.url, verify=False)
    assert list(Path("raw").iterdir()) == []


@pytest.mark.parametrize("etag", ['"2"', None])
def test_unknown_content_is_never_mixed(content: bytes, etag: str | None) -> None:
    first = Reply(content=other(content), cut=0.5, etag=etag and '"1"')
    with serving(content, first, Reply(etag=etag)) as server:
        assert fetched(server.url, verify=False) == content


# ----------------------------------------------------------------------------------------------- disk, locks and kills


def test_a_full_disk_is_noticed_before(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(".")._replace(free=100_000 + (1 << 26))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with serving(content, Reply(pace=0.05)) as server:
        with pytest.raises(DataError, match="160 kB are to be written and only 67 MB are free"):
            fetched(server.url)
        assert server.sent < len(content)
    assert list(Path("raw").iterdir()) == []


CODE = (
    "import sys; from pathlib import Path; from ganpipe.config import Data\n"
    "from ganpipe.data.download import stage as fetch\n"
    "fetch.download(Data(name='pattern', source=sys.argv[1]), Path(sys.argv[2]))"
)


def process(server: FaultServer, into: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", CODE, server.url, into], stderr=subprocess.PIPE)


def test_two_processes_fetch_it_once(content: bytes) -> None:
    with serving(content, Reply(pace=0.02)) as server:
        both = [process(server, "raw"), process(server, "raw2")]
        messages = [child.communicate()[1] for child in both]
        assert [child.returncode for child in both] == [0, 0]
        assert len(server.requests) == 1 and b"waiting for another process" in b"".join(messages)
    assert Path("raw", NAME).read_bytes() == Path("raw2", NAME).read_bytes() == content


def test_killed_six_times_it_still_ends_whole(content: bytes) -> None:
    moments = random.Random(3)
    with serving(content, Reply(pace=0.012)) as server:
        for _ in range(6):
            child, before = process(server, "raw"), len(server.requests)
            while child.poll() is None and len(server.requests) == before:
                time.sleep(0.002)
            time.sleep(moments.uniform(0, 0.12))
            child.send_signal(signal.SIGKILL)
            child.communicate()
            unfinished = set(Path("raw").glob(f".{NAME}.*.part"))
            assert {path.name for path in {*Path("raw").iterdir()} - unfinished} <= {NAME, fetch.SOURCE}
            whole = Path("raw", NAME)
            assert not whole.exists() or whole.read_bytes() == content
        assert fetched(server.url) == content
        assert np.load(Path("raw", NAME)).shape == (10_000, 4)
        assert server.sent < 2 * len(content)
