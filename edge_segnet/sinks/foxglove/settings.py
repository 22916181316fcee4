"""Settings of the live connection for Foxglove."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edge_segnet.settings.sections import Section, Tls


class FoxgloveConfig(Section):
    """A live connection for Foxglove, at ws://HOST:PORT."""

    host: Annotated[str, Field(min_length=1, max_length=255)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8765
    auth: Literal["none"] | None = Field(None, description="Foxglove shows no token: say none for other machines")
    tls: Tls | None = None
    allowed_hosts: list[str] = Field([], description="further names by which this machine may be called")
    allowed_origins: list[str] = Field([], description="pages, beside Foxglove's own, that may connect")
    quality: Annotated[int, Field(ge=1, le=100)] = Field(80, description="of JPEG")
    rate: Annotated[float, Field(gt=0.0, le=1000.0)] | None = Field(None, description="frames per second at most")
    max_clients: Annotated[int, Field(ge=1, le=64)] = 8
