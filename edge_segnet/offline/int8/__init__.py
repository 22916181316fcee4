"""What ``edge-segnet quantize`` does: pictures -> ranges of every map -> layers in int8 -> a gate that holds."""
