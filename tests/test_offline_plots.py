"""`ganpipe offline-plots`: the page of `dvc plots` holds all that draws its curves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ganpipe.errors import ConfigError
from ganpipe.report.offline_plots import use_offline_template

PIPELINE = """\
stages:
  train:
    cmd: "true"
    outs:
    - data/history.csv
plots:
- losses:
    x: kimg
    y:
      data/history.csv: [loss]
"""


def dvc(*arguments: str) -> None:
    subprocess.run([sys.executable, "-P", "-m", "dvc", *arguments, "--quiet"], check=True)


def test_a_page_of_dvc_loads_nothing_from_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("vl_convert")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    dvc("init", "--no-scm")
    Path("dvc.yaml").write_text(PIPELINE)
    Path("data").mkdir()
    Path("data/history.csv").write_text("kimg,loss\n1,0.5\n2,0.25\n")
    assert use_offline_template() == "`dvc plots show` and `dvc plots diff` of this checkout now need no network."
    dvc("plots", "show", "--out", "page")
    page = Path("page/index.html").read_text()
    assert '<script src="' not in page and "vegaEmbed" in page and '"loss"' in page
    assert len(page) > 500_000, "Vega is in it"


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(ConfigError, match=r"need vl-convert-python: `pip install 'ganpipe\[plots\]'`"):
        use_offline_template()
