"""What the service may ask of the board, by its root helper. Nothing, unless it is asked for."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edge_segnet.settings.sections import Section

Times = Annotated[int, Field(ge=0, le=24)]


class RecoverConfig(Section):
    """Of a camera that is there and gives nothing; needs ``edge-segnet-recover.socket``."""

    usb_reset: Times = Field(0, description="a USB camera's port may be reset so many times a day")
    restart_argus: Times = Field(0, description="a Jetson's camera daemon may be restarted so many times a day")
