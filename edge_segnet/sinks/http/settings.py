"""Settings of the dashboard and the API."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edge_segnet.settings.sections import Auth, Section, Tls


class HttpConfig(Section):
    """The dashboard and the API."""

    host: Annotated[str, Field(min_length=1, max_length=255)] = Field("127.0.0.1", description="address to listen on")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(8080, description="0: any free one")
    auth: Auth | None = Field(None, description="needed for any address but this machine's own")
    tls: Tls | None = None
    allowed_hosts: list[str] = Field([], description="further names by which browsers may call this machine")
    max_connections: Annotated[int, Field(ge=4, le=4096)] = 64
