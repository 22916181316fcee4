"""A network camera for tests: GStreamer's RTSP server in a process of its own, which can be stopped, stalled (the
connection stays open, nothing comes), resumed and started again on the same port.

    with RtspCamera(user="me", password="secret") as camera:
        camera.url            # rtsp://me:secret@127.0.0.1:PORT/stream
        camera.stall(); camera.resume(); camera.stop(); camera.start()
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from types import TracebackType

ENCODERS = {
    "h264": "x264enc tune=4 speed-preset=1 key-int-max={fps} ! rtph264pay name=pay0 config-interval=1",
    "jpeg": "jpegenc ! rtpjpegpay name=pay0",
}
START_S = 20


@dataclass(frozen=True)
class Picture:
    """What the camera shows: a pattern of ``videotestsrc``, or another source element with its properties."""

    pattern: str = "ball"
    width: int = 320
    height: int = 240
    fps: int = 30
    codec: str = "h264"

    @property
    def launch(self) -> str:
        caps = f"video/x-raw,format=I420,width={self.width},height={self.height},framerate={self.fps}/1"
        source = f"videotestsrc is-live=true pattern={self.pattern}"
        return f"( {source} ! {caps} ! {ENCODERS[self.codec].format(fps=self.fps)} )"


class RtspCamera:
    """Starts at once; ``with`` stops it."""

    def __init__(
        self,
        picture: Picture | None = None,
        *,
        user: str = "",
        password: str = "",
        launch: str = "",
        udp: bool = False,
        feedback: bool = False,
    ) -> None:
        """``launch``: another pipeline, instead of a picture; ``udp``: it offers nothing else; ``feedback``: it makes a
        key frame when it is asked (RFC 4585).
        """
        self._feedback = feedback
        self._launch, self._udp = launch or (picture or Picture()).launch, udp
        self._user, self._password = user, password
        self.port = 0
        self._process: subprocess.Popen[str] | None = None
        self.start()

    @property
    def url(self) -> str:
        """With user and password, if it wants them."""
        credentials = f"{self._user}:{self._password}@" if self._user else ""
        return f"rtsp://{credentials}127.0.0.1:{self.port}/stream"

    def start(self) -> None:
        """Start it, again on the same port."""
        settings = json.dumps([self.port, self._launch, self._user, self._password, self._udp, self._feedback])
        command = [sys.executable, "-m", "tests.sources.gstreamer.rtsp_camera", settings]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def stop(self) -> None:
        """Kill it: connections break."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def stall(self) -> None:
        """Connections stay open, and nothing comes."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Go on after a stall."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> RtspCamera:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def _serve(port: int, launch: str, user: str, password: str, udp: bool, feedback: bool) -> None:
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    gi.require_version("GstRtsp", "1.0")
    from gi.repository import GLib, Gst, GstRtsp, GstRtspServer

    Gst.init(None)
    server = GstRtspServer.RTSPServer.new()
    server.set_address("127.0.0.1")
    server.set_service(str(port))
    factory = GstRtspServer.RTSPMediaFactory.new()
    factory.set_launch(launch)
    factory.set_profiles(GstRtsp.RTSPProfile.AVPF if feedback else GstRtsp.RTSPProfile.AVP)
    if udp:
        factory.set_protocols(GstRtsp.RTSPLowerTrans.UDP)
    factory.set_shared(True)
    if user:
        auth = GstRtspServer.RTSPAuth.new()
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "user")
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
        server.set_auth(auth)
        permissions = GstRtspServer.RTSPPermissions()
        for right in ("media.factory.access", "media.factory.construct"):
            permissions.add_permission_for_role("user", right, True)
        factory.set_permissions(permissions)
    server.get_mount_points().add_factory("/stream", factory)
    loop = GLib.MainLoop()
    assert server.attach(None), f"port {port} is taken"
    print(server.get_bound_port(), flush=True)  # noqa: T201
    # Ends with the test, however that ends.
    GLib.io_add_watch(sys.stdin, GLib.PRIORITY_DEFAULT, GLib.IOCondition.HUP, lambda *_: loop.quit())
    loop.run()


if __name__ == "__main__":
    _serve(*json.loads(sys.argv[1]))
