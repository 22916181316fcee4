"""Sources by URI. ``open_source`` chooses for commands that want every frame, ``open_camera`` for the service."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from edge_segnet.core import uris
from edge_segnet.core.errors import EdgeSegnetError, InputError, UsageError
from edge_segnet.core.files import open_file
from edge_segnet.core.size import MIN_SIZE
from edge_segnet.core.types import Fit
from edge_segnet.core.uris import SourceUri
from edge_segnet.pictures.listing import files_in, is_picture, sort_out
from edge_segnet.sources.finite import FiniteSource as FiniteSource
from edge_segnet.sources.live import FrameFormat, LiveSource, Terms

if TYPE_CHECKING:
    from edge_segnet.settings.schema import CameraConfig

Kind = Literal["image", "images", "video", "recording", "camera", "synthetic"]
MCAP: Final = b"\x89MCAP0\r\n"
_TOPIC: Final = "?topic="


@dataclass(frozen=True)
class Input:
    """What a URI means: its kind, and the files or parameters behind it."""

    uri: str
    kind: Kind
    files: tuple[Path, ...] = ()
    left_out: tuple[Path, ...] = ()
    """Files of a folder or glob that somebody may take for pictures, and that can't be read."""
    usb: SourceUri | None = None
    fps: float = 30.0
    seed: int = 0
    topic: str | None = None
    """Of a recording; None: its only camera's."""


def describe(uri: str) -> Input:
    """Understand an INPUT: a picture, a folder or glob of pictures, a video file, a recording (``drive.mcap``, or
    ``drive.mcap?topic=/front/image``), a camera index, synthetic://drive.

    Raises:
        InputError: nothing is there, or the folder has no pictures.
        UsageError: an unknown scheme or parameter.
    """
    file, topic = split_topic(uri)
    path = Path(file)
    source = uris.SourceUri(uri, "path", path=uri) if uri and is_there(path) else uris.parse(uri)
    match source.kind:
        case "v4l2":
            return Input(uri, "camera", usb=source)
        case "synthetic":
            return Input(uri, "synthetic", fps=source.fps or 30.0, seed=source.seed)
        case "csi" | "rtsp" | "http":
            scheme = uri.partition("://")[0]
            hint = "cameras run with: edge-segnet run --source URI; here: a camera's number, files, folders, globs"
            raise UsageError(f"{scheme}://: unknown scheme for this command", hint=hint)
    if is_there(path) and path.is_dir():
        pictures, others = files_in(path)
        return Input(uri, "images", files=tuple(pictures), left_out=tuple(others))
    if not path.exists():
        if any(mark in uri for mark in "*?["):
            return _matches(uri)
        raise InputError(f"{uri}: no such file or folder")
    if topic is not None or is_recording(path):
        return Input(uri, "recording", files=(path,), topic=topic)
    return Input(uri, "image" if is_picture(path) else "video", files=(path,))


def split_topic(uri: str) -> tuple[str, str | None]:
    """``drive.mcap?topic=/front/image`` -> the file and the topic; a file of that very name is that file."""
    file, mark, topic = uri.rpartition(_TOPIC)
    return (file, topic) if mark and file and topic and not is_there(Path(uri)) else (uri, None)


def is_recording(path: Path) -> bool:
    """Whether a file is an MCAP recording, by its first bytes, or by its name where it is too short or can't be read:
    who reads it has the better words.
    """
    try:
        with open_file(path) as file:
            head = file.read(len(MCAP))
    except OSError:
        head = b""
    return head == MCAP or (path.suffix.lower() == ".mcap" and MCAP.startswith(head))


def is_there(path: Path) -> bool:
    """Whether a file or folder of this name exists: then the text means it, whatever else it could mean (a device is
    no file). Raises InputError where nobody can tell.
    """
    try:
        return path.is_file() or path.is_dir()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}", hint="check the file and its rights") from error
    except ValueError:  # a null byte: the grammar has the better words
        return False


def _matches(pattern: str) -> Input:
    """Pictures that a glob matches (``**`` any folders), in order."""
    found = glob.glob(pattern, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute patterns
    pictures, others = sort_out(map(Path, found))
    if not pictures:
        raise InputError(f"{pattern}: no picture matches")
    return Input(pattern, "images", files=tuple(pictures), left_out=tuple(others))


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
        case "video":
            from edge_segnet.sources.video_file import VideoFile

            return VideoFile(source.files[0], size, fit, camera)
        case "recording":
            return open_recording(source.files[0], source.topic, size, fit, camera)
        case "camera":
            from edge_segnet.sources.opencv import UsbSource

            assert source.usb is not None
            return UsbSource(source.usb, size, fit, camera)
        case "synthetic":
            from edge_segnet.sources.synthetic import SyntheticSource

            return SyntheticSource(size=size, fps=source.fps, seed=source.seed, paced=paced, camera=camera)


def open_recording(
    path: Path, topic: str | None, size: tuple[int, int], fit: Fit = "stretch", camera: str = "recording"
) -> FiniteSource:
    """Open a recording; raises InputError, or UsageError where the extra is not installed."""
    require_mcap()
    from edge_segnet.sources.recordings import RecordingSource

    return RecordingSource(path, topic, size, fit, camera)


def require_mcap() -> None:
    """Raises UsageError where recordings can't be read."""
    if find_spec("mcap") is None:
        raise UsageError("recordings need mcap", hint="pip install 'edge-segnet[recording]'")


def open_camera(camera: CameraConfig, name: str, size: tuple[int, int], fit: Fit = "stretch") -> LiveSource:
    """Open a camera of the config; its frames come at ``size`` (width, height) and carry ``name``.

    Cameras and streams are read by a process of their own, but for those of a Jetson's CSI connectors. A video plays at
    its own frame rate, pictures one a second.

    Raises:
        InputError: it is not there, or something is not installed; trying again may help.
        UsageError: it can never work as configured.
    """
    if camera.pipeline is not None:
        return _child(camera, FrameFormat(size, fit, camera.flip, name))
    source = uris.parse(camera.source or "")
    frame_format = FrameFormat(size, fit, camera.turn, name)
    if not source.live:
        return _play(camera, frame_format)
    if source.kind != "csi":
        return _child(camera, frame_format)
    from edge_segnet.sources.gstreamer import Opening, open_uri

    return open_uri(Opening(source, Terms.of(camera), frame_format))


def prepare(cameras: Iterable[CameraConfig]) -> None:
    """Load what opening them will need, and takes long: the street's textures, the process that makes cameras'
    processes. For a thread of its own; what is wrong is told when they are opened.
    """
    for camera in cameras:
        source = None if camera.source is None else uris.parse(camera.source)
        if source is None or (source.live and source.kind != "csi"):
            from edge_segnet.sources.nursery import nursery

            nursery.begin()
        elif source.kind == "synthetic":
            from edge_segnet.street.atlas import atlas_of

            atlas_of(source.seed)


def picture_size(camera: CameraConfig) -> tuple[int, int] | None:
    """Width and height of a camera's pictures before it runs: what its URI asks for, or what its files begin with; None
    of a camera or stream that says nothing, of the drawn street, and of files that can't be read (opening them tells).
    """
    if camera.source is None:
        return None
    source = uris.parse(camera.source)
    if source.width and source.height:
        found = source.width, source.height
    elif source.kind != "path":
        return None
    else:
        try:
            with closing(open_source(describe(camera.source), (MIN_SIZE, MIN_SIZE))) as opened:
                frame = opened.read()
        except EdgeSegnetError:
            return None
        if frame is None:
            return None
        found = frame.source_size
    return found[::-1] if camera.turn in ("rotate-90", "rotate-270") else found


def _child(camera: CameraConfig, frame_format: FrameFormat) -> LiveSource:
    from edge_segnet.sources.child import ChildSource

    return ChildSource(camera, frame_format)


def _play(camera: CameraConfig, wish: FrameFormat) -> LiveSource:
    from edge_segnet.sources.played import PlayedSource

    found = describe(camera.source or "")

    def open_at(size: tuple[int, int]) -> FiniteSource:
        return open_source(found, size, wish.fit, camera=wish.camera)

    drawn = found.kind == "synthetic"
    return PlayedSource(open_at, wish, loop=camera.loop, paced=not drawn)
