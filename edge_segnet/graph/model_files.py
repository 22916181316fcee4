"""Which model files there are, and what one says about itself. Imports neither onnx nor what works on graphs: a service
has another process read its model, and does not wait for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from edge_segnet.core.calibration import Calibration
from edge_segnet.core.classes import ClassMap
from edge_segnet.core.errors import ModelError
from edge_segnet.core.types import Fit

if TYPE_CHECKING:
    import onnx

    from edge_segnet.graph.view import View

ENGINE_SUFFIX: Final = ".engine"
DECODED: Final = ("labels", "margins", "winning", "broken")
"""Outputs of the decode: uint8 [1,H,W], uint8 [1,H,W], float32 [1], int64 [1]."""
CpuTarget = Literal["onnxruntime", "openvino"]
Stored = Literal["fp32", "int8"]
"""What a model file computes in: in float32, or its convolutions in int8 (``graph.quantise``)."""


@dataclass(frozen=True)
class ModelCard:
    """What a model says about itself, whatever file it lies in."""

    name: str
    classes: ClassMap
    size: tuple[int, int]
    """(width, height) of the network input."""
    fit: Fit
    licence: str
    provenance: dict[str, Any]
    """Where the weights come from: architecture, data, recipe, figures, versions; free form."""
    calibration: Calibration | None = None
    void_output: bool = False
    """Whether one more output, behind the classes', stands for void."""
    precision: Stored = "fp32"

    @property
    def outputs(self) -> int:
        """Channels of the logits."""
        return len(self.classes) + self.void_output

    @property
    def temperature(self) -> float:
        """What divides the logits before a margin is called small."""
        return 1.0 if self.calibration is None else self.calibration.temperature


@dataclass(frozen=True, eq=False)
class OnnxModel:
    """A canonical model. ``path`` and ``sha256`` are of the file that it was read from (its weights in other files
    included); empty for one that was just made. ``view``: the shapes as they were inferred when it was checked.
    """

    card: ModelCard
    proto: onnx.ModelProto
    path: Path | None = None
    sha256: str = ""
    view: View | None = None

    @property
    def shapes(self) -> View:
        """The view; inferred now if nobody needed it before."""
        if self.view is not None:
            return self.view
        from edge_segnet.graph.view import View

        return View(self.proto)


@dataclass(frozen=True, eq=False)
class LoweredModel:
    """What another process has made of a model file: for each target that was asked for, the serialised graph."""

    card: ModelCard
    path: Path
    sha256: str
    graphs: Mapping[CpuTarget, bytes]
    together: Mapping[CpuTarget, bytes] = field(default_factory=dict)
    """The same for ``batch`` frames at once, where that can be."""
    batch: int = 1


def shipped_models() -> dict[str, Path]:
    """Names and files of the models in this package."""
    folder = Path(str(resources.files("edge_segnet") / "models"))
    return {path.stem: path for path in sorted(folder.glob("*.onnx"))}


def ships(path: Path) -> bool:
    """Whether a model came with this package."""
    return path in shipped_models().values()


def find_model(model: str) -> Path:
    """The file of a shipped NAME or of a path; raises ModelError."""
    path = Path(model)
    try:
        # A file is that file: the package's own folder is not even looked at, which may be closed to this user.
        if path.is_file():
            return path
    except OSError as error:
        raise ModelError(f"{model}: {error.strerror or error}", hint="check the file and its rights") from error
    shipped = {} if path.suffix else shipped_models()
    if model in shipped:
        return shipped[model]
    raise ModelError(f"{model}: no such model", hint=f"give an .onnx file or one of: {', '.join(shipped_models())}")
