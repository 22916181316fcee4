"""Writes docs/foxglove-layout.json, which Foxglove imports: picture, shares, state, events and log of one camera.

python -m tools.foxglove_layout [CAMERA]    (a camera of another name: on standard output)
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import foxglove.layouts as fl

from edge_segnet.core.classes import CAMVID_11

PAGE: Final = Path(__file__).parent.parent / "docs" / "foxglove-layout.json"
CAMERA: Final = "front"
MASK_OPACITY: Final = 0.5


def layout(camera: str) -> dict[str, Any]:
    """The layout as the application exports it: settings by panel, and how the panels share the window."""
    panels = {
        "Image!picture": _picture(camera),
        "Plot!shares": _shares(camera),
        "Plot!ages": _ages(camera),
        "StateTransitions!states": _states(camera),
        "RawMessages!event": fl.RawMessagesConfig(topic_path="/events", expansion="all"),
        "RosOut!log": fl.LogConfig(topic_to_render="/log", min_log_level=1, search_terms=[]),
    }
    left = _split("column", 68, "Image!picture", "StateTransitions!states")
    lower = _split("row", 50, "RawMessages!event", "RosOut!log")
    right = _split("column", 64, _split("column", 60, "Plot!shares", "Plot!ages"), lower)
    return {
        "configById": {name: json.loads(config.to_json()) for name, config in panels.items()},
        "globalVariables": {},
        "userNodes": {},
        "playbackConfig": {"speed": 1},
        "layout": _split("row", 50, left, right),
    }


def _split(direction: str, percent: int, first: Any, second: Any) -> dict[str, Any]:
    return {"direction": direction, "splitPercentage": percent, "first": first, "second": second}


def _picture(camera: str) -> fl.ImageConfig:
    """The camera with the mask over it, and the outlines of regions."""
    mask = fl.ImageOverlayTopicConfig(id="mask", topic=f"/{camera}/mask", visible=True, opacity=MASK_OPACITY)
    mode = fl.ImageModeConfig(
        image_topic=f"/{camera}/image",
        overlay_topics=[mask],
        annotations={f"/{camera}/regions": fl.ImageAnnotationSettings(visible=True)},
    )
    return fl.ImageConfig(image_mode=mode)


def _shares(camera: str) -> fl.PlotConfig:
    """Every class in its own colour."""
    lines = [
        fl.PlotSeries(
            value=f"/{camera}/result.classes.{name}.share",
            label=name,
            color=f"#{red:02x}{green:02x}{blue:02x}",
            enabled=True,
            timestamp_method="receiveTime",
        )
        for name, (red, green, blue) in zip(CAMVID_11.names, CAMVID_11.colours, strict=True)
    ]
    return _plot(lines, max_y_value=1)


def _ages(camera: str) -> fl.PlotConfig:
    named = {"age_ms": "age, ms", "stages_ms.network": "network, ms"}
    lines = [
        fl.PlotSeries(value=f"/{camera}/result.{path}", label=label, enabled=True, timestamp_method="receiveTime")
        for path, label in named.items()
    ]
    return _plot(lines)


def _plot(lines: list[fl.PlotSeries], max_y_value: float | None = None) -> fl.PlotConfig:
    return fl.PlotConfig(
        paths=lines,
        min_y_value=0,
        max_y_value=max_y_value,
        show_legend=True,
        legend_display="left",
        show_plot_values_in_legend=True,
        show_x_axis_labels=True,
        show_y_axis_labels=True,
        is_synced=True,
        x_axis_val="timestamp",
    )


def _states(camera: str) -> fl.StateTransitionsConfig:
    named = {
        f"/status.cameras.{camera}.state": "camera",
        f"/{camera}/result.stale": "stale",
        "/events.kind": "events",
    }
    lines = [
        fl.StateTransitionsSeries(value=path, label=label, enabled=True, timestamp_method="receiveTime")
        for path, label in named.items()
    ]
    return fl.StateTransitionsConfig(paths=lines, is_synced=True)


def main() -> None:
    """Write the file, or print the layout of another camera."""
    if len(sys.argv) > 1:
        sys.stdout.write(text(sys.argv[1]))
    else:
        PAGE.write_text(text(CAMERA), encoding="utf-8")


def text(camera: str) -> str:
    """The file's contents."""
    return json.dumps(layout(camera), indent=1) + "\n"


if __name__ == "__main__":
    main()
