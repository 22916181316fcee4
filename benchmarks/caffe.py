"""Import of a full-size caffemodel (VGG16 SegNet, 118 MB, random weights), and what TensorRT-RTX makes of it."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from benchmarks import peak
from benchmarks.figure import Figure
from edge_segnet.graph import card as cards
from edge_segnet.graph.lower import lower
from tests.graph.caffe.layouts import driving_web_demo


def run(model: str, folder: Path) -> list[Figure]:  # noqa: ARG001 - all benchmarks are called alike
    """The whole command in a process of its own: time from start to end, and its largest resident set."""
    prototxt, caffemodel = driving_web_demo().write(folder)
    out = folder / "segnet.onnx"
    command = [sys.executable, "-m", "edge_segnet", "import-caffe", "--model", str(prototxt)]
    command += ["--weights", str(caffemodel), "--classes", "camvid-12", "-o", str(out)]
    done = peak.run(command)
    assert done.code == 0, done.said
    return [
        Figure("import-caffe: the caffemodel", caffemodel.stat().st_size / 1e6, "MB"),
        Figure("import-caffe: process start to end", done.seconds, "s", 15.0),
        Figure("import-caffe: largest resident memory", done.memory / 1e6, "MB", 1000.0),
        *_tensorrt(out),
    ]


def _tensorrt(path: Path) -> list[Figure]:
    """Parse and build in FP16, where TensorRT-RTX is installed; a plan must come of it."""
    try:
        import tensorrt_rtx_bindings as trt
    except ImportError:
        return []
    started = time.perf_counter()
    lowered = lower(cards.load(str(path)).proto, "tensorrt", precision="fp16").model.SerializeToString()
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    plan = builder.build_serialized_network(network, builder.create_builder_config()) if parser.parse(lowered) else None
    megabytes = 0.0 if plan is None else plan.nbytes / 1e6
    return [
        Figure("imported segnet: TensorRT-RTX FP16 plan", megabytes, "MB", 50.0, ">="),
        Figure("imported segnet: lowering and building it", time.perf_counter() - started, "s"),
    ]
