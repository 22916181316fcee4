"""Video files as strangers bring them: trimmed, of varying rate, without a rate, turned, cut off, damaged."""

from __future__ import annotations

import re
import time
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from edge_segnet.core.errors import BadFrame, EndOfStream, InputError, SourceLost
from edge_segnet.core.types import Frame
from edge_segnet.pictures.video import video_file
from edge_segnet.settings.schema import CameraConfig
from edge_segnet.sources import open_camera
from edge_segnet.sources.video_file import VideoFile
from tests.conftest import picture, write_video
from tests.support.command import edge_segnet

SIZE = (48, 36)
VARYING = (0.0, 0.04, 0.05, 0.25, 0.3, 0.9, 1.0)


def record(path: Path, times: tuple[float, ...], codec: str = "mpeg4") -> Path:
    """Pictures at their times, in milliseconds as browsers and phones write them."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 80, 60, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for seq, at_s in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(seed=seq), format="bgr24")
            frame.pts, frame.time_base = round(1000 * at_s), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def read_all(path: Path) -> tuple[list[Frame], Exception]:
    frames: list[Frame] = []
    with closing(VideoFile(path, SIZE)) as source:
        while True:
            try:
                frames.append(source.read())
            except BadFrame:
                continue
            except (EndOfStream, InputError) as end:
                return frames, end


def times(path: Path) -> list[float]:
    return [frame.media_s or 0.0 for frame in read_all(path)[0]]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_frames_keep_their_own_times_from_file_to_file(model: Path, tmp_path: Path, suffix: str) -> None:
    source = record(tmp_path / f"in{suffix}", VARYING)
    assert times(source) == pytest.approx(VARYING, abs=0.0006)
    out = tmp_path / f"out{suffix}"
    done = edge_segnet("segment", source, "-m", model, "-o", out)
    assert done.code == 0, done.err
    assert times(out) == pytest.approx(VARYING, abs=0.0006)


def test_an_avi_comes_within_half_a_frame(tmp_path: Path) -> None:
    with video_file(tmp_path / "out.avi", 25.0) as writer:
        for seq, at_s in enumerate(VARYING):
            writer.write(seq, picture(seed=seq), at_s)
    assert times(tmp_path / "out.avi") == pytest.approx([round(at_s * 25) / 25 for at_s in VARYING], abs=0.041)


def test_a_file_plays_at_its_own_times(tmp_path: Path) -> None:
    path = record(tmp_path / "in.mp4", VARYING)
    config = CameraConfig.model_validate({"source": str(path)})
    came: list[float] = []
    with closing(open_camera(config, "front", SIZE)) as source:
        began = time.monotonic()
        while len(came) < len(VARYING):
            if source.read(0.02) is not None:
                came.append(time.monotonic() - began)
    assert came[-1] > VARYING[-1] - 0.1
    assert came[5] - came[4] > 0.4  # the pause of 0.6 s


def test_a_trimmed_file_is_whole(model: Path, tmp_path: Path) -> None:
    """An edit list shows the last third of 90 frames: a loss-free cut."""
    path = write_video(tmp_path / "in.mp4", 90, 30.0)
    data = bytearray(path.read_bytes())
    at = data.find(b"elst") + 12
    scale = int.from_bytes(data[(where := data.find(b"mdhd") + 16) : where + 4], "big")
    length, start = int.from_bytes(data[at : at + 4], "big"), int.from_bytes(data[at + 4 : at + 8], "big")
    data[at : at + 8] = (length // 3).to_bytes(4, "big") + (start + 2 * scale).to_bytes(4, "big")
    path.write_bytes(data)
    frames, end = read_all(path)
    assert len(frames) == 30 and isinstance(end, EndOfStream)
    assert edge_segnet("segment", path, "-m", model, "-o", tmp_path / "out.mp4").code == 0


@pytest.mark.parametrize(("turn", "width"), [(90, 36), (-90, 36), (180, 48)])
def test_a_turned_film_comes_upright(tmp_path: Path, turn: int, width: int) -> None:
    flat = np.zeros((36, 48, 3), np.uint8)
    flat[:, 24:] = 255  # white at the right
    plain, turned = tmp_path / "plain.mp4", tmp_path / "turned.mp4"
    with video_file(plain, 10.0) as writer:
        writer.write(0, flat)
    with av.open(str(plain)) as source, av.open(str(turned), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    data = bytearray(turned.read_bytes())
    cosine, sine = {90: (0, -1), -90: (0, 1), 180: (-1, 0)}[turn]
    at = data.find(b"tkhd") + 4 + 40
    for index, value in enumerate((cosine, sine, None, -sine, cosine)):
        if value is not None:
            data[at + 4 * index : at + 4 * index + 4] = (value << 16).to_bytes(4, "big", signed=True)
    turned.write_bytes(data)
    capture = cv2.VideoCapture(str(turned))  # which turns films itself
    good, expected = capture.read()
    capture.release()
    (frame,), _ = read_all(turned)
    assert good and frame.original is not None and frame.original.shape[1] == width
    assert np.abs(frame.original.astype(int) - expected).mean() < 12


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv"])
@pytest.mark.parametrize("share", [0.5, 0.97])
def test_a_file_that_is_cut_off_says_so(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"in{suffix}"
    if suffix == ".mp4":
        with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
            stream = container.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = 80, 60, "yuv420p"
            for seq in range(40):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(seed=seq), format="bgr24")))
            container.mux(stream.encode(None))
    else:
        write_video(path, 40)
    frames, end = read_all(path)
    assert len(frames) == 40 and isinstance(end, EndOfStream)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    frames, end = read_all(path)
    assert 5 < len(frames) < 41 and isinstance(end, SourceLost)
    assert "bytes are missing at its end" in str(end)


def test_a_hole_in_the_middle_is_named_and_the_rest_is_segmented(model: Path, tmp_path: Path) -> None:
    path = write_video(tmp_path / "in.mp4", 40)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(400)
    path.write_bytes(data)
    done = edge_segnet("segment", path, "-m", model, "-o", tmp_path / "out.mp4")
    assert done.code == 5
    assert re.search(r"skipped .*in\.mp4: frame \d+ is damaged", done.err)
    assert 30 < len(times(tmp_path / "out.mp4")) < 40
    assert times(tmp_path / "out.mp4")[-1] == pytest.approx(39 / 25)


def test_names_with_colons_and_names_that_mean_cameras(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "in.mp4", 3).rename(tmp_path / "2024-01-01T12:30:45.mp4")
    cv2.imwrite(str(tmp_path / "7.png"), picture())
    (tmp_path / "7.png").rename(tmp_path / "7")
    for name in ("2024-01-01T12:30:45.mp4", "7"):
        done = edge_segnet("segment", name, "-m", model, "--counts")
        assert done.code == 0, done.err


def test_run_takes_a_file_for_a_file_whatever_it_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "in.mp4", 3).rename(tmp_path / "0")
    assert edge_segnet("run", "--source", "0", "--check").code == 0
    (tmp_path / "camvid-12").write_text("name: own\nclasses:\n  - {name: Mine, colour: [1, 2, 3]}\n")
    (tmp_path / "segnet-lite").write_bytes(b"no model")
    cv2.imwrite(str(tmp_path / "l.png"), np.zeros((8, 8), np.uint8))
    done = edge_segnet("labels", "inspect", "l.png", "--classes", "camvid-12", "--json", "-")
    assert done.documents[0]["class_map"] == "own"
    done = edge_segnet("segment", "l.png", "-m", "segnet-lite", "--counts")
    assert done.code == 3 and "not an ONNX model" in done.error
