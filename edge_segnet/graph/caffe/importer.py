"""A prototxt and a caffemodel become a model file."""

from __future__ import annotations

from pathlib import Path

from edge_segnet.graph.caffe import layers as handlers
from edge_segnet.graph.caffe.net import Imported, Net
from edge_segnet.graph.caffe.prototxt import read_prototxt


def import_caffe(prototxt: Path, caffemodel: Path, size: tuple[int, int] | None = None) -> Imported:
    """Make the canonical graph (``frame`` uint8 [1,H,W,3] BGR -> ``logits`` [1,C,H,W]) of a Caffe network.

    Args:
        size: (width, height) of the network input; the file's own, else 480x360.

    Raises:
        ModelError: a file is missing, damaged or hostile; a layer is unknown or used in a way that has no exact
            translation; the weights belong to another network. One line that names file, line, layer and blob.
    """
    description = read_prototxt(prototxt, handlers.check_known)
    net = Net(description, prototxt, caffemodel, size)
    for index, layer in enumerate(description.layers):
        net.add(index, layer, handlers.HANDLERS[layer.kind])
    return net.finish()
