"""The device a stage computes with: which GPU, how exactly, on how many cores, and what a lack of memory says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import joblib
import pytest
import torch

from ganpipe import machine
from ganpipe.config import Runtime, Train
from ganpipe.errors import ConfigError, OutOfMemory
from ganpipe.machine import available_cores, memory_explained, physical_memory, prepare_device

TRAIN = Train.model_validate(
    {"kimg": 1, "batch": 64, "lr": 0.1, "optimizer": {"name": "sgd"}, "preview_kimg": 1, "log_kimg": 1}
)


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[torch.device]]:
    """A machine that says it has two GPUs; the list holds the one that was chosen. Afterwards all is as before."""
    chosen: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.deterministic, cudnn.benchmark, cudnn.conv.fp32_precision, matmul.fp32_precision
    cudnn.deterministic, cudnn.benchmark, cudnn.conv.fp32_precision, matmul.fp32_precision = False, True, "tf32", "tf32"
    yield chosen
    cudnn.deterministic, cudnn.benchmark, cudnn.conv.fp32_precision, matmul.fp32_precision = before
    os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)


def settings() -> tuple[bool, bool, str, str, str | None]:
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    workspace = os.environ.get("CUBLAS_WORKSPACE_CONFIG")
    return cudnn.deterministic, cudnn.benchmark, cudnn.conv.fp32_precision, matmul.fp32_precision, workspace


def test_a_gpu_computes_alike_every_time_and_in_fp32(two_gpus: list[torch.device]) -> None:
    assert prepare_device(Runtime(threads=1)) == torch.device("cuda", 0)
    assert two_gpus == [torch.device("cuda", 0)]
    assert settings() == (True, False, "ieee", "ieee", ":4096:8")


def test_nothing_is_set_where_the_cpu_computes(two_gpus: list[torch.device]) -> None:
    before = settings()
    assert prepare_device(Runtime(threads=1, device="cpu")) == torch.device("cpu")
    assert settings() == before
    assert not two_gpus


def test_a_process_without_a_gpu_of_its_own_is_refused(
    two_gpus: list[torch.device], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert prepare_device(Runtime(threads=1)) == torch.device("cuda", 1)
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(ConfigError, match=r"^LOCAL_RANK = 2, but torch sees 2 GPUs here: .*--nproc-per-node.*$"):
        prepare_device(Runtime(threads=1))


def test_processes_of_one_machine_share_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joblib, "cpu_count", lambda: 12)
    threads: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    for processes in ("1", "3", "24"):
        monkeypatch.setenv("LOCAL_WORLD_SIZE", processes)
        prepare_device(Runtime(device="cpu"))
    assert threads == [6, 2, 1]
    assert available_cores() == 1
    monkeypatch.delenv("LOCAL_WORLD_SIZE")
    assert available_cores() == 12


def test_a_process_bound_to_one_core_has_one() -> None:
    bound = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})"
    code = f"{bound}; from ganpipe.machine import available_cores; print(available_cores())"
    environment = {name: value for name, value in os.environ.items() if name != "LOCAL_WORLD_SIZE"}
    assert subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True).stdout == b"1\n"


def test_memory_is_what_the_container_may_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    unlimited, small, huge = tmp_path / "unlimited", tmp_path / "small", tmp_path / "huge"
    unlimited.write_text("max\n")
    small.write_text(f"{2**20}\n")
    huge.write_text(f"{2**63 - 4096}\n")  # how control groups of version 1 say that there is no limit
    for limits, expected in (((unlimited, tmp_path / "no"), whole), ((huge,), whole), ((unlimited, small), 2**20)):
        monkeypatch.setattr(machine, "_CONTAINER_LIMITS", limits)
        assert physical_memory() == expected


def test_a_lack_of_memory_names_what_to_lower() -> None:
    said = "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 8 GiB.\nSee the manual"
    expected = (
        r"^the GPU has no memory left \(CUDA out of memory. Tried to allocate 20.00 GiB\): "
        r"lower train.micro_batch \(now blank\) or train.batch \(now 64\)$"
    )
    with pytest.raises(OutOfMemory, match=expected), memory_explained(TRAIN):
        raise torch.OutOfMemoryError(said)


_ALLOCATIONS = """
import resource
import torch
from ganpipe import machine

machine.physical_memory = lambda: 1 << 28
before = resource.getrlimit(resource.RLIMIT_DATA)
with machine.memory_limited(torch.device("cpu")):
    torch.empty(1 << 26, dtype=torch.uint8)
    try:
        torch.empty(1 << 29, dtype=torch.uint8)
    except RuntimeError as error:
        print(error)
assert resource.getrlimit(resource.RLIMIT_DATA) == before
with machine.memory_limited(torch.device("cuda")):
    assert resource.getrlimit(resource.RLIMIT_DATA) == before, "drivers take addresses that are no memory"
"""


def test_allocations_on_the_cpu_fail_where_memory_ends_and_the_process_goes_on() -> None:
    """In a process of its own: one that ran other tests may give back more than the limit leaves in the meantime."""
    ended = subprocess.run([sys.executable, "-c", _ALLOCATIONS], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "allocate memory" in ended.stdout
