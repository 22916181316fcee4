"""Settings of the ROS 2 node."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edge_segnet.settings.sections import Name, Section


class Ros2Config(Section):
    """ROS 2 topics; needs rclpy, which comes with ROS."""

    node: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=64)] = "edge_segnet"
    namespace: Annotated[str, Field(pattern=r"^(/[A-Za-z][A-Za-z0-9_]*)*$", max_length=128)] = ""
    frame_ids: dict[Name, Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_/.-]*$", max_length=128)]] = Field(
        {}, description="camera: its optical frame; left out: NAME_optical_frame"
    )
    size: Literal["network", "camera"] = Field("network", description="of pictures; camera: aligned with its depth")
    rate: Annotated[float, Field(gt=0.0, le=1000.0)] | None = Field(None, description="frames per second at most")
