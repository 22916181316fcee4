"""For ``sinks.registry``."""

from __future__ import annotations

from typing import Final

from edge_segnet.sinks.spec import SinkSpec, SinkStatus
from tests.sinks.toy.settings import ToyConfig


class ToyStatus(SinkStatus, total=False):
    """Words that it wrote."""

    written: int


SPECS: Final = (SinkSpec("toy", ToyConfig, "tests.sinks.toy.sink:ToySink", ToyStatus, folder="toys"),)
