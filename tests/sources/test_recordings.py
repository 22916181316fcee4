"""Recordings as a source: our own and other people's, whole, damaged and hostile."""

from __future__ import annotations

import platform
import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_segnet.core.errors import BadFrame, EndOfStream, InputError, SourceLost
from edge_segnet.core.types import Frame, Image
from edge_segnet.pictures.overlay import RenderStyle, render
from edge_segnet.sources import describe, open_source
from edge_segnet.sources.mcap_messages import Part
from edge_segnet.sources.mcap_outline import read_outline
from edge_segnet.sources.recordings import RecordingSource, label_images
from tests.support import drives
from tests.support.recordings import files_in, play, recording, street
from tests.support.service import StreetService, renumbered
from tests.support.waiting import wait_until

SIZE = (40, 30)


def read_all(uri: str | Path) -> tuple[list[Frame], list[str], Exception]:
    """Good frames, what was bad, and how it ended."""
    source = open_source(describe(str(uri)), SIZE)
    frames, bad = [], []
    try:
        while True:
            try:
                frame = source.read()
                assert frame is not None
                frames.append(frame)
            except BadFrame as error:
                bad.append(str(error))
            except (EndOfStream, SourceLost, InputError) as end:
                return frames, bad, end
    finally:
        source.close()


def originals(frames: list[Frame]) -> list[Image]:
    return [frame.original for frame in frames if frame.original is not None]


@pytest.mark.parametrize("compression", ["NONE", "LZ4", "ZSTD"])
@pytest.mark.parametrize("kind", ["index", "flat", "bare"])
def test_pictures_come_in_order_at_their_own_times(tmp_path: Path, compression: str, kind: str) -> None:
    from mcap.writer import CompressionType, IndexType

    bare = {"index_types": IndexType.NONE, "repeat_channels": False, "use_statistics": False}
    by_kind: dict[str, dict[str, Any]] = {"index": {}, "flat": {"use_chunking": False}, "bare": bare}
    options = by_kind[kind]
    images = drives.pictures(12)
    path = drives.write_mcap(
        tmp_path / "drive.mcap",
        {"/front": drives.compressed(images, "png"), "/other": ("x.Y", "jsonschema", b"{}", "json", [b"{}"] * 12)},
        compression=CompressionType[compression],
        **options,
    )
    frames, bad, end = read_all(path)
    assert isinstance(end, EndOfStream) and not bad
    assert [frame.seq for frame in frames] == list(range(12))
    assert all(np.array_equal(one, other) for one, other in zip(originals(frames), images, strict=True))
    assert [round(frame.media_s or 0.0, 6) for frame in frames] == [round(0.1 * seq, 6) for seq in range(12)]
    assert frames[0].captured_at == pytest.approx(drives.START_NS / 1e9)
    assert frames[0].image.shape == (30, 40, 3)


def test_the_rate_and_the_length_are_the_topics(tmp_path: Path) -> None:
    path = drives.write_mcap(tmp_path / "a.mcap", {"/front": drives.compressed(drives.pictures(11))})
    source = open_source(describe(str(path)), SIZE)
    assert source.length == 11 and source.fps == pytest.approx(10.0)
    source.close()


@pytest.mark.parametrize(
    ("encoding", "make"),
    [
        ("bgr8", lambda image: image),
        ("rgb8", lambda image: image[..., ::-1]),
        ("bgra8", lambda image: np.dstack([image, np.full(image.shape[:2], 9, np.uint8)])),
        ("rgba8", lambda image: np.dstack([image[..., ::-1], np.full(image.shape[:2], 9, np.uint8)])),
    ],
)
def test_raw_pixels_are_exact(tmp_path: Path, encoding: str, make: object) -> None:
    images = drives.pictures(2)
    told = drives.raw([np.ascontiguousarray(make(image)) for image in images], encoding)  # type: ignore[operator]
    frames, _, _ = read_all(drives.write_mcap(tmp_path / "raw.mcap", {"/front": told}))
    assert all(np.array_equal(one, other) for one, other in zip(originals(frames), images, strict=True))


def test_json_messages_are_read_too(tmp_path: Path) -> None:
    images = drives.pictures(3)
    frames, _, _ = read_all(drives.write_mcap(tmp_path / "j.mcap", {"/front": drives.compressed_json(images)}))
    assert all(np.array_equal(one, other) for one, other in zip(originals(frames), images, strict=True))


def close_to(found: list[Image], wanted: list[Image]) -> bool:
    return len(found) == len(wanted) and all(
        np.abs(one.astype(int) - other).mean() < 12 for one, other in zip(found, wanted, strict=True)
    )


def test_video_in_messages_gives_every_picture_its_own_time(tmp_path: Path) -> None:
    images = drives.pictures(12)
    path = drives.write_mcap(tmp_path / "v.mcap", {"/front": drives.video(drives.h264_packets(images))})
    frames, bad, end = read_all(path)
    assert isinstance(end, EndOfStream) and not bad
    assert [frame.seq for frame in frames] == list(range(12))
    assert close_to(originals(frames), images)
    assert frames[3].media_s == pytest.approx(0.3)


def test_a_video_that_begins_between_key_pictures_tells_what_it_lacks(tmp_path: Path) -> None:
    images = drives.pictures(12)
    packets = drives.h264_packets(images)[2:]
    frames, bad, _ = read_all(drives.write_mcap(tmp_path / "v.mcap", {"/front": drives.video(packets)}))
    assert [frame.seq for frame in frames] == list(range(3, 10))
    assert close_to(originals(frames), images[5:])
    assert len(bad) == 3 and "key picture" in bad[0]


def test_two_cameras_must_be_told_apart(tmp_path: Path) -> None:
    one, other = drives.pictures(2), drives.pictures(2, first=7)
    topics = {"/left": drives.compressed(one, "png"), "/right": drives.compressed(other, "png")}
    path = drives.write_mcap(tmp_path / "two.mcap", topics)
    with pytest.raises(InputError, match=r"2 cameras \(/left, /right\).*\?topic=/left"):
        open_source(describe(str(path)), SIZE)
    frames, _, _ = read_all(f"{path}?topic=/right")
    assert np.array_equal(originals(frames)[0], other[0])
    with pytest.raises(InputError, match="no pictures on a topic /up: topics with pictures: /left, /right"):
        open_source(describe(f"{path}?topic=/up"), SIZE)


def test_a_part_is_what_the_whole_has_there(tmp_path: Path) -> None:
    images = drives.pictures(40)
    path = drives.write_mcap(tmp_path / "a.mcap", {"/front": drives.compressed(images, "png")})
    outline = read_outline(path)
    assert outline.chunks is not None and len(outline.chunks) > 5
    for first, stop in ((0, 7), (7, 8), (13, 31), (39, None)):
        part = Part(first, stop, lambda seq, _at_ns: seq % 2 == 1)
        source = RecordingSource.of(outline, outline.topics[0], part, SIZE, "stretch")
        seen = []
        with pytest.raises(EndOfStream):
            while True:
                frame = source.read()
                seen.append(frame.seq)
                assert np.array_equal(originals([frame])[0], images[frame.seq])
        assert seen == [seq for seq in range(first, stop or 40) if seq % 2]
        source.close()


def test_our_own_recordings_give_what_the_camera_saw(tmp_path: Path) -> None:
    with recording(tmp_path, StreetService(), images=["camera", "mask", "overlay"], quality=95) as sink:
        play(sink, 6)
        wait_until(lambda: sink.status()["written"] >= 6 * 4)
    (path,) = files_in(tmp_path)
    names = [topic.name for topic in read_outline(path).topics]
    frames, bad, end = read_all(path)
    assert len(frames) == 6 and not bad and isinstance(end, EndOfStream)
    camera = next(name for name in names if name.endswith("/image"))
    masks, _, _ = read_all(f"{path}?topic={camera.replace('/image', '/mask')}")
    assert len(masks) == 6 and not np.array_equal(originals(masks)[0], originals(frames)[0])
    assert read_outline(path).robot == platform.node()
    ids = [labels for _, labels in label_images(path, None)]
    assert len(ids) == 6 and np.array_equal(ids[0], render(renumbered(street()[0], 0), RenderStyle("labels")))


def test_files_of_0_1_have_the_camera_under_its_old_name(tmp_path: Path) -> None:
    images = {f"/front/{name}": drives.compressed(drives.pictures(2)) for name in ("camera", "mask", "overlay")}
    path = drives.write_mcap(tmp_path / "old.mcap", images, library="edge-segnet")
    assert [topic.name for topic in read_outline(path).cameras] == ["/front/camera"]
    assert len(read_all(path)[0]) == 2


def test_a_recording_that_is_cut_anywhere_gives_what_is_whole(tmp_path: Path) -> None:
    images = drives.pictures(30)
    path = drives.write_mcap(tmp_path / "a.mcap", {"/front": drives.compressed(images, "png")})
    whole, before = path.read_bytes(), -1
    for size in range(0, len(whole), len(whole) // 60):
        path.write_bytes(whole[:size])
        try:
            frames, bad, end = read_all(path)
        except InputError:
            assert size < len(whole) // 3
            continue
        # Of a file that lacks but its index nothing is lost.
        assert not bad and isinstance(end, EndOfStream if len(frames) == 30 else (SourceLost, InputError))
        assert len(frames) >= before
        assert all(np.array_equal(one, images[seq]) for seq, one in enumerate(originals(frames)))
        before = len(frames)
    assert before == 30


def test_a_damaged_chunk_costs_its_own_pictures(tmp_path: Path) -> None:
    images = drives.pictures(40)
    path = drives.write_mcap(tmp_path / "a.mcap", {"/front": drives.compressed(images, "png")})
    chunks = read_outline(path).chunks
    assert chunks is not None
    data = bytearray(path.read_bytes())
    middle = chunks[2]
    data[middle.chunk_start_offset + middle.chunk_length - 20] ^= 0xFF
    path.write_bytes(data)
    frames, bad, end = read_all(path)
    assert not bad and isinstance(end, SourceLost) and "1 damaged chunk" in str(end)
    assert 30 <= len(frames) < 40
    for frame, found in zip(frames, originals(frames), strict=True):
        assert np.array_equal(found, images[frame.seq])


def test_a_damaged_picture_costs_itself(tmp_path: Path) -> None:
    told = drives.compressed(drives.pictures(4))
    told[4][2] = told[4][2][:-300]  # protobuf's length is wrong then
    told[4][1] = drives.compressed([np.zeros((1, 1, 3), np.uint8)])[4][0].replace(b"\xff\xd9", b"\0\0")
    frames, bad, end = read_all(drives.write_mcap(tmp_path / "a.mcap", {"/front": told}))
    assert [frame.seq for frame in frames] == [0, 3] and len(bad) == 2 and isinstance(end, EndOfStream)
    assert "?topic=/front: picture 1" in bad[0] and "picture 2" in bad[1]


def test_clocks_that_jump_don_t_stop_a_playback(tmp_path: Path) -> None:
    second = 1_000_000_000
    times = [0, second, 2 * second, second, 10**9 * second, 10**9 * second + second]
    path = drives.write_mcap(
        tmp_path / "a.mcap", {"/front": drives.compressed(drives.pictures(6))}, times=times, chunk_size=100
    )
    frames, _, _ = read_all(path)
    media = [frame.media_s or 0.0 for frame in frames]
    assert all(0 < after - before <= 10 for before, after in pairwise(media))


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b"", "the file is empty"),
        (b"\x89MCAP0\r\n", "not an MCAP file|no topic with a camera's pictures"),
        (b"\x89MCAP0\r\n" + b"\1" + struct.pack("<Q", 1 << 60), "not an MCAP file"),
        (b"hello, this is a text", "a text file"),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path: Path, contents: bytes, message: str) -> None:
    path = tmp_path / "a.mcap"
    path.write_bytes(contents)
    with pytest.raises(InputError, match=message):
        open_source(describe(str(path)), SIZE)


def test_other_schemas_are_named(tmp_path: Path) -> None:
    path = drives.write_mcap(tmp_path / "a.mcap", {"/imu": ("sensor_msgs/msg/Imu", "ros2msg", b"", "cdr", [b"1234"])})
    with pytest.raises(InputError, match=r"no topic with a camera's pictures: .*CompressedImage"):
        open_source(describe(str(path)), SIZE)
    told = drives.compressed(drives.pictures(1))
    path = drives.write_mcap(tmp_path / "b.mcap", {"/front": (*told[:3], "flatbuffer", told[4])})
    with pytest.raises(InputError, match="in 'flatbuffer': protobuf, json and cdr"):
        open_source(describe(str(path)), SIZE)


def test_a_chunk_that_blows_up_is_not_unpacked(tmp_path: Path) -> None:
    from mcap.writer import CompressionType

    for kind in (CompressionType.LZ4, CompressionType.ZSTD):
        path = tmp_path / f"{kind.name}.mcap"
        big = [np.zeros((1200, 1600, 3), np.uint8)]
        drives.write_mcap(path, {"/front": drives.raw(big)}, compression=kind)
        data = bytearray(path.read_bytes())
        chunks = read_outline(path).chunks
        assert chunks is not None
        # opcode 1, length 8, start 8, end 8, then the uncompressed size
        struct.pack_into("<Q", data, chunks[0].chunk_start_offset + 25, 5000)
        path.write_bytes(data)
        with pytest.raises(InputError, match="1 damaged chunk"):
            frames, _, end = read_all(path)
            assert not frames
            raise end
