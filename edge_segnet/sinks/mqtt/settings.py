"""Settings of the connection to a broker."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from edge_segnet.core.errors import UsageError
from edge_segnet.core.places import parse_broker
from edge_segnet.settings.sections import FilePath, Picture, Quality, Rate, Section, Wrong

Qos = Annotated[int, Field(ge=0, le=2)]


def _broker(text: str) -> str:
    try:
        parse_broker(text)
    except UsageError as error:
        raise Wrong(error.message, error.hint) from error
    return text


def _topic(text: str) -> str:
    """A topic that others stand below (MQTT 5.0, 4.7): no wildcards, no empty level, none of the broker's own."""
    levels = text.split("/")
    if not all(levels) or text.startswith("$") or any(letter in "+#" or not letter.isprintable() for letter in text):
        raise Wrong(f"{text!r} is no topic", "use words between slashes, without + and #, for example robots/r2")
    return text


Topic = Annotated[str, Field(max_length=200), AfterValidator(_topic)]


class MqttTls(Section):
    """PEM files, all optional: mqtts:// is checked against the system's authorities without them."""

    ca: FilePath | None = Field(None, description="the broker's authority; left out: the system's")
    certificate: FilePath | None = Field(None, description="the client's own")
    key: FilePath | None = None

    @model_validator(mode="after")
    def _pair(self) -> MqttTls:
        if (self.certificate is None) != (self.key is None):
            raise Wrong("certificate and key go together", "give both or none")
        return self


class MqttQos(Section):
    """0: at most once, 1: at least once, 2: exactly once."""

    status: Qos = 1
    result: Qos = 0
    event: Annotated[int, Field(ge=1, le=2)] = Field(2, description="1 where the broker has no 2")
    frame: Qos = 0


class MqttFrame(Section):
    """The picture as JPEG."""

    kind: Picture = "overlay"
    rate: Rate = Field(1.0, description="per second and camera at most")
    quality: Quality = Field(80, description="of JPEG")


class HomeAssistant(Section):
    """Tell Home Assistant what there is (MQTT discovery; 2024.11 or newer)."""

    prefix: Topic = Field("homeassistant", description="discovery prefix")
    name: Annotated[str, Field(min_length=1, max_length=64)] = Field("edge-segnet", description="of the device")


class MqttConfig(Section):
    """Status, results and events to an MQTT 5 broker."""

    url: Annotated[str, AfterValidator(_broker)] = Field(description="mqtt://HOST[:PORT] or mqtts://HOST[:PORT]")
    prefix: Topic = Field("edge-segnet", description="topics are PREFIX/status, /result/CAMERA, /event, /frame/CAMERA")
    rate: Rate = Field(5.0, description="results per second and camera at most")
    frame: MqttFrame | None = None
    qos: MqttQos = MqttQos()
    client_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:/-]+$", max_length=64)] | None = Field(
        None, description="left out: one that belongs to this machine and prefix"
    )
    user: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    password_file: FilePath | None = Field(None, description="a file with the password in one line")
    password_credential: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$", max_length=64)] | None = Field(
        None, description="handed over by systemd (LoadCredential=NAME:PATH)"
    )
    tls: MqttTls | None = None
    keepalive_s: Annotated[int, Field(ge=2, le=3600)] = Field(
        10, description="a broker that says nothing for so long is given up and called again"
    )
    home_assistant: HomeAssistant | None = None
    compat: Literal[1] | None = Field(
        None, description="1: results and frames also where, and as, edge-segnet 0.1 sent them"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> MqttConfig:
        if self.password_file is not None and self.password_credential is not None:
            raise Wrong("give either password_file or password_credential")
        if self.user is None and (self.password_file is not None or self.password_credential is not None):
            raise Wrong("a password needs a user")
        if self.tls is not None and not parse_broker(self.url).tls:
            raise Wrong("tls is for mqtts:// only", "change the url, or leave tls out")
        return self
