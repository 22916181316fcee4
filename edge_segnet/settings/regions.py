"""Settings of what the labels mean: regions, rules, free distance, steadiness."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from edge_segnet.core.classes import ClassMap
from edge_segnet.core.errors import Key
from edge_segnet.core.polygons import MAX_POINTS, fault, mask_of
from edge_segnet.settings.sections import Name, Section, Wrong

MAX_REGIONS: Final = 32
MAX_RULES: Final = 128
"""Regions and rules, each judged at every frame of every camera: what a person can still oversee."""


def _coordinate(value: object) -> object:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and not 0.0 <= value <= 1.0:
        raise Wrong(f"{value} is outside the picture", "0 is its left or upper edge, 1 its right or lower one")
    return value


def _simple(points: list[list[float]]) -> list[list[float]]:
    if wrong := fault(points):
        raise Wrong(*wrong)
    return points


Coordinate = Annotated[float, BeforeValidator(_coordinate), Field(ge=0.0, le=1.0)]
Corner = Annotated[list[Coordinate], Field(min_length=2, max_length=2)]
Polygon = Annotated[list[Corner], Field(min_length=3, max_length=MAX_POINTS), AfterValidator(_simple)]
Frames = Annotated[int, Field(ge=1, le=100_000)]


class MountConfig(Section):
    """How a camera looks at the ground; with it, free distances are in metres, too."""

    height_m: Annotated[float, Field(gt=0.0, le=100.0)] = Field(description="of the lens above the ground")
    pitch_deg: Annotated[float, Field(gt=-45.0, le=90.0)] = Field(0.0, description="downwards is positive")
    focal_px: Annotated[float, Field(gt=0.0, le=1e6)] = Field(description="focal length in the camera's own pixels")
    centre_px: Annotated[list[float], Field(min_length=2, max_length=2)] | None = Field(
        None, description="principal point [x, y] in the camera's own pixels; left out: the picture's centre"
    )


class FreeConfig(Section):
    """How far drivable ground reaches up from a region's lower edge, in stripes from left to right."""

    classes: Annotated[list[str], Field(min_length=1, max_length=255)] = Field(description="that one can drive on")
    sectors: Annotated[int, Field(ge=1, le=64)] = Field(5, description="stripes, equally wide in the picture")
    share: Annotated[float, Field(gt=0.0, le=1.0)] = Field(0.8, description="of a stripe's row that must be drivable")


class RegionConfig(Section):
    """A part of the picture that is counted for itself."""

    polygon: Polygon = Field(description="corners [x, y] along the outline, relative to the picture")
    cameras: Annotated[list[Name], Field(min_length=1)] | None = Field(None, description="left out: every camera")
    smooth_s: Annotated[float, Field(gt=0.0, le=3600.0)] = Field(1.0, description="time constant of smoothed shares")
    free: FreeConfig | None = None

    def sees(self, camera: str) -> bool:
        """Whether it is one of the region's cameras."""
        return self.cameras is None or camera in self.cameras

    @property
    def drivable(self) -> list[str]:
        """Classes that its free distance is about."""
        return [] if self.free is None else self.free.classes


class RuleConfig(Section):
    """When to raise an alarm, and when it is over: a class's share of a region, how uncertain it is there, the region's
    free distance, or how uncertain or unfamiliar the whole picture is.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=False)

    name: Name
    region: Name | None = Field(None, description="left out where the whole picture is looked at")
    class_name: str | None = Field(None, alias="class", description="whose share of the region is looked at")
    free: Literal["metres", "rows"] | None = Field(None, description="the nearest sector's; instead of class")
    uncertain: bool = Field(False, description="the share of pixels that are nearly another class: of class, or of all")
    unfamiliar: bool = Field(False, description="how unlike the picture is to what the model learnt from, 0 to 1")
    below: Annotated[float, Field(gt=0.0)] | None = Field(
        None, description="starts below it: share 0 to 1, metres, rows"
    )
    above: Annotated[float, Field(ge=0.0)] | None = Field(None, description="starts above it; instead of below")
    frames: Frames = Field(1, description="in a row that the condition must hold")
    clear_above: float | None = Field(None, description="or equal; with below; left out: the same value")
    clear_below: float | None = Field(None, description="or equal; with above; left out: the same value")
    clear_frames: Frames = Field(1, description="in a row until it is over")
    snapshot: bool = Field(True, description="keep a picture with each event")

    @property
    def measure(self) -> Literal["share", "metres", "rows", "uncertain", "unfamiliar"]:
        """What it looks at."""
        if self.unfamiliar:
            return "unfamiliar"
        return "uncertain" if self.uncertain else self.free or "share"

    @property
    def threshold(self) -> float:
        """What the value is compared with to start."""
        return self.below if self.below is not None else self.above or 0.0

    @property
    def clear_at(self) -> float:
        """What the value is compared with to clear."""
        clear = self.clear_above if self.below is not None else self.clear_below
        return self.threshold if clear is None else clear

    @model_validator(mode="after")
    def _one_thing(self) -> RuleConfig:
        unsure = self.uncertain and self.class_name is None
        if [self.class_name is not None, self.free is not None, self.unfamiliar, unsure].count(True) != 1:
            raise Wrong("a rule looks at one thing", "give either class or free or unfamiliar or uncertain")
        whole = self.unfamiliar or unsure
        if whole != (self.region is None):
            word = "unfamiliar" if self.unfamiliar else "uncertain without class"
            what = f"{word} is about the whole picture" if whole else "a rule looks at a region"
            raise Wrong(what, "leave region out" if whole else "give region")
        if (self.below is None) == (self.above is None):
            raise Wrong("a rule has one threshold", "give either below or above")
        if self.below is not None and self.clear_below is not None:
            raise Wrong("a rule with below clears above", "give clear_above")
        if self.above is not None and self.clear_above is not None:
            raise Wrong("a rule with above clears below", "give clear_below")
        return self

    @model_validator(mode="after")
    def _possible(self) -> RuleConfig:
        below, above = self.below, self.above
        if below is not None and self.clear_at < below:
            raise Wrong(f"clear_above ({self.clear_at:g}) is less than below ({below:g})", "it would flutter")
        if above is not None and self.clear_at > above:
            raise Wrong(f"clear_below ({self.clear_at:g}) is more than above ({above:g})", "it would flutter")
        if above is not None and self.clear_at < 0.0:
            raise Wrong(f"clear_below ({self.clear_at:g}) is never reached", "give 0 or more")
        if self.free is not None:
            return self
        if self.threshold > 1.0 or self.clear_at > 1.0:
            raise Wrong(f"shares end at 1, not {max(self.threshold, self.clear_at):g}", "write 40 % as 0.4")
        if above == 1.0:
            raise Wrong("above 1 is never reached", "shares end at 1")
        return self


class SteadyConfig(Section):
    """A filter in time, per pixel, against edges that blink."""

    method: Literal["majority", "exponential"] = "majority"
    frames: Annotated[int, Field(ge=3, le=9)] = Field(3, description="that vote in majority")
    time_s: Annotated[float, Field(gt=0.0, le=10.0)] = Field(0.15, description="time constant of exponential")


@dataclass(frozen=True)
class Fault:
    """Something that is wrong between sections: the key to blame, what is wrong, what to do."""

    key: Key
    message: str
    hint: str


def faults_between(
    regions: Mapping[str, RegionConfig], rules: Sequence[RuleConfig], mounts: Mapping[str, MountConfig | None]
) -> Iterator[Fault]:
    """Names that lead nowhere; ``mounts``: every camera's name, and how it looks at the ground."""
    for name, region in regions.items():
        for number, camera in enumerate(region.cameras or []):
            if camera not in mounts:
                known = f"there is {', '.join(mounts)}"
                yield Fault(("regions", name, "cameras", number), f"there is no camera {camera!r}", known)
    names: set[str] = set()
    for number, rule in enumerate(rules):
        if rule.name in names:
            yield Fault(("rules", number, "name"), f"{rule.name!r} stands twice", "rules need different names")
        names.add(rule.name)
        yield from _faults_of(rule, ("rules", number), regions, mounts)


def _faults_of(
    rule: RuleConfig, key: Key, regions: Mapping[str, RegionConfig], mounts: Mapping[str, MountConfig | None]
) -> Iterator[Fault]:
    if rule.region is None:
        return
    region = regions.get(rule.region)
    if region is None:
        known = f"there is {', '.join(regions)}" if regions else "name one under regions"
        yield Fault((*key, "region"), f"there is no region {rule.region!r}", known)
        return
    if rule.free is not None and region.free is None:
        hint = f"add free: {{classes: [...]}} to regions.{rule.region}"
        yield Fault((*key, "free"), f"the region {rule.region!r} measures no free distance", hint)
    blind = [name for name, mount in mounts.items() if region.sees(name) and mount is None]
    if rule.free == "metres" and blind:
        hint = f"add mount: {{height_m: ..., focal_px: ...}} to cameras.{blind[0]}, or use rows"
        yield Fault((*key, "free"), f"metres need to know how the camera {blind[0]!r} looks at the ground", hint)


def faults_with_model(
    regions: Mapping[str, RegionConfig], rules: Sequence[RuleConfig], classes: ClassMap, size: tuple[int, int]
) -> Iterator[Fault]:
    """What only a model can tell: classes that it has not, regions without a pixel at its ``size`` (width, height)."""
    known = {name.lower() for name in classes.names}
    has = f"{classes.name} has {', '.join(classes.names)}"
    for name, region in regions.items():
        for number, class_name in enumerate(region.free.classes if region.free else []):
            if class_name.lower() not in known:
                key: Key = ("regions", name, "free", "classes", number)
                yield Fault(key, f"the model has no class {class_name!r}", has)
        columns = int(mask_of(region.polygon, size).any(axis=0).sum())
        if columns < (region.free.sectors if region.free else 1):
            what = f"covers {columns} of the {size[0]} columns that the network sees"
            hint = "make it wider, or give free fewer sectors" if columns else "make it larger"
            yield Fault(("regions", name, "polygon"), what, hint)
    for number, rule in enumerate(rules):
        if rule.class_name is not None and rule.class_name.lower() not in known:
            yield Fault(("rules", number, "class"), f"the model has no class {rule.class_name!r}", has)
