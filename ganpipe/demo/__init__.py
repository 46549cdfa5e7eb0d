"""`ganpipe demo`: published generators on a page of this machine, built with Gradio from the inputs they declare.

Gradio reads these settings when it is imported: no statistics are sent, and nobody is asked for newer versions.
"""

import os

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
