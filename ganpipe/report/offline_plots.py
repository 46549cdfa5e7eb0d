"""A page template for `dvc plots` that holds Vega itself: DVC's own loads it from a server when a page is opened."""

from __future__ import annotations

from pathlib import Path

from ganpipe.errors import ConfigError, DataError
from ganpipe.files import write_bytes
from ganpipe.paths import main_root, state_dir
from ganpipe.tracking.pipeline import dvc, error_line

VEGA_LITE = "5.21"
"""The version of Vega-Lite; the templates of DVC are written for its version 5."""

_PAGE = """<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
{{refresh_tag}}
<title>DVC plots</title>
<style>table {{ border-spacing: 15px; }}</style>
<script>
{vega}
</script>
</head>
<body>
{{plot_divs}}
</body>
</html>
"""


def use_offline_template() -> str:
    """Write the template, make it that of `dvc plots` in this checkout, and return a line about it.

    Raises `ConfigError` where the package that holds Vega is missing, `DataError` where DVC refuses the setting.
    """
    try:
        from vl_convert import javascript_bundle
    except ImportError:
        raise ConfigError("plots without network need vl-convert-python: `pip install 'ganpipe[plots]'`") from None
    template = state_dir() / "plots.html"
    vega = javascript_bundle(vl_version=VEGA_LITE)  # type: ignore[call-arg]  # whole without a snippet, says its text
    write_bytes(template, _PAGE.format(vega=vega).encode())
    setting = Path("..", template.relative_to(main_root()))  # DVC counts from its folder .dvc
    done = dvc("config", "--local", "plots.html_template", str(setting))
    if done.returncode:
        raise DataError(f"`dvc config` failed: {error_line(done)}")
    return "`dvc plots show` and `dvc plots diff` of this checkout now need no network."
