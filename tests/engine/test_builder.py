"""The real TensorRT-RTX parser and builder take every lowered graph; neither needs a GPU.

A proxy for Jetson's TensorRT, not proof: see docs/architecture.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from edge_segnet.graph.foreign import ForeignSpec, canonicalise
from edge_segnet.graph.head import Head
from edge_segnet.graph.lower import Precision, lower
from tests.support.nets import hourglass, random_model


def tensorrt() -> Any:
    """The library under either of its import names; skips the test where neither is installed."""
    for name in ("tensorrt_rtx", "tensorrt_rtx_bindings"):
        try:
            return __import__(name)
        except ImportError:
            continue
    pytest.skip("TensorRT-RTX is not installed (extra: tensorrt-rtx)")


class Built:
    """A parsed and built network; ``errors`` are the parser's and the builder's."""

    def __init__(self, model: onnx.ModelProto) -> None:
        trt = tensorrt()
        errors: list[str] = []

        def log(_: Any, severity: Any, message: str) -> None:
            if severity <= trt.ILogger.ERROR:
                errors.append(message)

        members = {"__init__": lambda self: trt.ILogger.__init__(self), "log": log}
        logger = type("Logger", (trt.ILogger,), members)()
        builder = trt.Builder(logger)
        self.network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
        parser = trt.OnnxParser(self.network, logger)
        self.plan_bytes = 0
        self.types: dict[str, str] = {}
        if parser.parse(model.SerializeToString()):
            sides = [*map(self.network.get_input, range(self.network.num_inputs))]
            sides += map(self.network.get_output, range(self.network.num_outputs))
            self.types = {side.name: f"{side.dtype.name}{tuple(side.shape)}" for side in sides}
            plan = builder.build_serialized_network(self.network, builder.create_builder_config())
            self.plan_bytes = 0 if plan is None else plan.nbytes
        self.errors = errors + [parser.get_error(index).desc() for index in range(parser.num_errors)]


@pytest.mark.parametrize("name", ["segnet", "segnet-basic", "segnet-lite"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_the_family_parses_and_builds(name: str, precision: Precision) -> None:
    model = random_model(name, (480, 360), classes=11)
    built = Built(lower(model, "tensorrt", precision=precision).model)
    assert built.errors == []
    kind = "HALF" if precision == "fp16" else "FLOAT"
    assert built.types == {"frame": "UINT8(1, 360, 480, 3)", "logits": f"{kind}(1, 11, 360, 480)"}
    weights = sum(int(np.prod(weight.dims)) for weight in model.graph.initializer)
    assert built.plan_bytes > weights * (2 if precision == "fp16" else 4)


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (129, 75)])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("head", ["logits", "labels"])
def test_odd_sizes_and_the_label_head_build(size: tuple[int, int], precision: Precision, head: Head) -> None:
    built = Built(lower(random_model("segnet-lite", size), "tensorrt", precision=precision, head=head).model)
    assert built.errors == [] and built.plan_bytes
    if head == "labels":
        assert built.types["labels"] == f"UINT8(1, {size[1]}, {size[0]})"


@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("channels", ["rgb", "bgr"])
def test_models_from_elsewhere_build(ceil: bool, precision: Precision, channels: str) -> None:
    model = hourglass((67, 45), ceil=ceil)
    given = {"channels": channels, "range": 1, "mean": (0.4, 0.5, 0.6), "std": (0.2, 0.3, 0.4)}
    spec = ForeignSpec.model_validate({"input": given, "output": {"kind": "logits"}, "classes": "camvid-12"})
    for form in (model, canonicalise(model, spec)):
        built = Built(lower(form, "tensorrt", precision=precision).model)
        assert built.errors == [] and built.plan_bytes


def test_the_native_form_is_refused_so_this_gate_means_something() -> None:
    built = Built(lower(hourglass((64, 64), ceil=False), "onnxruntime").model)
    assert built.errors and built.plan_bytes == 0
