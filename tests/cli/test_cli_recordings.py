"""Recordings as inputs of the commands."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from edge_segnet.core.errors import EndOfStream
from edge_segnet.pictures.files import read_image
from edge_segnet.settings.schema import CameraConfig
from edge_segnet.sources import open_camera
from tests.cli.test_cli_compare import save_other
from tests.conftest import read_video
from tests.support import drives
from tests.support.command import edge_segnet
from tests.support.pictures import read_labels


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """12 pictures of a camera at 10 frames/s."""
    topics = {"/front/image": drives.compressed(drives.pictures(12), "png")}
    return drives.write_mcap(tmp_path / "drive.mcap", topics)


def test_a_recording_becomes_a_video_with_its_own_times(drive: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    done = edge_segnet("segment", drive, "-m", model, "-o", out, "--json", tmp_path / "out.jsonl")
    assert done.code == 0, done.err
    frames, fps = read_video(out)
    assert len(frames) == 12 and fps == pytest.approx(10.0, rel=0.1)
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["seq"] for line in lines[:-1]] == list(range(12))
    assert lines[0]["captured_at"] == "2023-11-14T22:13:20.000Z"


def test_labels_are_called_by_the_pictures_numbers(drive: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "labels"
    assert edge_segnet("segment", drive, "-m", model, "-o", out, "--visualize", "labels").code == 0
    assert [path.stem for path in sorted(out.iterdir())] == [f"{seq:06d}" for seq in range(12)]


def test_a_cut_recording_is_segmented_to_its_end_and_named(drive: Path, model: Path, tmp_path: Path) -> None:
    drive.write_bytes(drive.read_bytes()[: drive.stat().st_size // 2])
    done = edge_segnet("segment", drive, "-m", model, "-o", tmp_path / "labels", "--visualize", "labels")
    assert done.code == 5 and "drive.mcap: breaks off after" in done.error
    assert len(list((tmp_path / "labels").iterdir())) >= 3


def test_evaluate_scores_a_recording_by_label_files(drive: Path, model: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels"
    assert edge_segnet("segment", drive, "-m", model, "-o", labels, "--visualize", "labels").code == 0
    (labels / "000003.png").unlink()
    out = tmp_path / "scores.json"
    done = edge_segnet("evaluate", "--images", drive, "--labels", labels, "-m", model, "--json", out)
    assert done.code == 0, done.err
    told = json.loads(out.read_text())
    assert told["frames"] == 11 and told["mean_iou"] == 1.0


def test_two_models_are_compared_on_a_recording(drive: Path, model: Path, tmp_path: Path) -> None:
    labels, other = tmp_path / "labels", save_other(tmp_path / "other.onnx")
    assert edge_segnet("segment", drive, "-m", model, "-o", labels, "--visualize", "labels").code == 0
    flags = ("--images", drive, "--labels", labels, "--compare", model, other, "--sheet", tmp_path / "sheet.png")
    done = edge_segnet("evaluate", *flags, "--gate", "mean_iou >= -0.0", "--json", "-")
    assert done.code == 7 and f"{other} misses the gate" in done.error
    (found,) = done.documents
    assert found["old"]["mean_iou"] == 1.0 and found["old"]["frames"] == found["new"]["frames"] == 12
    assert found["intervals"] == {"sure": 0.95, "over": "stretches of the one drive", "groups": 10}
    assert found["difference"]["mean_iou"]["high"] < 0
    assert {each["frame"] for each in found["worst"]} == {f"drive-{seq:06d}" for seq in range(12)}
    assert read_image(tmp_path / "sheet.png").size


def test_many_recordings_are_as_many_drives(model: Path, tmp_path: Path) -> None:
    labels, other = tmp_path / "labels", save_other(tmp_path / "other.onnx")
    for robot in ("r1", "r2"):
        (tmp_path / robot).mkdir()
        for number in range(2):
            topics = {"/front/image": drives.compressed(drives.pictures(4), "png")}
            made = drives.write_mcap(tmp_path / robot / f"d{number}.mcap", topics)
            one = labels / robot / made.stem
            assert edge_segnet("segment", made, "-m", model, "-o", one, "--visualize", "labels").code == 0
    pattern = f"{tmp_path}/r1/*.mcap?topic=/front/image"
    flags = ("--images", pattern, "--labels", labels / "r1", "--images", tmp_path / "r2", "--labels", labels / "r2")
    done = edge_segnet("evaluate", *flags, "--compare", model, other, "--json", "-")
    assert done.code == 0, done.err
    (found,) = done.documents
    assert found["intervals"] == {"sure": 0.95, "over": "drives", "groups": 4} and found["old"]["frames"] == 16
    assert {each["frame"][:5] for each in found["worst"]} == {"r1-d0", "r1-d1", "r2-d0", "r2-d1"}
    single = edge_segnet("evaluate", *flags, "-m", model, "--json", "-")
    assert single.documents[0]["frames"] == 16 and single.documents[0]["mean_iou"] == 1.0
    shutil.rmtree(labels / "r2" / "d1")
    done = edge_segnet("evaluate", *flags, "-m", model)
    assert done.code == 4 and "d1.mcap: no labels of it in" in done.error
    done = edge_segnet("evaluate", *flags, "--labels", labels, "-m", model)
    assert done.code == 2 and "--images is there 2 times, --labels 3 times" in done.error


def test_a_cut_recording_is_not_scored(drive: Path, model: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels"
    assert edge_segnet("segment", drive, "-m", model, "-o", labels, "--visualize", "labels").code == 0
    drive.write_bytes(drive.read_bytes()[: drive.stat().st_size // 2])
    done = edge_segnet("evaluate", "--images", drive, "--labels", labels, "-m", model)
    assert done.code == 4 and "breaks off" in done.error and "is not scored: leave it out" in done.err


def test_a_model_is_calibrated_with_a_recording(drive: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "int8.onnx"
    done = edge_segnet("quantize", model, "--calibrate", f"{drive}?topic=/front/image", "-o", out, "--json", "-")
    assert done.code == 0 and done.documents[0]["frames"] == 12, done.err
    drive.write_bytes(drive.read_bytes()[:-300])
    done = edge_segnet("quantize", model, "--calibrate", drive, "-o", tmp_path / "cut.onnx", "--json", "-")
    assert done.code == 0 and 8 <= done.documents[0]["frames"] <= 12 and "Traceback" not in done.err
    drive.write_bytes(drive.read_bytes()[:60_000])
    done = edge_segnet("quantize", model, "--calibrate", drive, "-o", tmp_path / "few.onnx")
    assert done.code == 4 and "too few to calibrate with" in done.error and not (tmp_path / "few.onnx").exists()


def test_evaluate_scores_a_recording_by_another(drive: Path, model: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels"
    assert edge_segnet("segment", drive, "-m", model, "-o", labels, "--visualize", "labels").code == 0
    ids = [read_labels(path) for path in sorted(labels.iterdir())]
    # Every other picture, a moment later, as a simulator's sensors are recorded.
    times = [drives.START_NS + 2 * drives.PERIOD_NS * number + 1_000_000 for number in range(6)]
    truth = drives.write_mcap(tmp_path / "truth.mcap", {"/front/labels": drives.raw(ids[::2], "mono8")}, times=times)
    out = tmp_path / "scores.json"
    done = edge_segnet("evaluate", "--images", drive, "--labels", truth, "-m", model, "--json", out)
    assert done.code == 0, done.err
    told = json.loads(out.read_text())
    assert told["frames"] == 6 and told["mean_iou"] == 1.0
    wrong = drives.write_mcap(tmp_path / "wrong.mcap", {"/front/labels": drives.raw(ids[::-1], "mono8")})
    assert edge_segnet("evaluate", "--images", drive, "--labels", wrong, "-m", model, "--json", out).code == 0
    assert json.loads(out.read_text())["mean_iou"] < 0.9


def test_labels_of_no_picture_are_refused(drive: Path, model: Path, tmp_path: Path) -> None:
    times = [1_000_000_000 + number for number in range(2)]
    ids = [np.zeros((60, 80), np.uint8)] * 2
    truth = drives.write_mcap(tmp_path / "truth.mcap", {"/front/labels": drives.raw(ids, "mono8")}, times=times)
    done = edge_segnet("evaluate", "--images", drive, "--labels", truth, "-m", model)
    assert done.code == 4 and "no labels of any picture" in done.error


def test_bench_measures_with_a_recording(drive: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    done = edge_segnet("bench", "-m", model, "--source", drive, "--seconds", "0.2", "--warmup", "0", "--json", out)
    assert done.code == 0, done.err
    assert json.loads(out.read_text())["provenance"]["source"] == str(drive)


def test_a_recording_plays_as_a_camera(drive: Path) -> None:
    source = open_camera(CameraConfig(source=f"{drive}?topic=/front/image"), "front", (40, 30))
    seen = []
    with pytest.raises(EndOfStream):
        while True:
            if (frame := source.read(1.0)) is not None:
                seen.append(frame)
    source.close()
    assert [frame.seq for frame in seen] == list(range(12)) and not source.live
    lasted_s = (seen[-1].captured_ns - seen[0].captured_ns) / 1e9
    assert lasted_s >= 1.0  # never faster than it was; how much slower is the machine's


def test_a_file_with_a_question_mark_is_that_file(drive: Path, model: Path, tmp_path: Path) -> None:
    odd = Path(f"{drive}?topic=")
    shutil.copy(drive, odd)
    assert edge_segnet("segment", odd, "-m", model, "-o", tmp_path / "l", "--visualize", "labels").code == 0


def test_a_topic_that_is_not_there_is_named(drive: Path, model: Path, tmp_path: Path) -> None:
    done = edge_segnet("segment", f"{drive}?topic=/rear", "-m", model, "-o", tmp_path / "out.mp4")
    assert done.code == 4 and "no pictures on a topic /rear: topics with pictures: /front/image" in done.error
    assert not (tmp_path / "out.mp4").exists()


def test_what_the_pictures_are_is_exact(model: Path, photo: Path, tmp_path: Path) -> None:
    """The same picture as a file and in a recording gives the same labels."""
    told = drives.compressed([read_image(photo)], "png")
    one = drives.write_mcap(tmp_path / "one.mcap", {"/front": told})
    for source, out in ((photo, "a"), (one, "b")):
        assert edge_segnet("segment", source, "-m", model, "-o", tmp_path / out, "--visualize", "labels").code == 0
    assert np.array_equal(read_labels(tmp_path / "a" / "photo.png"), read_labels(tmp_path / "b" / "000000.png"))
