"""Caffe's ``.prototxt`` and ``.caffemodel`` -> canonical graph. Needs no Caffe.

prototxt.py   text  -> layers of the test phase, old (V1) and new fields alike, each with its line
weights.py    binary -> arrays by layer name; believes no length and no shape
schema.py     both formats' messages, for the protobuf library
affine.py     BN, BatchNorm and Scale as a factor and a shift per channel
layers.py     one function per layer type: nodes, weights, the size of its map
net.py        walks the layers: blobs by top, folding, output, report
"""

from edge_segnet.graph.caffe.importer import import_caffe, statistics_graph
from edge_segnet.graph.caffe.net import Imported

__all__ = ["Imported", "import_caffe", "statistics_graph"]
