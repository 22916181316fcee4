"""The overlay as H.264 video, at ``rtsp://HOST:PORT/CAMERA``: what players, recorders and Frigate read.

    publish -> picture.overlay -> server.Stream.push -> encoder -> every viewer

Drawn and encoded only while someone watches. A camera that gives nothing keeps its stream: its last picture, dark, with
what is known about the camera.

    no port --listens--> a stream for each camera: unwatched <--viewers--> watched --QUIET_S without a result--> quiet
       `--taken: again after RETRY_S--'                                       ^------------a result-----------------'
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final

from edge_segnet.core import threads
from edge_segnet.core.errors import OutputError, SettingsError
from edge_segnet.core.types import Image, Result
from edge_segnet.sinks import Service
from edge_segnet.sinks.access import load_token
from edge_segnet.sinks.rtsp.picture import notice, overlay
from edge_segnet.sinks.rtsp.settings import RtspConfig
from edge_segnet.sinks.rtsp.spec import RtspStatus

if TYPE_CHECKING:
    from edge_segnet.sinks.rtsp.server import RtspServer

logger = logging.getLogger(__name__)
QUIET_S: Final = 1.0
"""After so long without a result a watched stream goes on by itself, four pictures a second."""
RETRY_S: Final = 2.0
"""For a port that another process may let go of."""
CLOSE_S: Final = 0.8
"""Tries to listen, and of the 1.5 s that all sinks have at the end."""
WORKING: Final = ("running", "static")


class RtspSink:
    """A sink; its own thread serves, listens again, and keeps quiet streams alive."""

    def __init__(self, config: RtspConfig, service: Service) -> None:
        """Raises SettingsError: no token where one is needed, or GStreamer is not there."""
        self._service = service
        self._server = _server(config, load_token(config.auth, config.host, "rtsp"))
        self._where = f"{config.host}:{config.port}"
        self._shown: dict[str, float] = {}
        self._error: str | None = None
        self._closing = threading.Event()
        self._thread = threads.Thread(self._run, "rtsp")

    def start(self) -> None:
        """Listen; an address that can't be had is said once and tried again."""
        self._thread.start()

    @property
    def urls(self) -> list[str]:
        """Where the cameras are watched; empty while nothing listens."""
        address = self._server.address
        return [] if address is None else [f"{address}/{name}" for name in self._server.streams]

    def publish(self, result: Result) -> None:
        """Draw and hand over, if someone watches this camera."""
        stream = self._server.streams.get(result.frame.camera)
        if stream is not None and stream.watched:
            self._shown[stream.name] = time.monotonic()
            stream.push(overlay(result))

    def status(self) -> RtspStatus:
        """What ``/api/status`` shows."""
        return {
            "urls": self.urls,
            "encoder": self._server.encoder,
            "clients": self._server.clients,
            "watched": [name for name, stream in self._server.streams.items() if stream.watched],
            "encoded": self._server.encoded,
            "error": self._error,
        }

    def close(self) -> None:
        """Send the viewers away and free the port; within a second."""
        self._closing.set()
        self._server.stop()
        if self._thread.is_alive():
            self._thread.join(CLOSE_S)

    def _run(self) -> None:
        while not self._listening():
            if self._closing.wait(RETRY_S):
                return
        self._server.run(self._beat)

    def _listening(self) -> bool:
        try:
            self._server.listen(self._service.cameras)
        except OutputError as error:
            if self._error is None:
                logger.warning("rtsp: %s: %s; tried again every %g s", self._where, error, RETRY_S)
            self._error = str(error)
            return False
        self._error = None
        logger.info("rtsp: %s/CAMERA, encoder %s", self._server.address, self._server.encoder)
        return True

    def _beat(self) -> None:
        try:
            self._server.mount(self._service.cameras)
            for stream in self._server.streams.values():
                if stream.watched and time.monotonic() - self._shown.get(stream.name, 0.0) >= QUIET_S:
                    stream.push(self._quiet(stream.name))
        except Exception as error:  # noqa: BLE001 - the next beat comes in any case
            logger.warning("rtsp: a quiet stream could not go on (%s)", error)

    def _quiet(self, name: str) -> Image:
        """Of a camera without new results: its last picture if it is merely slow, else what is wrong."""
        service = self._service
        status, telemetry = service.status(), service.cameras.get(name)
        last = None if telemetry is None else telemetry.last
        camera = status.cameras.get(name)
        state, message = ("starting", "") if camera is None else (camera.state, camera.message)
        if last is not None and state in WORKING:
            return overlay(last)
        if service.view is None:
            return notice(last, f"{name}: no model yet", status.message)
        return notice(last, f"{name}: {state}", message)


def _server(config: RtspConfig, token: str | None) -> RtspServer:
    try:
        from edge_segnet.sinks.rtsp.server import RtspServer
    except (ImportError, ValueError) as error:  # ValueError: gi found no such library
        raise SettingsError(
            f"GStreamer's RTSP server is not on this machine ({error})",
            hint="apt install python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good "
            "gstreamer1.0-plugins-ugly, or leave the section rtsp out",
            key=("rtsp",),
        ) from error
    return RtspServer(config.host, config.port, token, config.bitrate_kbps)
