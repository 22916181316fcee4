"""Settings of the daemon: what may stand in config.yaml, with types, bounds and defaults. Reading the file:
``load``.

Names follow the contract. A key that is not here is an error, and so is a value of another kind: nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, model_validator

from edge_segnet.core import uris
from edge_segnet.core.errors import Key, Place, SettingsError, UsageError
from edge_segnet.core.size import MAX_SIZE, MIN_SIZE
from edge_segnet.core.types import CpuPrecision
from edge_segnet.core.uris import Flip
from edge_segnet.settings.messages import JsonLinesConfig, MqttConfig, VideoConfig
from edge_segnet.settings.regions import MAX_REGIONS, MAX_RULES, MountConfig, RegionConfig, RuleConfig, SteadyConfig
from edge_segnet.settings.sections import FilePath, Name, Picture, Seconds, Section, Wrong


def _number(value: object) -> object:
    """A USB camera's number needs no quotes."""
    return str(value) if type(value) is int else value


def _source(text: str) -> str:
    try:
        uris.parse(text)
    except UsageError as error:
        raise Wrong(error.message, error.hint) from error
    return text


def _size(text: str) -> str:
    if text != "auto" and re.fullmatch(r"[1-9]\d{1,3}x[1-9]\d{1,3}", text, re.ASCII) is None:
        raise Wrong(f"{text!r} is not a size", "give WIDTHxHEIGHT, for example 480x360, or auto")
    sides = [int(side) for side in text.split("x")] if text != "auto" else []
    if any(not MIN_SIZE <= side <= MAX_SIZE for side in sides):
        raise Wrong(f"{text} is no network's size", f"give {MIN_SIZE} to {MAX_SIZE} a side")
    return text


class CameraConfig(Section):
    """One camera: where its pictures come from, and when it counts as gone."""

    source: Annotated[str, BeforeValidator(_number), AfterValidator(_source)] | None = Field(
        None, description="csi://, v4l2://, rtsp://, http://, a file, a folder, a camera's number, synthetic://drive"
    )
    pipeline: str | None = Field(
        None, min_length=1, description="a raw GStreamer pipeline that ends in raw video; instead of source"
    )
    flip: Flip = "none"
    rate: Annotated[float, Field(gt=0.0, le=1000.0)] | None = Field(
        None, description="frames per second to segment at most; left out: every new frame"
    )
    loop: bool = Field(False, description="start a file or folder again at its end")
    transport: Literal["auto", "tcp", "udp"] = Field("auto", description="of RTSP; auto: TCP, or UDP where it must be")
    latency_ms: Annotated[int, Field(ge=0, le=10_000)] = Field(50, description="jitter buffer of RTSP")
    connect_s: Annotated[float, Field(ge=0.5, le=120.0)] = Field(
        2.5, description="a network camera that takes longer to answer one request is absent"
    )
    on_damage: Literal["drop", "flag"] = Field(
        "drop", description="a picture that is not whole: not segmented, or segmented and marked as damaged"
    )
    max_megapixels: Annotated[float, Field(gt=0.0, le=1000.0)] = Field(100.0, description="larger pictures are refused")
    memory_mb: Annotated[int, Field(ge=64, le=65_536)] = Field(
        256, description="of the process that reads the camera; one that takes more is ended, and started again"
    )
    stale_after_s: Seconds = Field(1.0, description="older results are marked stale")
    stall_after_s: Seconds = Field(1.5, description="no frame for so long: the source is opened again")
    static_after_s: Seconds = Field(30.0, description="the same bytes for so long: shown as static")
    backoff_max_s: Seconds = Field(2.0, description="longest wait between two tries to open the source")
    mount: MountConfig | None = Field(None, description="how the camera looks at the ground: for distances in metres")

    @model_validator(mode="after")
    def _one_origin(self) -> CameraConfig:
        if (self.source is None) == (self.pipeline is None):
            raise Wrong("give either source or pipeline")
        if self.source is not None and "none" not in (self.flip, uris.parse(self.source).flip):
            raise Wrong("flip is given twice", "in the source or beside it, not both")
        return self

    @property
    def turn(self) -> Flip:
        """The flip, whether it stands beside the source or in it."""
        inside: Flip = "none" if self.source is None else uris.parse(self.source).flip
        return inside if self.flip == "none" else self.flip


class TokenFile(Section):
    """A secret of at least 16 characters in a file."""

    token_file: FilePath


class TokenCredential(Section):
    """A secret that systemd hands over (``LoadCredential=NAME:PATH``)."""

    token_credential: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]


Auth = Literal["none"] | TokenFile | TokenCredential


class Tls(Section):
    """PEM files."""

    certificate: FilePath
    key: FilePath


class HttpConfig(Section):
    """The dashboard and the API."""

    host: Annotated[str, Field(min_length=1, max_length=255)] = Field("127.0.0.1", description="address to listen on")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(8080, description="0: any free one")
    auth: Auth | None = Field(None, description="needed for any address but this machine's own")
    tls: Tls | None = None
    allowed_hosts: list[str] = Field([], description="further names by which browsers may call this machine")
    max_connections: Annotated[int, Field(ge=4, le=4096)] = 64


class RtspConfig(Section):
    """The overlay as H.264 video, at rtsp://HOST:PORT/CAMERA."""

    host: Annotated[str, Field(min_length=1, max_length=255)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8554
    auth: Auth | None = None
    bitrate_kbps: Annotated[int, Field(ge=100, le=50_000)] = 2000


class RecordingConfig(Section):
    """MCAP files: everything, or what was before and after an event (a flight recorder)."""

    path: FilePath | None = Field(None, description="folder; left out: recordings in the state folder")
    mode: Literal["continuous", "ring"] = Field(
        "continuous", description="ring: kept in memory, written when a rule fires or SIGUSR1 comes"
    )
    seconds: Seconds = Field(60.0, description="of the ring: so much from before")
    after_s: Annotated[float, Field(ge=0.0, le=3600.0)] = Field(10.0, description="of the ring: so much from after")
    memory_mb: Annotated[int, Field(ge=8, le=65_536)] = Field(256, description="for the ring; oldest goes first")
    images: Annotated[list[Picture], Field(min_length=1, max_length=3)] = Field(["camera", "mask"])
    quality: Annotated[int, Field(ge=1, le=100)] = Field(80, description="of JPEG")
    rate: Annotated[float, Field(gt=0.0, le=1000.0)] | None = Field(None, description="frames per second at most")
    max_mb: Annotated[int, Field(ge=1, le=1_000_000)] = Field(256, description="a new file after so much")
    max_s: Annotated[float, Field(ge=1.0, le=86_400.0)] = Field(600.0, description="a new file after so long")
    keep_mb: Annotated[int, Field(ge=1, le=100_000_000)] = Field(4096, description="of all files; the oldest go")
    free_mb: Annotated[int, Field(ge=0, le=100_000_000)] = Field(512, description="to leave free on the disk")

    @model_validator(mode="after")
    def _one_file_fits(self) -> RecordingConfig:
        if self.keep_mb < self.max_mb:
            raise Wrong(f"keep_mb ({self.keep_mb}) is less than one file may have (max_mb, {self.max_mb})")
        return self


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


class Ros2Config(Section):
    """ROS 2 topics; needs rclpy, which comes with ROS."""

    node: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")] = "edge_segnet"
    namespace: Annotated[str, Field(pattern=r"^(/[A-Za-z][A-Za-z0-9_]*)*$", max_length=128)] = ""
    frame_ids: dict[Name, Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_/.-]{0,127}$")]] = Field(
        {}, description="camera: its optical frame; left out: NAME_optical_frame"
    )
    size: Literal["network", "camera"] = Field("network", description="of pictures; camera: aligned with its depth")
    rate: Annotated[float, Field(gt=0.0, le=1000.0)] | None = Field(None, description="frames per second at most")


class LogConfig(Section):
    """Where log lines go: always standard error, in the form that the journal or a person reads."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "journal", "text"] = "auto"


def _default_cameras() -> dict[str, CameraConfig]:
    return {"camera": CameraConfig(source="synthetic://drive")}


@dataclass(frozen=True)
class _Origin:
    """Where the values came from, for what can only be checked later; of no account when settings are compared."""

    place: Callable[[Key], Place] = field(default=lambda key: Place(key=key), compare=False)


class Config(Section):
    """The whole file; everything has a default."""

    _origin: _Origin = PrivateAttr(default_factory=_Origin)

    model: Annotated[str, Field(min_length=1)] = Field("segnet-lite", description="a shipped name, .onnx or .engine")
    backend: Literal["auto", "onnx", "openvino", "tensorrt"] = Field(
        "auto", description="auto: the quickest that is here"
    )
    precision: CpuPrecision = Field("auto", description="of OpenVINO; auto: what the processor is quick in")
    fallback: bool = Field(False, description="may the CPU serve in the place of an engine that fails?")
    memory: Literal["auto", "pinned", "mapped"] = Field("auto", description="of frames and labels on the GPU's way")
    size: Annotated[str, AfterValidator(_size)] | None = Field(
        None, description="network size WxH; auto: the largest that meets the cameras' rates"
    )
    colours: FilePath | None = Field(None, description="a 256x1 palette PNG: other colours for the model's classes")
    threads: Annotated[int, Field(ge=0, le=1024)] = Field(0, description="CPU threads; 0: one per core")
    cameras: dict[Name, CameraConfig] = Field(default_factory=_default_cameras, min_length=1, max_length=16)
    regions: dict[Name, RegionConfig] = Field({}, max_length=MAX_REGIONS)
    rules: list[RuleConfig] = Field([], max_length=MAX_RULES)
    steady: SteadyConfig | None = Field(None, description="left out: labels as the network gives them")
    http: HttpConfig | None = Field(HttpConfig(), description="null: no dashboard and no API")
    rtsp: RtspConfig | None = None
    mqtt: MqttConfig | None = None
    jsonl: JsonLinesConfig | None = None
    video: VideoConfig | None = None
    recording: RecordingConfig | None = None
    foxglove: FoxgloveConfig | None = None
    ros2: Ros2Config | None = None
    log: LogConfig = LogConfig()

    @property
    def network_size(self) -> tuple[int, int] | None:
        """(width, height); None: the model's own, or what ``auto`` will choose."""
        if self.size in (None, "auto"):
            return None
        width, height = str(self.size).split("x")
        return int(width), int(height)

    def came_from(self, place: Callable[[Key], Place]) -> None:
        """Remember where each key's value was said."""
        self._origin = _Origin(place)

    def error(self, key: Key, message: str, hint: str = "") -> SettingsError:
        """What is wrong with a value, by its place in the file or on the command line."""
        return SettingsError(message, hint=hint).at(self._origin.place(key))

    def placed(self, error: SettingsError) -> SettingsError:
        """A fault that somebody found who knew the key alone."""
        return error if error.place.path else error.at(self._origin.place(error.place.key))

    @model_validator(mode="after")
    def _auto_needs_a_rate(self) -> Config:
        if self.size == "auto" and not any(camera.rate for camera in self.cameras.values()):
            raise Wrong("auto needs a rate that it can meet", "give one camera a rate", ("size",))
        return self


def json_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of the file."""
    return Config.model_json_schema()
