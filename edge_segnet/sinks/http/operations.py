"""The one table of what can be asked: the routes and OpenAPI are both made from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from edge_segnet.core.documents import Document, ResultDocument, StatusDocument
from edge_segnet.core.documents.api import (
    ClassesDocument,
    EventsDocument,
    HealthDocument,
    ReadyDocument,
    RegionsDocument,
)
from edge_segnet.scene.events import KEEP
from edge_segnet.sinks.http.answers import JSON, MAX_WIDTH, Answers
from edge_segnet.sinks.http.pictures import LAYERS
from edge_segnet.sinks.http.streams import Stream

Answer = Callable[[Answers, Request], Awaitable[Response | Stream]]


@dataclass(frozen=True)
class Count:
    """A parameter that is a whole number from 1 to ``most``, which is what it is when it is left out."""

    name: str
    most: int
    text: str


@dataclass(frozen=True)
class Operation:
    """What can be asked of one path, and who answers. ``media_type`` None: a redirection for browsers.

    ``limit``: the name of a parameter for frames per second; ``count``: one for how many. ``picture``: it has the
    headers of one. ``cameras``: several can be named. ``open``: without a token, too. ``unready``: there may be nothing
    yet.
    """

    path: str
    answer: Answer
    summary: str
    media_type: str | None
    document: type[Document] | None = None
    limit: str | None = None
    count: Count | None = None
    camera: bool = False
    cameras: bool = False
    picture: bool = False
    open: bool = False
    unready: bool = False
    method: str = "get"

    @property
    def route(self) -> Callable[[Answers], Route]:
        """As Starlette wants it."""
        return lambda answers: Route(self.path, _Endpoint(self.answer, answers), methods=[self.method.upper()])


class _Endpoint:
    """An answer as an ASGI application, because a stream's is no ``Response``."""

    def __init__(self, answer: Answer, answers: Answers) -> None:
        self._answer, self._answers = answer, answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._answer(self._answers, Request(scope, receive, send))
        await response(scope, receive, send)


MULTIPART: Final = "multipart/x-mixed-replace"
MIXED: Final = "multipart/mixed"


def _stream(kind: str, path: str, summary: str) -> Operation:
    answer = partial(Answers.pictures, kind=kind)
    several = kind == "layers"
    return Operation(path, answer, summary, MIXED if several else MULTIPART, limit="fps", camera=True, cameras=several)


def _frame(kind: str, path: str, summary: str, media_type: str) -> Operation:
    answer = partial(Answers.frame, kind=kind)
    return Operation(path, answer, summary, media_type, camera=True, picture=True, unready=True)


_LAYERS_TEXT: Final = (
    f"both layers for a browser that blends them: parts of {LAYERS}, each a big-endian uint32 with the length of the "
    "JPEG that follows, then the class ids (one byte a pixel, rows from the top) as zlib data, at network size"
)
_MARGIN_TEXT: Final = (
    "how sure the network is of every pixel, loss-free, network size: 16 where its class is twice as likely as the "
    "runner-up, 32 four times, and so on"
)
_STREAM_TEXT: Final = (
    "server-sent events: result for every frame, of all cameras unless one is named; event (with its id: a client "
    "that sends Last-Event-ID misses none) when a rule begins or is over; status once a second"
)
OPERATIONS: Final = (
    _stream("overlay", "/stream/overlay.mjpg", "the class colours over the picture, as MJPEG"),
    _stream("mask", "/stream/mask.mjpg", "the class colours, as MJPEG"),
    _stream("camera", "/stream/camera.mjpg", "the picture alone, as MJPEG"),
    _stream("layers", "/stream/layers", _LAYERS_TEXT),
    _frame("overlay", "/frame/overlay.jpg", "the newest frame", "image/jpeg"),
    _frame("mask", "/frame/mask.jpg", "the newest frame", "image/jpeg"),
    _frame("camera", "/frame/camera.jpg", "the newest frame", "image/jpeg"),
    _frame("labels", "/frame/labels.png", "raw class ids, loss-free, network size", "image/png"),
    _frame("margin", "/frame/margin.png", _MARGIN_TEXT, "image/png"),
    Operation(
        "/api/result",
        Answers.result,
        "the newest frame's statistics",
        JSON,
        ResultDocument,
        camera=True,
        unready=True,
    ),
    Operation(
        "/api/stream", Answers.events, _STREAM_TEXT, "text/event-stream", limit="rate", camera=True, cameras=True
    ),
    Operation(
        "/api/events",
        Answers.happened,
        "what rules noticed",
        JSON,
        EventsDocument,
        count=Count("limit", KEEP, "the newest ones"),
        camera=True,
    ),
    Operation(
        "/api/events/{snapshot}",
        Answers.snapshot,
        "the picture of an event, as it was",
        "image/jpeg",
        count=Count("width", MAX_WIDTH, "the picture is made no wider than this"),
    ),
    Operation("/api/regions", Answers.regions, "the regions and rules at work", JSON, RegionsDocument),
    Operation("/api/classes", Answers.classes, "the model's classes and colours", JSON, ClassesDocument, unready=True),
    Operation("/api/status", Answers.status, "cameras, model, clients, board", JSON, StatusDocument),
    Operation("/api/openapi.json", Answers.openapi, "this description", JSON),
    Operation("/metrics", Answers.metrics, "Prometheus metrics", "text/plain"),
    Operation("/healthz", Answers.healthz, "200 or 503, for a supervisor", JSON, HealthDocument, open=True),
    Operation("/readyz", Answers.readyz, "200 or 503, for a load balancer", JSON, ReadyDocument, open=True),
    Operation("/", Answers.page, "the dashboard", "text/html"),
    Operation("/login", Answers.login_page, "the page that asks for the token", "text/html", open=True),
    Operation("/login", Answers.login, "open a session: form field token", None, open=True, method="post"),
    Operation("/logout", Answers.logout, "end the session", None, method="post"),
    Operation("/static/{name:path}", Answers.asset, "files of the dashboard", "text/css", open=True),
)


def application(answers: Answers) -> Starlette:
    """The ASGI application, without its guard."""
    routes = [operation.route(answers) for operation in OPERATIONS]
    return Starlette(routes=routes, exception_handlers={HTTPException: _problem, ClientDisconnect: _gone})


async def _problem(_request: Request, error: Any) -> Response:
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


async def _gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=400)  # nobody reads it
