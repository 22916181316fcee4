"""Caffe's messages, as far as a network of the SegNet family or ENet needs them.

Written from the field numbers that caffe.proto documents (BVLC's for the common layers; alexgkendall/caffe-segnet for
``bn_param`` 45, ``upsample_param`` 137 and ``dense_image_data_param`` 138) and handed to the protobuf library, which
does the parsing. Text needs the names; binary files are read for names and blobs alone, so the two dialects' clashing
numbers above 136 never meet.
"""

from __future__ import annotations

import re
from typing import Any, Final

from google.protobuf import (  # type: ignore[import-untyped]
    descriptor_pb2,
    descriptor_pool,
    message_factory,
)

_PACKAGE: Final = "edge_segnet.caffe"
_FIELD: Final = re.compile(r"(?P<name>\w+)=(?P<number>\d+) (?P<type>\w+)(?P<many>\*?)(?::(?P<default>\S+))?$")

_ENUMS: Final = {
    "Phase": "TRAIN=0, TEST=1",
    "Engine": "DEFAULT=0, CAFFE=1, CUDNN=2",
    "Db": "LEVELDB=0, LMDB=1",
    "BNMode": "LEARN=0, INFERENCE=1",
    "Pool": "MAX=0, AVE=1, STOCHASTIC=2",
    "Eltwise": "PROD=0, SUM=1, MAX=2",
    "Region": "ACROSS_CHANNELS=0, WITHIN_CHANNEL=1",
    "Norm": "FAN_IN=0, FAN_OUT=1, AVERAGE=2",
    "V1Type": (
        "NONE=0, ABSVAL=35, ACCURACY=1, ARGMAX=30, BN=43, BNLL=2, CONCAT=3, CONTRASTIVE_LOSS=37, CONVOLUTION=4, "
        "DATA=5, DECONVOLUTION=39, DENSE_IMAGE_DATA=45, DROPOUT=6, DUMMY_DATA=32, EUCLIDEAN_LOSS=7, ELTWISE=25, "
        "EXP=38, FLATTEN=8, HDF5_DATA=9, HDF5_OUTPUT=10, HINGE_LOSS=28, IM2COL=11, IMAGE_DATA=12, INFOGAIN_LOSS=13, "
        "INNER_PRODUCT=14, LRN=15, MEMORY_DATA=29, MULTINOMIAL_LOGISTIC_LOSS=16, MVN=34, POOLING=17, POWER=26, "
        "RELU=18, SIGMOID=19, SIGMOID_CROSS_ENTROPY_LOSS=27, SILENCE=36, SOFTMAX=20, SOFTMAX_LOSS=21, SPLIT=22, "
        "SLICE=33, TANH=23, UPSAMPLE=44, WINDOW_DATA=24, THRESHOLD=31"
    ),
}

_MESSAGES: Final = {
    "Shape": "dim=1 int64*",
    "Filler": (
        "type=1 string, value=2 float, min=3 float, max=4 float, mean=5 float, std=6 float, sparse=7 int32, "
        "variance_norm=8 Norm, diag_val=9 float*"
    ),
    "Rule": "phase=1 Phase, min_level=2 int32, max_level=3 int32, stage=4 string*, not_stage=5 string*",
    "State": "phase=1 Phase, level=2 int32, stage=3 string*",
    "Param": "name=1 string, share_mode=2 int32, lr_mult=3 float, decay_mult=4 float",
    "Transform": (
        "scale=1 float:1, mirror=2 bool, crop_size=3 uint32, mean_file=4 string, mean_value=5 float*, "
        "force_color=6 bool, force_gray=7 bool"
    ),
    "Loss": "ignore_label=1 int32, normalization=3 int32, normalize=2 bool, weight_by_label_freqs=4 bool, "
    "class_weighting=5 float*",
    "Accuracy": "top_k=1 uint32, axis=2 int32, ignore_label=3 int32",
    "ArgMax": "out_max_val=1 bool, top_k=2 uint32:1, axis=3 int32",
    "BN": "bn_mode=3 BNMode:LEARN, scale_filler=1 Filler, shift_filler=2 Filler, bn_eps=4 float",
    "BatchNorm": "use_global_stats=1 bool, moving_average_fraction=2 float, eps=3 float:1e-5",
    "Scale": "axis=1 int32:1, num_axes=2 int32:1, filler=3 Filler, bias_term=4 bool, bias_filler=5 Filler",
    "Concat": "axis=2 int32:1, concat_dim=1 uint32:1",
    "Conv": (
        "num_output=1 uint32, bias_term=2 bool:true, pad=3 uint32*, pad_h=9 uint32, pad_w=10 uint32, "
        "kernel_size=4 uint32*, kernel_h=11 uint32, kernel_w=12 uint32, group=5 uint32:1, stride=6 uint32*, "
        "stride_h=13 uint32, stride_w=14 uint32, weight_filler=7 Filler, bias_filler=8 Filler, engine=15 Engine, "
        "axis=16 int32:1, force_nd_im2col=17 bool, dilation=18 uint32*"
    ),
    "Crop": "axis=1 int32:2, offset=2 uint32*",
    "Data": (
        "source=1 string, batch_size=4 uint32, rand_skip=7 uint32, backend=8 Db, scale=2 float:1, mean_file=3 string, "
        "crop_size=5 uint32, mirror=6 bool, force_encoded_color=9 bool, prefetch=10 uint32"
    ),
    "ImageData": (
        "source=1 string, batch_size=4 uint32, rand_skip=7 uint32, shuffle=8 bool, new_height=9 uint32, "
        "new_width=10 uint32, is_color=11 bool:true, scale=2 float:1, mean_file=3 string, crop_size=5 uint32, "
        "mirror=6 bool, root_folder=12 string"
    ),
    "MemoryData": "batch_size=1 uint32, channels=2 uint32, height=3 uint32, width=4 uint32",
    "Dense": (
        "source=1 string, batch_size=2 uint32, rand_skip=3 uint32, shuffle=4 bool, new_height=5 uint32, "
        "new_width=6 uint32, is_color=7 bool:true, mean_file=8 string, root_folder=9 string, "
        "label_divide_factor=10 uint32"
    ),
    "Dropout": "dropout_ratio=1 float:0.5, sample_weights_test=2 bool, scale_train=3 bool",
    "EltwiseSum": "operation=1 Eltwise:SUM, coeff=2 float*, stable_prod_grad=3 bool",
    "Input": "shape=1 Shape*",
    "Lrn": "local_size=1 uint32:5, alpha=2 float:1, beta=3 float:0.75, norm_region=4 Region, k=5 float:1, "
    "engine=6 Engine",
    "Pooling": (
        "pool=1 Pool:MAX, pad=4 uint32, pad_h=9 uint32, pad_w=10 uint32, kernel_size=2 uint32, kernel_h=5 uint32, "
        "kernel_w=6 uint32, stride=3 uint32:1, stride_h=7 uint32, stride_w=8 uint32, engine=11 Engine, "
        "global_pooling=12 bool"
    ),
    "PRelu": "filler=1 Filler, channel_shared=2 bool",
    "Python": "module=1 string, layer=2 string, param_str=3 string, share_in_parallel=4 bool",
    "Relu": "negative_slope=1 float, engine=2 Engine",
    "Softmax": "engine=1 Engine, axis=2 int32:1",
    "Upsample": (
        "scale=1 uint32:2, scale_h=2 uint32, scale_w=3 uint32, pad_out_h=4 bool, pad_out_w=5 bool, "
        "upsample_h=6 uint32, upsample_w=7 uint32"
    ),
    "Layer": (
        "name=1 string, type=2 string, bottom=3 string*, top=4 string*, loss_weight=5 float*, param=6 Param*, "
        "include=8 Rule*, exclude=9 Rule*, phase=10 Phase, propagate_down=11 bool*, transform_param=100 Transform, "
        "loss_param=101 Loss, accuracy_param=102 Accuracy, softmax_param=125 Softmax, argmax_param=103 ArgMax, "
        "bn_param=45 BN, batch_norm_param=139 BatchNorm, scale_param=142 Scale, concat_param=104 Concat, "
        "convolution_param=106 Conv, crop_param=144 Crop, data_param=107 Data, "
        "image_data_param=115 ImageData, memory_data_param=119 MemoryData, "
        "dense_image_data_param=138 Dense, dropout_param=108 Dropout, "
        "eltwise_param=110 EltwiseSum, input_param=143 Input, lrn_param=118 Lrn, pooling_param=121 Pooling, "
        "prelu_param=131 PRelu, python_param=130 Python, relu_param=123 Relu, upsample_param=137 Upsample"
    ),
    "V1Layer": (
        "bottom=2 string*, top=3 string*, name=4 string, type=5 V1Type, include=32 Rule*, exclude=33 Rule*, "
        "param=1001 string*, blob_share_mode=1002 int32*, blobs_lr=7 float*, weight_decay=8 float*, "
        "loss_weight=35 float*, transform_param=36 Transform, loss_param=42 Loss, accuracy_param=27 Accuracy, "
        "argmax_param=23 ArgMax, bn_param=45 BN, concat_param=9 Concat, convolution_param=10 Conv, "
        "data_param=11 Data, image_data_param=15 ImageData, memory_data_param=22 MemoryData, "
        "dense_image_data_param=138 Dense, dropout_param=12 Dropout, eltwise_param=24 EltwiseSum, lrn_param=18 Lrn, "
        "pooling_param=19 Pooling, relu_param=30 Relu, softmax_param=39 Softmax, upsample_param=137 Upsample"
    ),
    "Net": (
        "name=1 string, layers=2 V1Layer*, input=3 string*, input_dim=4 int32*, force_backward=5 bool, state=6 State, "
        "debug_info=7 bool, input_shape=8 Shape*, layer=100 Layer*"
    ),
    # What a binary file is read for. ``data`` is declared as bytes: a packed array of floats has the same wire form,
    # and so 118 MB of weights become NumPy arrays without a Python number in between.
    "Blob": "num=1 int32, channels=2 int32, height=3 int32, width=4 int32, data=5 bytes*, shape=7 Shape, "
    "double_data=8 bytes*",
    "Weights": "name=1 string, type=2 string, blobs=7 Blob*",
    "V1Weights": "name=4 string, blobs=6 Blob*",
}

_SCALARS: Final = {"string": 9, "bytes": 12, "bool": 8, "int32": 5, "uint32": 13, "int64": 3, "float": 2}
_ENUM, _MESSAGE = 14, 11
_OPTIONAL, _REPEATED = 1, 3
"""Numbers of ``FieldDescriptorProto.Type`` and ``Label``."""


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="edge_segnet/caffe.proto", package=_PACKAGE, syntax="proto2")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for text in fields.split(", "):
            _add_field(message, text)
    return file


def _add_enum(message: Any, name: str) -> None:
    """Inside the message: names of enum values share their surroundings' scope, and MAX stands in two enums."""
    if all(nested.name != name for nested in message.enum_type):
        enum = message.enum_type.add(name=name)
        for entry in _ENUMS[name].split(", "):
            key, _, number = entry.partition("=")
            enum.value.add(name=key, number=int(number))


def _add_field(message: Any, text: str) -> None:
    found = _FIELD.match(text)
    assert found is not None, text
    kind = found["type"]
    field = message.field.add(name=found["name"], number=int(found["number"]))
    field.label = _REPEATED if found["many"] else _OPTIONAL
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    elif kind in _ENUMS:
        _add_enum(message, kind)
        field.type, field.type_name = _ENUM, f".{_PACKAGE}.{message.name}.{kind}"
    else:
        field.type, field.type_name = _MESSAGE, f".{_PACKAGE}.{kind}"
    if found["default"]:
        field.default_value = found["default"]


_POOL: Final = descriptor_pool.DescriptorPool()
_POOL.AddSerializedFile(_file().SerializeToString())


def _message(name: str) -> Any:
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


Net: Final = _message("Net")
Weights: Final = _message("Weights")
V1Weights: Final = _message("V1Weights")
V1_TYPES: Final = tuple(entry.partition("=")[0] for entry in _ENUMS["V1Type"].split(", "))
