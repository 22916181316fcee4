"""The dashboard's files, read once and kept in memory: no request ever becomes a path on the disk."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from edge_segnet.sinks.http.auth import fingerprint

FOLDER: Final = Path(__file__).parent.parent / "web"
MEDIA_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
}


@dataclass(frozen=True)
class Asset:
    """A file's bytes, plain and compressed."""

    media_type: str
    plain: bytes
    zipped: bytes
    tag: str


@cache
def load() -> dict[str, Asset]:
    """Path below ``web/`` -> asset."""
    files = [path for path in FOLDER.rglob("*") if path.suffix in MEDIA_TYPES]
    return {path.relative_to(FOLDER).as_posix(): _read(path) for path in files}


def _read(path: Path) -> Asset:
    data = path.read_bytes()
    return Asset(MEDIA_TYPES[path.suffix], data, gzip.compress(data, mtime=0), f'"{fingerprint(data)}"')


def answer(request: Request, name: str) -> Response | None:
    """The file as an answer (304 where the browser has it already), None if there is none."""
    asset = load().get(name)
    if asset is None:
        return None
    headers = {"ETag": asset.tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == asset.tag:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(asset.zipped, media_type=asset.media_type, headers={**headers, "Content-Encoding": "gzip"})
    return Response(asset.plain, media_type=asset.media_type, headers=headers)
