"""An imported Caffe network, lowered, in TensorRT-RTX's real parser and builder."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_segnet.graph.caffe import import_caffe
from edge_segnet.graph.lower import lower
from tests.engine.test_builder import Built
from tests.graph.caffe import layouts
from tests.graph.caffe.layouts import Layout

NETS = [("driving_web_demo", (480, 360)), ("enet", (488, 360)), ("segnet_basic", (101, 75))]


@pytest.mark.parametrize(("name", "size"), NETS)
def test_imported_networks_build_in_fp16(name: str, size: tuple[int, int], tmp_path: Path) -> None:
    net: Layout = getattr(layouts, name)()
    imported = import_caffe(*net.write(tmp_path), size)
    built = Built(lower(imported.model, "tensorrt", precision="fp16").model)
    assert built.errors == []
    width, height = size
    wanted = {"frame": f"UINT8(1, {height}, {width}, 3)", "logits": f"HALF(1, {imported.classes}, {height}, {width})"}
    assert built.types == wanted
    assert built.plan_bytes > 2 * imported.cost.parameters
