"""GStreamer's RTSP server: places for cameras, who may come in, and how many."""

from __future__ import annotations

import base64
import binascii
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import gi

from edge_segnet.core.errors import OutputError
from edge_segnet.core.types import Image
from edge_segnet.sinks.access import is_loopback, same
from edge_segnet.sinks.rtsp import encoder as encoders

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
gi.require_version("GstVideo", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer, GstVideo  # noqa: E402 - the version is chosen first

logger = logging.getLogger(__name__)
USER: Final = "edge-segnet"
MAX_CLIENTS: Final = 16
"""Viewers of all cameras together. They share an encoder; what each costs is the network's."""
MAX_BODY: Final = 65_536
"""Bytes; requests of players have none or a few lines."""
SESSION_WITHIN_S: Final = 5.0
"""A connection that watches nothing by then is closed."""
STUCK_MS: Final = 5000
"""Milliseconds without an acknowledgement after which the kernel gives a viewer up."""
KEY_FRAME_S: Final = 2.0
"""So long a new viewer may look at nothing; x264's own distance is 250 pictures."""
BEAT_MS: Final = 250
"""Milliseconds between looks for who is gone and what stands still."""


class TokenAuth(GstRtspServer.RTSPAuth):  # type: ignore[misc]  # gi has no types
    """RTSP basic authentication whose secret is compared in constant time."""

    @classmethod
    def of(cls, token: str) -> TokenAuth:
        """Lets in whoever gives the user ``edge-segnet`` and this password."""
        auth = cls()
        auth.secret = token
        role = GstRtspServer.RTSPToken()
        role.set_string("media.factory.role", USER)
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(USER, token), role)
        return auth

    def do_authenticate(self, context: Any) -> bool:
        """GStreamer's own look-up gives the role, and only ever sees the right password."""
        result, header = context.request.get_header(GstRtsp.RTSPHeaderField.AUTHORIZATION, 0)
        if result == GstRtsp.RTSPResult.OK and same(_password(header), self.secret):
            return bool(GstRtspServer.RTSPAuth.do_authenticate(self, context))
        return True  # without a role: GStreamer answers 401 and asks for the password


def _password(header: str) -> str:
    method, _, value = header.strip().partition(" ")
    try:
        decoded = base64.b64decode(value, validate=True).decode("utf-8") if method.lower() == "basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return decoded.partition(":")[2]


class Stream:
    """One camera's place. Its pipeline exists only while someone watches; all viewers share it."""

    def __init__(self, name: str, chain: str, local: bool) -> None:
        self.name = name
        self.pushed = 0
        self.factory = GstRtspServer.RTSPMediaFactory()
        # Newest picture only: what the encoder can't take is dropped, and nobody waits.
        self.factory.set_launch(
            "( appsrc name=source is-live=true format=time do-timestamp=true block=false max-buffers=1 max-bytes=0 "
            f"leaky-type=downstream ! {chain} ! rtph264pay name=pay0 pt=96 config-interval=-1 )"
        )
        self.factory.set_shared(True)
        # GStreamer's UDP sockets are open to all addresses, so a server for this machine alone has none.
        tcp, udp = GstRtsp.RTSPLowerTrans.TCP, GstRtsp.RTSPLowerTrans.UDP
        self.factory.set_protocols(tcp if local else tcp | udp)
        permissions = GstRtspServer.RTSPPermissions()
        for permission in ("media.factory.access", "media.factory.construct"):
            permissions.add_permission_for_role(USER, permission, True)
        self.factory.set_permissions(permissions)
        self.factory.connect("media-configure", self._configured)
        self._lock = threading.Lock()
        """Guards the media, its size and the last key frame: GStreamer changes them, the fan-out pushes."""
        self._media: Any = None
        self._size = (0, 0)
        self._key_at = 0.0

    @property
    def watched(self) -> bool:
        """Whether a picture would be seen."""
        return self._media is not None

    def refresh(self) -> None:
        """Start the next picture afresh: a viewer who just came can't use any other."""
        self._key_at = 0.0

    def push(self, image: Image) -> None:
        """Encode a picture, uint8 [H,W,3] BGR, W a multiple of four; its size may change at any time."""
        with self._lock:
            if self._media is None:
                return
            element = self._media.get_element()
            source, now = element.get_by_name("source"), time.monotonic()
            if (size := (image.shape[1], image.shape[0])) != self._size:
                caps = f"video/x-raw,format=BGR,width={size[0]},height={size[1]},framerate=0/1,pixel-aspect-ratio=1/1"
                source.set_property("caps", Gst.Caps.from_string(caps))
                self._size = size
            if now - self._key_at >= KEY_FRAME_S:
                event = GstVideo.video_event_new_upstream_force_key_unit(Gst.CLOCK_TIME_NONE, True, 0)
                element.get_by_name("encoder").get_static_pad("src").send_event(event)
                self._key_at = now
            source.emit("push-buffer", Gst.Buffer.new_wrapped(image.tobytes()))
            self.pushed += 1

    def shows(self, media: Any) -> bool:
        """Whether this is the pipeline of this stream."""
        return media is not None and media is self._media

    def _configured(self, _factory: Any, media: Any) -> None:
        with self._lock:
            self._media, self._size, self._key_at = media, (0, 0), 0.0
        media.connect("unprepared", self._unprepared)

    def _unprepared(self, media: Any) -> None:
        with self._lock:
            if media is self._media:  # else the next one is here already
                self._media = None


class RtspServer:
    """Serves streams on a GLib loop; one thread calls ``listen`` and then ``run``."""

    def __init__(self, host: str, port: int, token: str | None, kbps: int) -> None:
        """Raises UsageError: something of GStreamer is not installed."""
        self._encoders = encoders.installed()
        self._host, self._kbps = host.removeprefix("[").removesuffix("]"), kbps
        self._server = GstRtspServer.RTSPServer()
        self._server.set_address(self._host)
        self._server.set_service(str(port))
        self._server.set_content_length_limit(MAX_BODY)
        if token is not None:
            self._server.set_auth(TokenAuth.of(token))
        self._server.get_session_pool().set_max_sessions(MAX_CLIENTS)
        self._server.connect("client-connected", self._connected)
        self._context = GLib.MainContext.new()
        self._loop = GLib.MainLoop.new(self._context, False)
        self._clients: dict[Any, float] = {}
        self._sessions: dict[Any, list[Any]] = {}
        self._lock = threading.Lock()
        """Guards clients and sessions: GStreamer's thread adds and removes, the monitor counts and ends."""
        self._chain = ""
        self._source: Any = None
        self.encoder: str | None = None
        self.streams: dict[str, Stream] = {}

    @property
    def address(self) -> str | None:
        """``rtsp://HOST:PORT``; None while nothing listens."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return None if self._source is None else f"rtsp://{host}:{self._server.get_bound_port()}"

    @property
    def clients(self) -> int:
        """Open connections."""
        return len(self._clients)

    @property
    def encoded(self) -> int:
        """Pictures handed to encoders."""
        return sum(stream.pushed for stream in self.streams.values())

    def listen(self, cameras: Iterable[str]) -> None:
        """Choose an encoder and take the port.

        Raises:
            OutputError: no encoder works, or the address can't be had.
        """
        if self.encoder is None:
            chosen = encoders.first_working(self._encoders, self._kbps)
            self._chain, self.encoder = chosen.described(self._kbps), chosen.element
        try:
            source = self._server.create_source(None)
        except GLib.Error as error:
            raise OutputError(" ".join(error.message.split())) from error
        self.mount(cameras)
        source.attach(self._context)
        self._source = source

    def mount(self, cameras: Iterable[str]) -> None:
        """Have a place for each of these cameras, and no other."""
        wanted, mounts = list(cameras), self._server.get_mount_points()
        for name in [name for name in self.streams if name not in wanted]:
            mounts.remove_factory(f"/{name}")
            self._send_away(self.streams[name])
        new = [Stream(name, self._chain, is_loopback(self._host)) for name in wanted if name not in self.streams]
        for stream in new:
            mounts.add_factory(f"/{stream.name}", stream.factory)
        known = {**self.streams, **{stream.name: stream for stream in new}}
        self.streams = {name: known[name] for name in wanted}

    def run(self, beat: Callable[[], None]) -> None:
        """Serve until ``stop``; calls ``beat`` four times a second, which must not raise."""

        def tick() -> bool:
            self._sweep()
            beat()
            return True

        timer = GLib.timeout_source_new(BEAT_MS)
        timer.set_callback(lambda *_: tick())
        timer.attach(self._context)
        self._context.push_thread_default()
        try:
            self._loop.run()
        finally:
            timer.destroy()
            self._context.pop_thread_default()

    def stop(self) -> None:
        """Send everyone away and end ``run``; from any thread, also before it."""

        def end(*_: Any) -> bool:
            remove = GstRtspServer.RTSPFilterResult.REMOVE
            self._source.destroy()
            self._source = None  # its last reference: now the port is free
            self._server.get_session_pool().filter(lambda *_: remove)
            self._server.client_filter(lambda *_: remove)
            self._loop.quit()
            return False

        idle = GLib.idle_source_new()
        idle.set_callback(end)
        idle.attach(self._context)

    def _connected(self, _server: Any, client: Any) -> None:
        with self._lock:
            full = len(self._clients) >= MAX_CLIENTS
            if not full:
                self._clients[client] = time.monotonic()
        if full:
            client.close()
            return
        client.connect("closed", self._closed)
        client.connect("new-session", self._new_session)
        client.connect("play-request", self._play)
        connection = client.get_connection()
        taken = connection.get_read_socket() if connection is not None else None
        if taken is not None:
            # The kernel ends a connection whose other end takes nothing; GStreamer only drops pictures for it.
            taken.set_option(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STUCK_MS)

    def _closed(self, client: Any) -> None:
        with self._lock:
            self._clients.pop(client, None)
            sessions = self._sessions.pop(client, [])
        # Left to itself, the session of a viewer who broke off counts for another minute.
        for session in sessions:
            self._server.get_session_pool().remove(session)

    def _new_session(self, client: Any, session: Any) -> None:
        with self._lock:
            self._sessions.setdefault(client, []).append(session)

    def _play(self, _client: Any, _context: Any) -> None:
        for stream in self.streams.values():
            stream.refresh()

    def _send_away(self, stream: Stream) -> None:
        """Close the connections of a stream's viewers: who asks again is told that there is none."""
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            sessions = client.session_filter(None)
            if any(stream.shows(place.get_media()) for session in sessions for place in session.filter(None)):
                client.close()

    def _sweep(self) -> None:
        """Close what only holds a place."""
        self._server.get_session_pool().cleanup()
        now = time.monotonic()
        with self._lock:
            old = [client for client, since in self._clients.items() if now - since > SESSION_WITHIN_S]
        for client in old:
            if not client.session_filter(None):
                client.close()
                self._closed(client)  # one that broke off before we listened says nothing
