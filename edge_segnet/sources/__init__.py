"""Sources by URI. ``open_source`` is the one place that chooses."""

from __future__ import annotations

import glob
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from edge_segnet import uris
from edge_segnet.errors import InputError, UsageError
from edge_segnet.imaging import IMAGE_SUFFIXES, pictures_in
from edge_segnet.types import Fit, Frame

Kind = Literal["image", "images", "video", "camera", "synthetic"]


class FiniteSource(Protocol):
    """A ``Source`` that also knows its frame rate and, if it ends, its number of frames."""

    fps: float

    @property
    def length(self) -> int | None: ...

    def read(self, timeout_s: float = 0.0) -> Frame | None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Input:
    """What a URI means: its kind, and the files or parameters behind it."""

    uri: str
    kind: Kind
    files: tuple[Path, ...] = ()
    device: int = 0
    fps: float = 30.0
    seed: int = 0


def describe(uri: str) -> Input:
    """Understand an INPUT: a picture, a folder or glob of pictures, a video file, a camera index, synthetic://drive.

    Raises:
        InputError: nothing is there, or the folder has no pictures.
        UsageError: an unknown scheme or parameter.
    """
    source = uris.parse(uri)
    match source.kind:
        case "v4l2":
            return Input(uri, "camera", device=int(Path(source.device).resolve().name.removeprefix("video")))
        case "synthetic":
            return Input(uri, "synthetic", fps=source.fps or 30.0, seed=source.seed)
        case "csi" | "rtsp" | "http":
            scheme = uri.partition("://")[0]
            hint = "live cameras: edge-segnet run --source URI; here: files, folders, globs, a camera's number, synthetic://drive"
            raise UsageError(f"{scheme}://: unknown scheme for this command", hint=hint)
    path = Path(uri)
    try:
        if path.is_dir():
            return Input(uri, "images", files=tuple(pictures_in(path)))
        exists = path.exists()
    except OSError as error:
        raise InputError(f"{uri}: {error.strerror or error}", hint="check the file and its rights") from error
    if not exists and any(mark in uri for mark in "*?["):
        return Input(uri, "images", files=_matches(uri))
    if not exists:
        raise InputError(f"{uri}: no such file or folder")
    is_picture = path.suffix.lower() in IMAGE_SUFFIXES
    return Input(uri, "image" if is_picture else "video", files=(path,))


def _matches(pattern: str) -> tuple[Path, ...]:
    """Pictures that a glob matches (``**`` any folders), sorted."""
    found = glob.glob(pattern, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute patterns
    files = sorted(Path(name) for name in found if Path(name).suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise InputError(f"{pattern}: no picture matches")
    return tuple(files)


def open_source(
    source: Input, size: tuple[int, int], fit: Fit = "stretch", *, camera: str = "camera", paced: bool = True
) -> FiniteSource:
    """Open what ``describe`` found; frames come at ``size`` (width, height).

    ``paced`` (synthetic only): frames come at their rate, late ones are skipped; otherwise every frame, at once.

    Raises:
        InputError: it can't be opened.
    """
    match source.kind:
        case "image" | "images":
            from edge_segnet.sources.images import ImageSource

            return ImageSource(source.files, size, fit, camera)
        case "video" | "camera":
            from edge_segnet.sources.opencv import VideoSource

            return VideoSource(source.device if source.kind == "camera" else source.files[0], size, fit, camera)
        case "synthetic":
            from edge_segnet.sources.synthetic import SyntheticSource

            return SyntheticSource(size=size, fps=source.fps, seed=source.seed, paced=paced, camera=camera)
