"""`ganpipe demo`: published generators on a page of this machine, built with Gradio from the inputs they declare.

Gradio reads these settings when it is imported: no statistics are sent, nobody is asked for newer versions, and the
server, of which Gradio asks a page when it starts, is not looked for behind a proxy.
"""

import os

_HOST = "127.0.0.1"

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["no_proxy"] = ",".join([os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or _HOST, _HOST])
