"""The machine: its cores, its memory, and the device that a stage computes on. Imports torch only when needed."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import joblib

from ganpipe.config import Runtime, Train
from ganpipe.errors import ConfigError, OutOfMemory

if TYPE_CHECKING:
    import torch

_CONTAINER_LIMITS = (  # of control groups, version 2 and 1, as a container sees its own
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def available_cores() -> int:
    """Return how many CPU cores this process may use: at least one.

    The affinity of the process and the CPU quota of its container limit them. Processes that `torchrun` started share
    the cores of their machine evenly.
    """
    return max(1, joblib.cpu_count() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def physical_memory() -> int:
    """Return the bytes of memory that this process may use: those of the machine, or of its container if fewer."""
    allowed = [int(text) for file in _CONTAINER_LIMITS if (text := _read(file)).isdigit()]  # "max": no limit
    return min([os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), *allowed])


def available_memory() -> int:
    """Return the bytes of memory that this process could get now: what is free, and no more than `physical_memory`."""
    return min(physical_memory(), _size_in("MemAvailable", Path("/proc/meminfo")) or physical_memory())


def cpu_name() -> str:
    """Return what the maker calls this CPU; the architecture where the system does not say."""
    found = re.search(r"^model name\s*:\s*(.+)$", _read(Path("/proc/cpuinfo")), re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()


def computed_by() -> dict[str, str | int]:
    """Return what decides how this process rounds on the CPU, beside the packages: the CPU, and torch's threads."""
    import torch

    return {"cpu": cpu_name(), "threads": torch.get_num_threads()}


def cpu_threads(runtime: Runtime) -> int:
    """Return how many CPU threads torch gets in this process: `runtime.threads`, or a sensible number if blank.

    That is one on one or two cores, where a second makes small convolutions slower, else half the cores up to eight.
    """
    return runtime.threads or max(1, min(8, available_cores() // 2))


@contextlib.contextmanager
def memory_limited(device: torch.device) -> Iterator[None]:
    """Let allocations of the block fail where the memory for computing on the CPU ends: Linux would kill the process.

    The limit is what this process has, and what it could get beside. On other systems and for a GPU there is none.
    """
    has = _size_in("VmData", Path("/proc/self/status"))
    beside = available_memory()
    before, most = resource.getrlimit(resource.RLIMIT_DATA)
    if device.type == "cpu" and has:
        limits = {before, most, has + beside} - {resource.RLIM_INFINITY}
        resource.setrlimit(resource.RLIMIT_DATA, (min(limits), most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, most))


def prepare_device(runtime: Runtime) -> torch.device:
    """Choose the device and return it, with the number of CPU threads set and a GPU made deterministic.

    Raises `ConfigError` when CUDA is asked for and absent, or `torchrun` started more processes than there are GPUs.
    """
    import torch

    from ganpipe.core.reproducible import make_reproducible

    torch.set_num_threads(cpu_threads(runtime))
    if runtime.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError('params.yaml: runtime.device = "cuda", but torch sees no GPU here; use auto or cpu')
    if runtime.device == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    number, count = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if number >= count:
        raise ConfigError(
            f"LOCAL_RANK = {number}, but torch sees {count} GPUs here: start at most {count} processes with "
            "torchrun --nproc-per-node, or set runtime.device to cpu"
        )
    make_reproducible()
    device = torch.device("cuda", number)
    torch.cuda.set_device(device)
    return device


@contextlib.contextmanager
def memory_explained(train: Train) -> Iterator[None]:
    """Turn a GPU's lack of memory in the block into an `OutOfMemory` that names what to lower."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        said = ". ".join(str(error).splitlines()[0].split(". ")[:2])  # the size asked for, without torch's advice
        raise OutOfMemory(
            f"the GPU has no memory left ({said}): lower train.micro_batch (now {train.micro_batch or 'blank'}) "
            f"or train.batch (now {train.batch})"
        ) from None


def peak_memory(device: torch.device) -> dict[str, float]:
    """Return the peak memory of this process so far, in MiB: `cpu`, and on a GPU also `gpu`, as torch allocated it."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kibibytes elsewhere
    peak = {"cpu": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20}
    if device.type == "cuda":
        import torch

        peak["gpu"] = torch.cuda.max_memory_allocated(device) / 2**20
    return peak


def _size_in(name: str, file: Path) -> int:
    """Return a size, in bytes, from a file of Linux with lines such as `VmData:  292 kB`; 0 where there is none."""
    found = re.search(rf"^{name}:\s*(\d+) kB$", _read(file), re.MULTILINE)
    return int(found[1]) << 10 if found else 0


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
