"""``edge-segnet label`` with the local engine: what comes out, whatever happens meanwhile."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_segnet.backends.model import open_model
from edge_segnet.core.errors import ModelError
from edge_segnet.core.types import Labels
from edge_segnet.offline.label import local
from edge_segnet.offline.label import plan as plans
from edge_segnet.offline.label.work import Done, Labeller, Spec
from edge_segnet.pictures.files import read_image
from tests.cli.test_cli_segment import expected_labels
from tests.conftest import picture, write_video
from tests.support import drives
from tests.support.command import Done as Command
from tests.support.command import edge_segnet
from tests.support.pictures import read_labels
from tests.support.waiting import wait_until

pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")


def rows_in(out: Path) -> list[dict[str, Any]]:
    """Of all parts, in their order."""
    return [row for path in sorted(out.glob("frames/*/*.parquet")) for row in pq.read_table(path).to_pylist()]


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """A recording of 12 pictures at 10 frames/s, in the folder of a robot."""
    folder = tmp_path / "robot7"
    folder.mkdir()
    return drives.write_mcap(folder / "drive.mcap", {"/front/image": drives.compressed(drives.pictures(12), "png")})


def label(*arguments: object) -> Command:
    return edge_segnet("label", *map(str, arguments))


def test_a_recording_becomes_labels_rows_and_a_manifest(drive: Path, model: Path, tmp_path: Path) -> None:
    out, reference = tmp_path / "out", tmp_path / "reference"
    done = label(drive, "-m", model, "-o", out, "--workers", 2)
    assert done.code == 0, done.err
    assert edge_segnet("segment", drive, "-m", model, "-o", reference, "--visualize", "labels").code == 0
    rows = rows_in(out)
    assert [row["seq"] for row in rows] == list(range(12))
    for row in rows:
        found = read_labels(out / row["label_path"])
        assert np.array_equal(found, read_labels(reference / f"{row['seq']:06d}.png"))
        assert row["time_ns"] == drives.START_NS + row["seq"] * drives.PERIOD_NS
        assert (row["robot"], row["recording"], row["topic"]) == ("robot7", str(drive), "/front/image")
        shares = {name: value for name, value in row.items() if name.endswith(".share")}
        assert len(shares) == 11 and sum(shares.values()) + row["void"] == pytest.approx(1.0, abs=1e-5)
    told = json.loads((out / "manifest.json").read_text())
    assert told["finished"] and told["frames"] == 12 and told["faults"] == 0
    assert told["recordings"][0]["frames"] == 12
    assert told["options"]["model_sha256"] == rows[0]["model_sha256"]


def labels_of(out: Path) -> dict[str, bytes]:
    """Every label file by its place."""
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*.png"))}


def mixed(folder: Path) -> Path:
    """Everything that can be labelled."""
    for name in ("r1", "r2", "r1/photos"):
        (folder / name).mkdir(parents=True)
    for number, robot in enumerate(("r1", "r2")):
        images = drives.pictures(10, first=20 * number)
        drives.write_mcap(folder / robot / "drive.mcap", {"/front": drives.compressed(images, "png")})
    drives.write_mcap(folder / "r2" / "video.mcap", {"/v": drives.video(drives.h264_packets(drives.pictures(8)))})
    write_video(folder / "r1" / "film.mp4", 7)
    for number in range(5):
        (folder / "r1/photos" / f"p{number}.png").write_bytes(drives.png(np.asarray(picture(seed=number), np.uint8)))
    return folder


def test_any_number_of_workers_gives_the_same_labels(model: Path, tmp_path: Path) -> None:
    fleet = mixed(tmp_path / "fleet")
    for workers in (1, 3):
        done = label(fleet, "-m", model, "-o", tmp_path / str(workers), "--workers", workers)
        assert done.code == 0, done.err
    one, three = labels_of(tmp_path / "1"), labels_of(tmp_path / "3")
    assert len(one) == 10 + 10 + 8 + 7 + 5 and one == three
    assert rows_in(tmp_path / "1") == rows_in(tmp_path / "3")
    photo = next(row for row in rows_in(tmp_path / "1") if row["recording"].endswith("p3.png"))
    assert photo["label_path"].endswith("/p3.png") and photo["time_ns"] is None
    found = read_labels(tmp_path / "1" / photo["label_path"])
    assert np.array_equal(found, expected_labels(model, Path(photo["recording"])))


def test_one_frame_every_so_often(drive: Path, model: Path, tmp_path: Path) -> None:
    assert label(drive, "-m", model, "-o", tmp_path / "out", "--every", "0.5").code == 0
    assert [row["seq"] for row in rows_in(tmp_path / "out")] == [0, 5, 10]


def test_every_is_the_same_however_the_input_is_cut() -> None:
    from edge_segnet.offline.label.reading import Selector

    rng = random.Random(1)
    times = [rng.randrange(100) * 10**8 for _ in range(300)]  # a clock that jumps all the time
    by_index, by_turn = Selector(1.3, times), Selector(1.3)
    chosen = [by_turn.wants(seq, at) for seq, at in enumerate(times)]
    assert [by_index.wants(seq, at) for seq, at in enumerate(times)] == chosen
    assert chosen[0] and not all(chosen) and by_index.wants(150, times[150]) == chosen[150]


@pytest.mark.parametrize("form", ["mcap", "parquet", "cvat"])
def test_other_formats_hold_the_same_labels(form: str, drive: Path, model: Path, tmp_path: Path) -> None:
    for kind in ("png", form):
        assert label(drive, "-m", model, "-o", tmp_path / kind, "--format", kind).code == 0
    wanted = [read_labels(tmp_path / "png" / row["label_path"]) for row in rows_in(tmp_path / "png")]
    found = list(READERS[form](tmp_path / form))
    assert len(found) == 12 and all(np.array_equal(one, other) for one, other in zip(found, wanted, strict=True))


def from_mcap(out: Path) -> Iterator[Labels]:
    from edge_segnet.sources.recordings import label_images

    for path in sorted(out.glob("labels/*/*.mcap")):
        for number, (at_ns, labels) in enumerate(label_images(path, None)):
            assert at_ns == drives.START_NS + number * drives.PERIOD_NS
            yield labels


def from_parquet(out: Path) -> Iterator[Labels]:
    from edge_segnet.pictures.files import decode_labels

    yield from (decode_labels(row["labels"], Path("row")) for row in rows_in(out))


def from_cvat(out: Path) -> Iterator[Labels]:
    table = [line.split(":") for line in (out / "labelmap.txt").read_text().splitlines()[2:]]
    colours = [tuple(map(int, row[1].split(","))) for row in table]
    for name in (out / "ImageSets/Segmentation/default.txt").read_text().split():
        mask = read_image(out / "SegmentationClass" / f"{name}.png")[..., ::-1]
        labels = np.zeros(mask.shape[:2], np.uint8)
        for number, colour in enumerate(colours):
            labels[(mask == colour).all(axis=2)] = number
        yield labels


READERS = {"mcap": from_mcap, "parquet": from_parquet, "cvat": from_cvat}


def test_labels_of_a_drive_are_a_reference_for_evaluate(drive: Path, model: Path, tmp_path: Path) -> None:
    assert label(drive, "-m", model, "-o", tmp_path / "out", "--format", "mcap").code == 0
    (reference,) = (tmp_path / "out").glob("labels/*/*.mcap")
    scores = tmp_path / "scores.json"
    done = edge_segnet("evaluate", "--images", drive, "--labels", reference, "-m", model, "--json", scores)
    assert done.code == 0 and json.loads(scores.read_text())["mean_iou"] == 1.0, done.err


def test_a_damaged_recording_costs_itself_and_is_named(drive: Path, model: Path, tmp_path: Path) -> None:
    cut, none = drive.with_name("cut.mcap"), drive.with_name("none.mcap")
    cut.write_bytes(drive.read_bytes()[: drive.stat().st_size * 2 // 3])
    none.write_bytes(b"")
    done = label(drive.parent, "-m", model, "-o", tmp_path / "out")
    assert done.code == 5, done.err
    assert "cut.mcap: breaks off after" in done.err and "none.mcap: the file is empty" in done.err
    rows = rows_in(tmp_path / "out")
    assert sum(row["recording"] == str(drive) for row in rows) == 12
    assert 1 <= sum(row["recording"] == str(cut) for row in rows) < 12
    told = json.loads((tmp_path / "out/manifest.json").read_text())
    assert told["faults"] == 2 and len(told["recordings"]) == 2 and "none.mcap" in told["failed"][0]
    again = label(drive.parent, "-m", model, "-o", tmp_path / "out", "--resume")
    assert again.code == 5 and rows_in(tmp_path / "out") == rows


def test_a_damaged_picture_is_counted_in_every_run(drive: Path, model: Path, tmp_path: Path) -> None:
    told = drives.compressed(drives.pictures(6))
    told[4][2] = told[4][2][:-200]
    path = drives.write_mcap(drive, {"/front": told})
    for options in ([], ["--resume"]):
        done = label(path, "-m", model, "-o", tmp_path / "out", *options)
        assert done.code == 5 and "picture 2" in done.err
        assert [row["seq"] for row in rows_in(tmp_path / "out")] == [0, 1, 3, 4, 5]


def test_labels_that_are_there_are_not_mixed_with_others(drive: Path, model: Path, tmp_path: Path) -> None:
    assert label(drive, "-m", model, "-o", tmp_path / "out").code == 0
    done = label(drive, "-m", model, "-o", tmp_path / "out")
    assert done.code == 2 and "labels already: go on with --resume" in done.error
    done = label(drive, "-m", model, "-o", tmp_path / "out", "--resume", "--every", "1")
    assert done.code == 2 and "of other options (every_s: None)" in done.error


def test_resume_takes_new_recordings_in(drive: Path, model: Path, tmp_path: Path) -> None:
    assert label(drive.parent, "-m", model, "-o", tmp_path / "out").code == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("frames/*/*.parquet")}
    drives.write_mcap(drive.with_name("next.mcap"), {"/front": drives.compressed(drives.pictures(4, first=50))})
    assert label(drive.parent, "-m", model, "-o", tmp_path / "out", "--resume").code == 0
    assert len(rows_in(tmp_path / "out")) == 16
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_frames_robot_is_the_first_folder_below_what_was_named(tmp_path: Path) -> None:
    fleet = mixed(tmp_path / "fleet")
    (fleet / "r2" / "monday").mkdir()
    (fleet / "r2" / "drive.mcap").rename(fleet / "r2" / "monday" / "drive.mcap")

    def robots(*inputs: str) -> list[str]:
        return sorted(item.robot for item in plans.make_plan(inputs, None).items)

    assert robots(str(fleet)) == robots(f"{fleet}/*/*", f"{fleet}/*/*/*") == ["r1", "r1", "r1", "r2", "r2"]
    assert robots(str(fleet / "r2" / "monday" / "drive.mcap")) == ["monday"]
    assert robots(f"{fleet}/r1/*.mcap", f"{fleet}/r1/photos") == ["photos", "r1"]


def test_what_is_no_recording_is_named_and_what_label_wrote_is_no_input(drive: Path, model: Path) -> None:
    (drive.parent / "notes.mcap").write_text("a text under the name of a recording")
    out = drive.parent / "labelled"
    for more in ((), ("--resume",)):
        done = label(drive.parent, "-m", model, "-o", out, *more)
        assert done.code == 5 and "notes.mcap" in done.error and "1 fault, the rest" in done.error, done.err
        assert len(rows_in(out)) == 12


def test_the_same_recording_twice_is_labelled_once(drive: Path, model: Path, tmp_path: Path) -> None:
    copy = drive.with_name("copy.mcap")
    copy.write_bytes(drive.read_bytes())
    assert label(drive, copy, drive.parent, "-m", model, "-o", tmp_path / "out").code == 0
    assert len(rows_in(tmp_path / "out")) == 12


def test_a_dry_run_tells_and_writes_nothing(drive: Path, model: Path, tmp_path: Path) -> None:
    done = label(drive, "-m", model, "-o", tmp_path / "out", "--dry-run", "--json", "-")
    told = json.loads(done.out)
    assert done.code == 0 and told["frames"] == 12 and told["seconds"] >= 0 and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["rtsp://cam/1"], 2, "label takes files and folders"),
        (["nowhere.mcap"], 4, "no recording, video or picture there"),
        (["{drive}", "--every", "0"], 2, "--every 0.0: not a time"),
        (["{drive}", "--engine", "spark"], 2, "--engine spark: unknown"),
        (["{drive}", "--format", "jpg"], 2, "--format jpg: unknown"),
        (["{drive}", "--address", "auto"], 2, "--address belongs to --engine ray"),
        (["{drive}?topic=/rear"], 4, "no pictures on a topic /rear"),
    ],
)
def test_what_makes_no_sense(arguments: list[str], code: int, message: str, drive: Path, model: Path) -> None:
    done = label(*[each.format(drive=drive) for each in arguments], "-m", model, "-o", drive.parent / "out")
    assert done.code == code and message in done.error


def test_a_full_disk_ends_it_and_what_was_finished_stays(drive: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert label(drive, "-m", model, "-o", out).code == 0
    drives.write_mcap(drive.with_name("b.mcap"), {"/f": drives.compressed(drives.pictures(2, (1600, 1200)), "png")})
    limited = ["bash", "-c", 'ulimit -f 1; exec "$@"', "-", sys.executable, "-m", "edge_segnet", "label"]
    command = [*limited, str(drive.parent), "-m", str(model), "-o", str(out), "--resume", "--workers", "1"]
    # Python, too, would write half a file then: the compiled form of a module.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 4 and "can't be written" in done.stderr and "Traceback" not in done.stderr
    assert len(rows_in(out)) >= 12
    assert label(drive.parent, "-m", model, "-o", out, "--resume").code == 0
    assert len(rows_in(out)) == 14


def test_killed_at_any_moment_and_resumed_every_frame_is_there_once(model: Path, tmp_path: Path) -> None:
    """kill -9 of a worker, then of the driver, at random moments; ``make loop`` does it with a real model."""
    fleet = tmp_path / "fleet"
    fleet.mkdir()
    for number in range(12):
        images = drives.pictures(6, first=10 * number)
        drives.write_mcap(fleet / f"{number}.mcap", {"/front": drives.compressed(images, "png")})
    packets = drives.h264_packets(drives.pictures(30))
    drives.write_mcap(fleet / "video.mcap", {"/v": drives.video(packets)})
    out, rng = tmp_path / "out", random.Random(7)
    command = [sys.executable, "-m", "edge_segnet", "label", str(fleet), "-m", str(model), "-o", str(out)]
    for moment in range(4):
        driver = subprocess.Popen([*command, "--workers", "2", "--resume"])
        _wait_for_parts(out, moment, driver)
        time.sleep(rng.uniform(0.0, 0.05))
        if moment % 2:
            driver.kill()
        else:
            for worker in children(driver.pid)[:1]:
                os.kill(worker, signal.SIGKILL)
        assert driver.wait(60) == (-signal.SIGKILL if moment % 2 else 0)
    assert subprocess.run([*command, "--resume"], check=False).returncode == 0
    keys = [row["key"] for row in rows_in(out)]
    assert len(keys) == len(set(keys)) == 12 * 6 + 30
    assert not list(out.rglob("*.part.*"))


def _wait_for_parts(out: Path, count: int, driver: subprocess.Popen[bytes]) -> None:
    """Until there are more than so many, or it is over."""
    wait_until(lambda: len(list(out.glob("frames/*/*.parquet"))) > count or driver.poll() is not None)


def children(pid: int) -> list[int]:
    if not Path(f"/proc/{pid}/task").exists():
        return []
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def in_process(plan: plans.Plan, model: Path, out: Path, every_s: float | None = None) -> Iterator[Done]:
    """What a worker does, without one."""
    opened = open_model(str(model), None, "onnx")
    labeller = Labeller(Spec(str(model), opened.sha256, "onnx", None, str(out), "png", every_s))
    yield from (labeller.run(task) for item in plan.items for task in item.tasks())
    labeller.close()


@pytest.mark.parametrize("every_s", [None, 0.2])
def test_parts_together_are_the_whole(every_s: float | None, tmp_path: Path, model: Path) -> None:
    """A recording with an index is cut into tasks, a video is one task with several parts."""
    drives.write_mcap(tmp_path / "a.mcap", {"/front": drives.compressed(drives.pictures(13), "png")})
    drives.write_mcap(tmp_path / "v.mcap", {"/front": drives.video(drives.h264_packets(drives.pictures(13)))})
    found = []
    for part in (500, 3):
        plan, out = (
            plans.make_plan([str(tmp_path / "a.mcap"), str(tmp_path / "v.mcap")], every_s, part),
            tmp_path / str(part),
        )
        assert not any(done.broken for done in in_process(plan, model, out, every_s))
        assert [item.split for item in plan.items] == [True, False]
        found.append((labels_of(out), rows_in(out)))
        assert len(list(out.glob("frames/*/*.parquet"))) == (2 if part == 500 else 6 if every_s else 10)
    assert found[0] == found[1] and len(found[0][1]) == (14 if every_s else 26)


def test_another_model_under_the_same_name_is_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is another model here"):
        Labeller(Spec(str(model), "0" * 64, "onnx", None, str(tmp_path), "png", None))


def test_workers_that_meet_another_model_end_it(drive: Path, model: Path, tmp_path: Path) -> None:
    plan = plans.make_plan([str(drive)], None)
    spec = Spec(str(model), "0" * 64, "onnx", None, str(tmp_path / "out"), "png", None)
    with pytest.raises(ModelError, match="is another model here"):
        list(local.run((task for item in plan.items for task in item.tasks()), spec, 2, lambda _frames: None))
