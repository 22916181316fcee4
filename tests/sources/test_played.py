"""Files, folders and the street as the service's cameras: in real time, again from the start if asked."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_segnet.core.errors import BadFrame, EndOfStream, InputError
from edge_segnet.core.types import Frame
from edge_segnet.pictures.files import read_image
from edge_segnet.pictures.shape import fit_image, flip_image
from edge_segnet.settings.schema import CameraConfig
from edge_segnet.sources import open_camera, picture_size
from edge_segnet.sources.live import LiveSource
from edge_segnet.sources.supervisor import Supervisor
from tests.conftest import picture, write_video
from tests.support.waiting import wait_until

SIZE = (48, 36)


def opened(source: Path | str, **fields: object) -> LiveSource:
    return open_camera(CameraConfig.model_validate({"source": str(source)} | fields), "front", SIZE)


def take(source: LiveSource, count: int) -> list[Frame]:
    frames: list[Frame] = []
    deadline = time.monotonic() + 20.0
    while len(frames) < count:
        assert time.monotonic() < deadline
        if (frame := source.read(0.1)) is not None:
            frames.append(frame)
    return frames


def test_a_video_plays_in_real_time_and_ends(video: Path) -> None:
    with closing(opened(video)) as source:
        began = time.monotonic()
        frames = take(source, 12)
        assert time.monotonic() - began > 11 / 25 - 0.05
        assert [frame.seq for frame in frames] == list(range(12))
        assert frames[0].image.shape == (36, 48, 3) and frames[0].source_size == (80, 60)
        assert not source.live and frames[0].camera == "front"
        with pytest.raises(EndOfStream, match="12 frames"):
            source.read(1.0)


def test_a_looped_video_starts_again_and_numbers_go_on(tmp_path: Path) -> None:
    video = write_video(tmp_path / "short.mp4", frames=3, fps=100.0)
    with closing(opened(video, loop=True)) as source:
        frames = take(source, 8)
        assert [frame.seq for frame in frames] == list(range(8))
        assert np.array_equal(frames[0].image, frames[3].image) and not np.array_equal(frames[0].image, frames[1].image)


@pytest.mark.alone
def test_pictures_come_one_a_second(frames: Path) -> None:
    with closing(opened(frames)) as source:
        assert source.read(0.0) is not None
        assert source.read(0.05) is None
        began = time.monotonic()
        assert source.read(2.0) is not None
        assert 0.5 < time.monotonic() - began < 2.0


def test_a_broken_picture_is_skipped(frames: Path) -> None:
    (frames / "a.png").write_bytes(b"nothing")
    with closing(opened(frames)) as source:
        with pytest.raises(BadFrame, match=r"a\.png"):
            source.read(0.0)
        assert source.read(0.0) is None
        assert source.read(2.0) is not None


def test_flips_come_before_the_fit(photo: Path) -> None:
    with closing(opened(photo, flip="rotate-90")) as source:
        (frame,) = take(source, 1)
    turned = flip_image(read_image(photo), "rotate-90")
    assert np.array_equal(frame.image, fit_image(turned, SIZE))
    assert frame.source_size == (60, 80) and frame.original is not None and np.array_equal(frame.original, turned)


def test_the_street_turned_and_resized() -> None:
    with (
        closing(opened("synthetic://drive?fps=50&seed=3")) as plain,
        closing(opened("synthetic://drive?fps=50&seed=3", flip="rotate-180")) as turned,
    ):
        straight, around = take(plain, 1)[0], take(turned, 1)[0]
        assert straight.synthetic and around.synthetic and not plain.live
        if straight.seq == around.seq:
            assert np.array_equal(flip_image(straight.image, "rotate-180"), around.image)
        plain.resize((64, 48))
        assert take(plain, 1)[0].image.shape == (48, 64, 3)


def test_nothing_to_play(tmp_path: Path) -> None:
    for missing in (tmp_path / "no.mp4", tmp_path / "no*.png", tmp_path):
        with pytest.raises(InputError):
            opened(missing)


def test_a_file_that_comes_later_is_played(tmp_path: Path) -> None:
    late = tmp_path / "late.png"
    camera = CameraConfig(source=str(late))
    supervisor = Supervisor(lambda size: open_camera(camera, "front", size), "front", SIZE, camera)
    supervisor.start()
    try:
        wait_until(lambda: supervisor.status().state == "missing")
        assert "no such file" in supervisor.status().message
        cv2.imwrite(str(tmp_path / "ready.png"), picture())
        (tmp_path / "ready.png").rename(late)
        wait_until(lambda: supervisor.status().state == "ended")
        assert supervisor.read(0.0) is not None
        with pytest.raises(EndOfStream):
            supervisor.read(0.0)
    finally:
        supervisor.close()


@pytest.mark.parametrize(
    ("source", "flip", "size"),
    [
        ("photo", "none", (70, 50)),
        ("photo", "rotate-90", (50, 70)),
        ("video", "none", (80, 60)),
        ("folder", "none", (70, 50)),
        ("nowhere.mp4", "none", None),
        ("text.mp4", "none", None),
        ("v4l2:///dev/video0?width=1280&height=400", "rotate-180", (1280, 400)),
        ("v4l2:///dev/video0?width=1280&height=400", "rotate-270", (400, 1280)),
        ("rtsp://camera/stream", "none", None),
        ("synthetic://drive", "none", None),
    ],
)
def test_the_size_of_pictures_is_known_before_they_play(
    source: str, flip: str, size: tuple[int, int] | None, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for photo in (tmp_path / "photo", folder / "a.png"):
        photo.write_bytes(cv2.imencode(".png", picture(70, 50))[1].tobytes())
    write_video(tmp_path / "video.mp4", frames=2).rename(tmp_path / "video")
    (tmp_path / "text.mp4").write_text("no video")
    place = source if "://" in source else str(tmp_path / source)
    assert picture_size(CameraConfig.model_validate({"source": place, "flip": flip})) == size
