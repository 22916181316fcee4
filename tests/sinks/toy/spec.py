"""For ``sinks.registry``."""

from __future__ import annotations

from typing import Final

from edge_segnet.sinks.spec import SinkSpec
from tests.sinks.toy.settings import ToyConfig

SPECS: Final = (SinkSpec("toy", ToyConfig, "tests.sinks.toy.sink:ToySink", folder="toys"),)
