"""The options of each system: `Config` of `<name>.py` is what the section `system` may hold beside `name`.

Imports no torch, so that params are checked, and the inputs of a generator known, before anything heavy is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping

from ganpipe.config import Closed
from ganpipe.core.inputs import Input


class SystemConfig(Closed):
    """Base of all options of systems."""

    @property
    def inputs(self) -> Mapping[str, Input]:
        """What the generator is given for one item, by name, in the order in which it is drawn."""
        raise NotImplementedError
