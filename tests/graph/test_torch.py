"""What torch's own exporter makes of a SegNet becomes canonical, and every runtime gives torch's own labels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edge_segnet.graph.foreign import ForeignSpec, canonicalise
from edge_segnet.graph.load import read_file
from edge_segnet.graph.lower import lower
from tests.engine.test_builder import Built
from tests.graph.runtimes import Array, run_onnxruntime, run_openvino
from tests.support.nets import random_frame

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")
pytest.importorskip("onnxscript", reason="torch's exporter needs onnxscript (extra: test)")
torch_nets: Any = pytest.importorskip("tests.support.torch_nets")

CLASSES = 11
SPEC = ForeignSpec.model_validate(
    {"input": {"channels": "rgb", "range": 1}, "output": {"kind": "logits"}, "classes": "camvid-11"}
)
NETS = {
    "2x2": lambda: torch_nets.SegNet(CLASSES),
    "2x2 ceil": lambda: torch_nets.SegNet(CLASSES, ceil=True),
    "3x3": lambda: torch_nets.SegNet(CLASSES, (3, 1)),
    "enet": lambda: torch_nets.ENet(CLASSES),
}
EVEN, ODD = (64, 48), (67, 45)
CASES = [("2x2", EVEN), ("2x2", ODD), ("2x2 ceil", ODD), ("3x3", EVEN), ("3x3", ODD), ("enet", EVEN)]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]} {case[1][0]}x{case[1][1]}")
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, ...]]:
    """(torch's module, picture [1,H,W,3], canonical model)"""
    name, size = request.param
    torch.manual_seed(0)
    net, path = NETS[name](), tmp_path_factory.mktemp("torch") / "net.onnx"
    torch_nets.export(net, size, path)
    yield net, random_frame(size), canonicalise(read_file(path).proto, SPEC, class_count=CLASSES)


def torch_logits(net: Any, frame: Array) -> Array:
    picture = np.ascontiguousarray(frame[..., ::-1].transpose(0, 3, 1, 2)).astype(np.float32) / np.float32(255)
    with torch.no_grad():
        return np.asarray(net.eval()(torch.from_numpy(picture)))


def test_labels_are_torchs_own(exported: tuple[Any, Array, onnx.ModelProto]) -> None:
    net, frame, canonical = exported
    assert {"MaxUnpool"} <= {node.op_type for node in canonical.graph.node}
    assert not {"ScatterND", "Reshape"} & {node.op_type for node in canonical.graph.node}
    expected = torch_logits(net, frame)
    first, second = np.sort(expected, axis=1)[:, ::-1][:, :2].swapaxes(0, 1)
    clear = first - second > 1e-5  # where two logits are nearly equal, the order of a sum decides
    assert clear.mean() > 0.99
    native = run_onnxruntime(lower(canonical, "onnxruntime").model, frame)
    np.testing.assert_allclose(native, expected, rtol=0, atol=1e-5)
    assert np.array_equal(native.argmax(1)[clear], expected.argmax(1)[clear])
    np.testing.assert_array_equal(run_onnxruntime(lower(canonical, "tensorrt").model, frame), native)


def test_openvino_gives_the_cpus_labels(exported: tuple[Any, Array, onnx.ModelProto]) -> None:
    _, frame, canonical = exported
    logits = run_onnxruntime(lower(canonical, "onnxruntime").model, frame)
    first, second = np.sort(logits, axis=1)[:, ::-1][:, :2].swapaxes(0, 1)
    clear = first - second > 1e-5
    found = run_openvino(lower(canonical, "openvino", head="labels").model, frame)
    assert np.array_equal(found[clear], logits.argmax(1)[clear])


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_tensorrt_rtx_builds_it(exported: tuple[Any, Array, onnx.ModelProto], precision: Any) -> None:
    built = Built(lower(exported[2], "tensorrt", precision=precision).model)
    assert built.errors == [] and built.plan_bytes


def test_a_dynamic_export_takes_the_size_of_its_spec(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net, path = torch_nets.SegNet(CLASSES), tmp_path / "net.onnx"
    sides = {2: torch.export.Dim("h", min=16, max=512), 3: torch.export.Dim("w", min=16, max=512)}
    torch_nets.export(net, EVEN, path, dynamic_shapes=(sides,))
    spec = SPEC.model_copy(update={"size": (80, 56)})
    frame = random_frame((80, 56))
    canonical = canonicalise(read_file(path).proto, spec, class_count=CLASSES)
    found = run_onnxruntime(lower(canonical, "tensorrt").model, frame)
    np.testing.assert_allclose(found, torch_logits(net, frame), rtol=0, atol=1e-5)
