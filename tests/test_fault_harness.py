"""A sample of the faults of benchmarks/faults.py, the same every time: nothing lost, nothing silently wrong."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from conftest import REPOSITORY

FAULTS = 60
COMMAND = [sys.executable, str(REPOSITORY / "benchmarks" / "faults.py"), "--seed", "17", "--recipe", "pattern-1010"]


def injected(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, timeout=600)


def test_a_sample_of_faults_loses_and_falsifies_nothing(tmp_path: Path) -> None:
    done = injected("--sample", str(FAULTS), TMPDIR=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    last = [line for line in done.stdout.splitlines() if line.startswith("all")][-1]
    count, survived, refused, *bad = map(int, last.split()[1:])
    assert (count, survived + refused, sum(bad)) == (FAULTS, FAULTS, 0)
    assert survived > FAULTS // 3 and refused > 2
    kinds = re.findall(r"(?m)^(\w[\w /-]*?)\s{2,}\d", done.stdout)
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert {"damaged input", "two at once", "memory"} <= set(kinds)
    assert ("torn write" in kinds and "damaged checkpoint" in kinds) == bool(compiler)
    assert not list(tmp_path.glob("ganpipe-faults-*"))
