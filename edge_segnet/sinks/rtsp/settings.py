"""Settings of the video stream."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edge_segnet.settings.sections import Auth, Section


class RtspConfig(Section):
    """The overlay as H.264 video, at rtsp://HOST:PORT/CAMERA."""

    host: Annotated[str, Field(min_length=1, max_length=255)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8554
    auth: Auth | None = None
    bitrate_kbps: Annotated[int, Field(ge=100, le=50_000)] = 2000
