"""What a foreign ONNX model does not say about itself, as its owner writes it down in YAML.

input: {channels: rgb, range: 1, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}
size: 480x360                  # only where the input's size is dynamic
output: {kind: logits}         # or probability (of one channel: threshold: 0.5), or labels
classes: cityscapes-19         # or a file
void: 19                       # only where an output of the network means void
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from edge_segnet.core import yaml
from edge_segnet.core.errors import SettingsError

Layout = Literal["nchw", "nhwc"]
Triple = tuple[float, float, float]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class InputSpec(_Strict):
    """How the network wants a picture: ``(x - mean) / std``, where x is in 0..``range`` or 0..255 times ``scale``.

    ``mean`` and ``std`` are in the order of ``channels``. ``name`` is needed only where a model has several inputs,
    ``layout`` only where its shape leaves it open.
    """

    name: str | None = None
    layout: Layout | None = None
    channels: Literal["rgb", "bgr"]
    range: Literal[1, 255] | None = None
    scale: float | None = Field(default=None, gt=0)
    mean: Triple = (0.0, 0.0, 0.0)
    std: Triple = (1.0, 1.0, 1.0)

    @field_validator("std")
    @classmethod
    def _divides(cls, std: Triple) -> Triple:
        if min(std) <= 0:
            raise ValueError("every std must be above 0")
        return std

    @model_validator(mode="after")
    def _one_scale(self) -> InputSpec:
        if (self.range is None) == (self.scale is None):
            raise ValueError("give range (1 or 255) or scale, one of them")
        return self


class OutputSpec(_Strict):
    """What comes out: scores per class before softmax or sigmoid, probabilities after it, or class ids.

    One channel is the second of two classes: it wins where its probability is above ``threshold``.
    """

    name: str | None = None
    kind: Literal["logits", "probability", "labels"]
    layout: Layout | None = None
    threshold: float = Field(default=0.5, gt=0, lt=1)


class ForeignSpec(_Strict):
    """A whole spec file; ``size`` is (width, height); ``classes`` names a class map or its file; ``void`` is the place
    among the outputs of one that stands for void and is no class.
    """

    input: InputSpec
    output: OutputSpec
    classes: str
    void: int | None = Field(default=None, ge=0)
    size: tuple[int, int] | None = None

    @field_validator("size", mode="before")
    @classmethod
    def _width_by_height(cls, size: object) -> object:
        if size is None:
            return None
        match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", size) if isinstance(size, str) else None
        if match is None:
            raise ValueError("write WIDTHxHEIGHT, as in 480x360")
        return int(match[1]), int(match[2])


def load_spec(path: Path) -> ForeignSpec:
    """Read a spec file.

    Raises:
        SettingsError: missing, not YAML, an unknown or missing key, a wrong value; one line that names the place.
    """
    document = yaml.read(path)
    content = document.data
    if not isinstance(content, dict) or not content:
        raise SettingsError("no keys found", hint="a spec has the keys input, output and classes", path=str(path))
    try:
        return ForeignSpec.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        what = first["msg"].removeprefix("Value error, ")
        raise SettingsError(what).at(document.place(first["loc"] or ("spec",))) from None
