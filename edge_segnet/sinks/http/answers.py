"""What is answered, each a function of a screenful; which path asks for it stands in ``operations.py``."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from edge_segnet.core.documents import Document, result_document
from edge_segnet.core.documents.api import (
    EventsDocument,
    HealthDocument,
    ReadyDocument,
    RegionsDocument,
    classes_document,
)
from edge_segnet.scene.events import KEEP
from edge_segnet.sinks import Service
from edge_segnet.sinks.http import assets, pictures
from edge_segnet.sinks.http.auth import COOKIE, SESSION_S, Sessions
from edge_segnet.sinks.http.feed import EVENT, Hub, Shot, picture_headers
from edge_segnet.sinks.http.metrics import Metrics
from edge_segnet.sinks.http.streams import MAX_RATE, Stream, Written

JSON: Final = "application/json"
BODY_S: Final = 5.0
"""For a body to be here: a login's is some hundred bytes."""
MAX_WIDTH: Final = 3840
"""Pixels: a 4K screen's. A camera's own pictures are not enlarged beyond it."""
MOST_DIGITS: Final = 9
"""Of a number in an address; Python itself refuses those of thousands."""


class Answers:
    """Answers; all state is in what it is given."""

    def __init__(
        self,
        service: Service,
        hub: Hub,
        written: Written,
        metrics: Metrics,
        sessions: Sessions | None,
        describe: Callable[[], bytes],
        *,
        secure: bool,
    ) -> None:
        """``describe``: makes ``/api/openapi.json``, when somebody asks for it."""
        self._service, self._hub, self._written, self._metrics = service, hub, written, metrics
        self._sessions, self._describe, self._secure = sessions, describe, secure

    async def page(self, request: Request) -> Response:
        return _asset(request, "index.html")

    async def asset(self, request: Request) -> Response:
        return _asset(request, request.path_params["name"])

    async def login_page(self, request: Request) -> Response:
        return RedirectResponse("/", 303) if self._sessions is None else _asset(request, "login.html")

    async def login(self, request: Request) -> Response:
        """Opens a session for whoever knows the token; a wrong one leads back to the page."""
        if self._sessions is None:
            return RedirectResponse("/", 303)
        address = request.client.host if request.client else ""
        try:
            body = await asyncio.wait_for(request.body(), BODY_S)
        except asyncio.TimeoutError as error:
            raise HTTPException(408, "the form did not come in time", headers={"Connection": "close"}) from error
        fields = parse_qs(body.decode("latin-1"))
        if not self._sessions.right(fields.get("token", [""])[0].strip()):
            if self._sessions.must_wait(address):
                return RedirectResponse("/login?wait", 303)
            self._sessions.failed(address)
            return RedirectResponse("/login?wrong", 303)
        answer = RedirectResponse("/", 303)
        self._set_cookie(answer, self._sessions.new(), SESSION_S)
        return answer

    async def logout(self, request: Request) -> Response:
        """Ends the session, also for whoever has a copy of its cookie."""
        if self._sessions is not None:
            await asyncio.to_thread(self._sessions.end, request.headers.get("cookie", ""))
        answer = RedirectResponse("/login", 303)
        self._set_cookie(answer, "", 0)
        return answer

    def _set_cookie(self, answer: Response, value: str, seconds: int) -> None:
        answer.set_cookie(COOKIE, value, max_age=seconds, httponly=True, samesite="strict", secure=self._secure)

    async def pictures(self, request: Request, kind: str) -> Stream:
        return self._stream(request, kind, "fps")

    async def events(self, request: Request) -> Stream:
        return self._stream(request, EVENT, "rate")

    def _stream(self, request: Request, kind: str, limit: str) -> Stream:
        rate = _rate(request, limit)
        names = request.query_params.getlist("camera")
        # Where each part says whose it is, cameras can travel together; players know nothing of that.
        together = kind in (EVENT, "layers")
        if kind == EVENT and not names:
            cameras = None
        else:
            cameras = frozenset(map(self._known, names)) if names and together else frozenset([self._camera(request)])
        return Stream(self._hub, self._written, kind, cameras, rate, request.headers.get("last-event-id", ""))

    async def frame(self, request: Request, kind: str) -> Response:
        shot = self._latest(request)
        data = await asyncio.to_thread(shot.picture, kind)
        return Response(data, media_type=pictures.KINDS[kind].media_type, headers=picture_headers(shot))

    async def result(self, request: Request) -> Response:
        return _json(result_document(self._latest(request).result))

    async def happened(self, request: Request) -> Response:
        limit, camera = _count(request, "limit", KEEP), request.query_params.get("camera")
        if camera is not None:
            self._camera(request)
        events = [event for event in self._service.events.newest() if camera in (None, event.camera)]
        return _json(EventsDocument(events=[event.document() for event in events[:limit]]))

    async def snapshot(self, request: Request) -> Response:
        width = _count(request, "width", MAX_WIDTH)
        data = await asyncio.to_thread(self._service.events.snapshot, request.path_params["snapshot"])
        if data is None:
            raise HTTPException(404, "no such snapshot")
        if "width" in request.query_params:
            data = await asyncio.to_thread(pictures.narrow, data, width)
        # An id is never given twice.
        return Response(data, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=86400, immutable"})

    async def regions(self, _request: Request) -> Response:
        view = self._service.view
        regions = {} if view is None else {name: region.to_dict() for name, region in view.regions.items()}
        rules = [] if view is None else [rule.to_dict() for rule in view.rules]
        return _json(RegionsDocument(regions=regions, rules=rules))

    async def classes(self, _request: Request) -> Response:
        view = self._service.view
        if view is None:
            raise _not_yet("the model is not there yet")
        return _json(classes_document(view.classes))

    async def status(self, _request: Request) -> Response:
        return _json(await asyncio.to_thread(self._service.status))

    async def openapi(self, _request: Request) -> Response:
        return Response(await asyncio.to_thread(self._describe), media_type=JSON)

    async def metrics(self, request: Request) -> Response:
        data, media_type = await asyncio.to_thread(self._metrics.text, request.headers.get("accept", ""))
        return Response(data, headers={"Content-Type": media_type})

    async def healthz(self, _request: Request) -> Response:
        healthy = self._service.healthy
        return _json(HealthDocument(healthy=healthy), 200 if healthy else 503)

    async def readyz(self, _request: Request) -> Response:
        ready = self._service.ready
        return _json(ReadyDocument(ready=ready), 200 if ready else 503)

    def _camera(self, request: Request) -> str:
        name = request.query_params.get("camera")
        return self._known(next(iter(self._service.cameras), None) if name is None else name)

    def _known(self, name: str | None) -> str:
        known = list(self._service.cameras)
        if name is None or name not in known:
            raise HTTPException(404, f"no camera {name!r}; there is {', '.join(known) or 'none yet'}")
        return name

    def _latest(self, request: Request) -> Shot:
        camera = self._camera(request)
        shot = self._hub.latest.get(camera)
        if shot is None:
            raise _not_yet(f"camera {camera} has given no frame yet")
        return shot


def _asset(request: Request, name: str) -> Response:
    found = assets.answer(request, name)
    if found is None:
        raise HTTPException(404)
    return found


def _json(document: Document, status: int = 200) -> Response:
    return Response(document.to_json(), status, media_type=JSON)


def _rate(request: Request, name: str) -> float | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not 0.0 < rate <= MAX_RATE:
        raise HTTPException(400, f"{name} is a number of frames per second, above 0 and at most {MAX_RATE:g}")
    return rate


def _count(request: Request, name: str, most: int) -> int:
    text = request.query_params.get(name, str(most))
    if not (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS and 1 <= int(text) <= most):
        raise HTTPException(400, f"{name} is a whole number from 1 to {most}")
    return int(text)


def _not_yet(message: str) -> HTTPException:
    return HTTPException(503, message, headers={"Retry-After": "1"})
