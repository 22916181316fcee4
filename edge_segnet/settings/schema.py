"""Settings of the daemon: what may stand in config.yaml, with types, bounds and defaults. Reading the file:
``load``.

Names follow the contract. A key that is not here is an error, and so is a value of another kind: nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, create_model, model_validator

from edge_segnet.core import uris
from edge_segnet.core.errors import Key, Place, SettingsError, UsageError
from edge_segnet.core.size import MAX_SIZE, MIN_SIZE
from edge_segnet.core.types import CpuPrecision
from edge_segnet.core.uris import Flip
from edge_segnet.settings.recover import RecoverConfig
from edge_segnet.settings.regions import MAX_REGIONS, MAX_RULES, MountConfig, RegionConfig, RuleConfig, SteadyConfig
from edge_segnet.settings.sections import FilePath, Name, Seconds, Section, Wrong
from edge_segnet.settings.watch import WatchConfig

S = TypeVar("S", bound=Section)


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
    precision: CpuPrecision = Field(
        "auto",
        description="of OpenVINO; auto: what the processor is quick in, and int8 for an INT8 model",
    )
    fallback: bool = Field(False, description="may the CPU serve in the place of an engine that fails?")
    memory: Literal["auto", "pinned", "mapped"] = Field("auto", description="of frames and labels on the GPU's way")
    driver: Literal["auto", "pycuda", "cuda-bindings"] = Field(
        "auto", description="who speaks to CUDA; auto: cuda-bindings where it is installed, which captures graphs"
    )
    depth: Literal["auto", 1, 2] = Field(
        "auto", description="of cameras that share a GPU, how many have a frame on it; auto: 2 of several"
    )
    batch_wait_ms: Annotated[float, Field(ge=0.0, le=100.0)] = Field(
        2.0, description="how long a network that takes several frames waits for those of cameras that are due, at most"
    )
    size: Annotated[str, AfterValidator(_size)] | None = Field(
        None, description="network size WxH; auto: the largest that meets the cameras' rates"
    )
    colours: FilePath | None = Field(None, description="a 256x1 palette PNG: other colours for the model's classes")
    threads: Annotated[int, Field(ge=0, le=1024)] = Field(0, description="CPU threads; 0: one per core")
    cameras: dict[Name, CameraConfig] = Field(default_factory=_default_cameras, min_length=1, max_length=16)
    regions: dict[Name, RegionConfig] = Field({}, max_length=MAX_REGIONS)
    rules: list[RuleConfig] = Field([], max_length=MAX_RULES)
    watch: list[WatchConfig] = Field([], max_length=MAX_RULES, description="rules on the service itself")
    recover: RecoverConfig | None = Field(None, description="left out: nothing is asked of the board")
    steady: SteadyConfig | None = Field(None, description="left out: labels as the network gives them")
    log: LogConfig = LogConfig()

    @property
    def network_size(self) -> tuple[int, int] | None:
        """(width, height); None: the model's own, or what ``auto`` will choose."""
        if self.size in (None, "auto"):
            return None
        width, height = str(self.size).split("x")
        return int(width), int(height)

    def section(self, name: str, kind: type[S]) -> S | None:
        """A section of a sink; None: it is not asked for."""
        found = getattr(self, name, None)
        return found if isinstance(found, kind) else None

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
    def _watches_are_possible(self) -> Config:
        taken = {rule.name for rule in self.rules}
        for index, watch in enumerate(self.watch):
            if watch.name in taken:
                raise Wrong(f"{watch.name} is the name of another rule", "give each its own", ("watch", index, "name"))
            if watch.camera is not None and watch.camera not in self.cameras:
                names = ", ".join(self.cameras)
                raise Wrong(f"there is no camera {watch.camera}", f"there are {names}", ("watch", index, "camera"))
            taken.add(watch.name)
        return self

    @model_validator(mode="after")
    def _auto_needs_a_rate(self) -> Config:
        if self.size == "auto" and not any(camera.rate for camera in self.cameras.values()):
            raise Wrong("auto needs a rate that it can meet", "give one camera a rate", ("size",))
        return self


def with_sections(sections: Mapping[str, tuple[type[Section], Section | None]]) -> type[Config]:
    """The whole file with what the sinks have in it: name -> (type of the section, what it is when it is left out)."""
    fields: dict[str, Any] = {}
    for name, (kind, default) in sections.items():
        about = "null: left out" if default is not None else None
        fields[name] = (kind | None, Field(default, description=about))
    return create_model("Config", __base__=Config, **fields)
