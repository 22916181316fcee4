"""``edge-segnet segment``: what comes out for what goes in."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_segnet.backends.onnx import OnnxBackend
from edge_segnet.core.classes import CAMVID_11, CAMVID_12
from edge_segnet.core.types import Frame, Labels
from edge_segnet.graph import card as cards
from edge_segnet.pictures.files import read_image
from edge_segnet.pictures.overlay import colourise
from edge_segnet.pictures.shape import fit_image, unfit_labels
from tests.conftest import picture, read_video, write_video
from tests.support.command import edge_segnet
from tests.support.models import save_tiny
from tests.support.pictures import read_labels, write_lut


def expected_labels(model: Path, path: Path) -> Labels:
    """At the picture's size, by way of the library."""
    opened = cards.load(str(model))
    backend = OnnxBackend(opened)
    image = read_image(path)
    frame = Frame(fit_image(image, opened.card.size), image, 0, 0, 0.0, "test")
    return unfit_labels(backend.infer([frame])[0].labels, frame.source_size, opened.card.classes.void)


def test_a_picture_becomes_a_picture(model: Path, photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "overlay.png"
    done = edge_segnet("segment", photo, "-m", model, "-o", out, "--alpha", "0.3")
    assert (done.code, done.out) == (0, "")
    assert f"{photo} -> {out}: 1 frame, " in done.err
    colours = colourise(expected_labels(model, photo), CAMVID_11.lut_bgr)
    wanted = 0.3 * colours + 0.7 * read_image(photo)
    assert np.abs(read_image(out) - wanted).max() <= 1


def test_a_mask_and_labels_are_loss_free(model: Path, photo: Path, tmp_path: Path) -> None:
    labels = expected_labels(model, photo)
    assert np.unique(labels).size > 3
    for kind in ("mask", "labels"):
        assert edge_segnet("segment", photo, "-m", model, "-o", tmp_path / kind, "--visualize", kind).code == 0
    assert np.array_equal(read_labels(tmp_path / "labels/photo.png"), labels)
    assert np.array_equal(read_image(tmp_path / "mask/photo.png"), colourise(labels, CAMVID_11.lut_bgr))


def test_a_folder_becomes_a_folder_with_the_same_names(model: Path, frames: Path, tmp_path: Path) -> None:
    (frames / "notes.txt").write_text("not a picture")
    (frames / "._a.png").write_bytes(b"what a Mac leaves behind")
    assert edge_segnet("segment", frames, "-m", model, "-o", tmp_path / "out").code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "b.jpg", "c.webp"]
    for name in ("a.png", "b.jpg", "c.webp"):
        assert read_image(tmp_path / "out" / name).shape == read_image(frames / name).shape
    assert edge_segnet("segment", frames, "-m", model, "-o", tmp_path / "ids", "--visualize", "labels").code == 0
    assert sorted(path.name for path in (tmp_path / "ids").iterdir()) == ["a.png", "b.png", "c.png"]
    assert read_labels(tmp_path / "ids/b.png").shape == (61, 81)
    done = edge_segnet("segment", frames, "-m", model, "-o", tmp_path / "sure", "--visualize", "margin")
    assert done.code == 0
    margins = read_labels(tmp_path / "sure/b.png")
    assert margins.shape == (61, 81) and np.unique(margins).size > 20


def test_globs_and_several_inputs(model: Path, frames: Path, photo: Path, video: Path, tmp_path: Path) -> None:
    done = edge_segnet("segment", str(frames / "*.[pj]*g"), "-m", model, "-o", tmp_path / "globbed")
    assert done.code == 0
    assert sorted(path.name for path in (tmp_path / "globbed").iterdir()) == ["a.png", "b.jpg"]
    inputs = [photo, video, frames, frames / "a.png"]
    done = edge_segnet("segment", *inputs, "-m", model, "-o", tmp_path / "all", "--json", tmp_path / "s.jsonl")
    assert done.code == 0
    found = sorted(str(path.relative_to(tmp_path / "all")) for path in (tmp_path / "all").rglob("*.*"))
    assert found == ["a.png", "drive.mp4", "frames/a.png", "frames/b.jpg", "frames/c.webp", "photo.png"]
    *lines, last = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines()]
    assert len(lines) == last["summary"]["frames"] == 2 + 12 + 3
    assert [line["source"] for line in lines[:2]] == [str(photo), str(frames / "a.png")]


@pytest.mark.parametrize(
    ("suffix", "fps", "size"),
    [(".mp4", 25.0, (80, 60)), (".avi", 29.97, (80, 60)), (".mkv", 10.0, (82, 46)), (".mov", 59.94, (64, 48))],
)
def test_a_video_becomes_a_video(model: Path, tmp_path: Path, suffix: str, fps: float, size: tuple[int, int]) -> None:
    source, out = write_video(tmp_path / f"in{suffix}", 11, fps, size), tmp_path / f"out{suffix}"
    assert edge_segnet("segment", source, "-m", model, "-o", out, "--visualize", "mask").code == 0
    pictures, rate = read_video(out)
    assert len(pictures) == 11
    assert rate == pytest.approx(fps, abs=0.01)
    assert pictures[0].shape == (size[1], size[0], 3)


def test_uneven_videos_keep_their_last_row_and_column(model: Path, tmp_path: Path) -> None:
    # The odd width comes from the legend; nothing of it may be cut off.
    source = write_video(tmp_path / "in.mp4", 3, 25.0, (80, 60))
    edge_segnet("segment", source, "-m", model, "-o", tmp_path / "out.mp4", "--legend")
    edge_segnet("segment", source, "-m", model, "-o", tmp_path / "out", "--legend", "--frames", "1")
    still = read_video(tmp_path / "out/in.mp4")[0][0]
    pictures, _ = read_video(tmp_path / "out.mp4")
    assert len(pictures) == 3
    assert pictures[0].shape == still.shape
    assert pictures[0].shape[0] % 2 == pictures[0].shape[1] % 2 == 0


def test_labels_of_a_video_are_a_folder_of_pngs(model: Path, video: Path, tmp_path: Path) -> None:
    ids = tmp_path / "ids"
    assert edge_segnet("segment", video, "-m", model, "-o", ids, "--visualize", "labels", "--frames", "3").code == 0
    assert sorted(path.name for path in ids.iterdir()) == ["000000.png", "000001.png", "000002.png"]
    assert read_labels(ids / "000002.png").shape == (60, 80)
    done = edge_segnet("segment", video, "-m", model, "-o", tmp_path / "ids.mp4", "--visualize", "labels")
    assert done.code == 2
    assert "a folder: use -o" in done.error


def test_json_on_standard_output_is_alone_there(model: Path, frames: Path, tmp_path: Path) -> None:
    done = edge_segnet("segment", frames, "-m", model, "-o", tmp_path / "out", "--json", "-", "--counts")
    assert done.code == 0
    *results, last = done.documents
    assert [result["seq"] for result in results] == [0, 1, 2]
    assert [result["source"] for result in results] == [str(frames / name) for name in ("a.png", "b.jpg", "c.webp")]
    assert [result["source_size"] for result in results] == [[80, 60], [81, 61], [64, 48]]
    assert all(result["network_size"] == [64, 48] for result in results)
    summary = last["summary"]
    assert summary["frames"] == 3 and summary["failed"] == [] and not summary["interrupted"]
    for name in CAMVID_11.names:
        total = sum(result["classes"][name]["pixels"] for result in results)
        assert summary["classes"][name]["pixels"] == total
    assert sum(entry["pixels"] for entry in summary["classes"].values()) == 3 * 64 * 48
    assert "label  class" in done.err


def test_counts_are_a_table(model: Path, photo: Path) -> None:
    done = edge_segnet("segment", photo, "-m", model, "--counts")
    assert done.code == 0
    head, *rows = done.out.splitlines()
    assert head.split() == ["label", "class", "colour", "(RGB)", "pixels", "share"]
    assert [row.split()[:2] for row in rows] == [[str(index), name] for index, name in enumerate(CAMVID_11.names)]
    assert sum(int(row.split()[-3].replace(",", "")) for row in rows) == 64 * 48
    assert all(len(line) <= 80 for line in done.out.splitlines())


def test_numbers_alone_need_no_output(model: Path, video: Path, tmp_path: Path) -> None:
    done = edge_segnet("segment", video, "-m", model, "--json", "-", folder=tmp_path)
    assert done.code == 0
    assert len(done.documents) == 13
    assert sorted(path.name for path in tmp_path.iterdir()) == ["drive.mp4"]
    done = edge_segnet("segment", video, "-m", model)
    assert done.code == 2
    assert "nothing would come out" in done.error


def test_a_legend_stands_beside_the_picture(model: Path, photo: Path, tmp_path: Path) -> None:
    for flags, out in (((), "plain.png"), (("--legend",), "legend.png")):
        assert edge_segnet("segment", photo, "-m", model, "-o", tmp_path / out, *flags).code == 0
    plain, legend = read_image(tmp_path / "plain.png"), read_image(tmp_path / "legend.png")
    assert np.array_equal(legend[:60, :80], plain)
    assert legend.shape[1] > 80 and legend.shape[0] >= 11 * 14
    shown = {tuple(int(value) for value in colour[::-1]) for colour in legend[:, 80:].reshape(-1, 3)}
    assert set(CAMVID_11.colours) <= shown


def test_colours_come_from_a_palette(model: Path, photo: Path, tmp_path: Path) -> None:
    palette = CAMVID_11.lut_rgb
    palette[:11] = palette[10::-1].copy()
    write_lut(tmp_path / "palette.png", palette)
    flags = ("--colours", tmp_path / "palette.png", "--visualize", "mask")
    assert edge_segnet("segment", photo, "-m", model, "-o", tmp_path / "mask.png", *flags).code == 0
    labels = expected_labels(model, photo)
    assert np.array_equal(read_image(tmp_path / "mask.png")[:, :, ::-1], palette[labels])


def test_another_size(model: Path, photo: Path) -> None:
    done = edge_segnet("segment", photo, "-m", model, "--size", "97x65", "--json", "-")
    assert done.code == 0
    result = done.documents[0]
    assert result["network_size"] == [97, 65]
    assert sum(entry["pixels"] for entry in result["classes"].values()) == 97 * 65
    assert result["source_size"] == [80, 60]


def test_one_pixel_is_a_picture(model: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "dot.png"), picture(1, 1))
    done = edge_segnet("segment", tmp_path / "dot.png", "-m", model, "-o", tmp_path / "out.png", "--legend")
    assert done.code == 0, done.err
    assert edge_segnet("segment", tmp_path / "dot.png", "-m", model, "-o", tmp_path / "dot2.png").code == 0
    assert read_image(tmp_path / "dot2.png").shape == (1, 1, 3)


def test_cropped_models_say_void_where_they_saw_nothing(tmp_path: Path) -> None:
    crop = save_tiny(tmp_path / "crop.onnx", fit="crop")
    cv2.imwrite(str(tmp_path / "wide.png"), picture(200, 48))
    out = tmp_path / "ids.png"
    assert edge_segnet("segment", tmp_path / "wide.png", "-m", crop, "-o", out, "--visualize", "labels").code == 0
    labels = read_labels(out)
    assert (labels[:, :60] == CAMVID_11.void).all() and (labels[:, 80:120] < CAMVID_11.void).all()


def test_broken_frames_are_skipped_and_reported(model: Path, frames: Path, tmp_path: Path) -> None:
    (frames / "b.jpg").write_bytes((frames / "b.jpg").read_bytes()[:400])
    done = edge_segnet("segment", frames, "-m", model, "-o", tmp_path / "out", "--json", "-")
    assert done.code == 5
    assert f"edge-segnet: skipped {frames / 'b.jpg'}: the JPEG is cut off" in done.err
    assert "1 picture or video failed, the rest is done (2 frames)" in done.error
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "c.webp"]
    assert [document.get("seq") for document in done.documents] == [0, 2, None]
    assert "b.jpg" in done.documents[-1]["summary"]["failed"][0]


def test_all_broken_is_a_failure(model: Path, frames: Path, tmp_path: Path) -> None:
    for path in frames.iterdir():
        path.write_bytes(b"no picture")
    done = edge_segnet("segment", frames, "-m", model, "-o", tmp_path / "out")
    assert done.code == 4
    assert "nothing could be segmented" in done.error and "(and 2 more)" in done.error
    assert not (tmp_path / "out").exists()


def test_a_missing_input_among_several_is_skipped(model: Path, photo: Path, video: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    inputs = (photo, tmp_path / "missing.png", tmp_path / "empty.mp4", video)
    done = edge_segnet("segment", *inputs, "-m", model, "-o", tmp_path / "out")
    assert done.code == 5
    assert "missing.png: no such file or folder" in done.err and "empty.mp4: the file is empty" in done.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["drive.mp4", "photo.png"]


def test_a_video_that_breaks_off_keeps_what_it_had(model: Path, tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.avi", 40)
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    done = edge_segnet("segment", source, "-m", model, "-o", tmp_path / "out.mp4")
    assert done.code == 5, done.err
    assert "breaks off after" in done.error
    assert 5 < len(read_video(tmp_path / "out.mp4")[0]) < 35


def test_several_pictures_of_one_name_are_refused(model: Path, frames: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(frames / "a.jpg"), picture())
    done = edge_segnet("segment", frames, "-m", model, "-o", tmp_path / "out", "--visualize", "labels")
    assert done.code == 4
    assert "two inputs would both become" in done.error
    assert not (tmp_path / "out").exists()


def test_an_input_is_never_replaced(model: Path, frames: Path, video: Path) -> None:
    before = {path: path.read_bytes() for path in [*frames.iterdir(), video]}
    for source, out in ((frames, frames), (frames / "a.png", frames / "a.png"), (video, video)):
        done = edge_segnet("segment", source, "-m", model, "-o", out)
        assert done.code == 4
        assert "would replace an input" in done.error
    assert {path: path.read_bytes() for path in before} == before


def test_a_palette_of_another_model_is_refused(model: Path, photo: Path, tmp_path: Path) -> None:
    write_lut(tmp_path / "camvid12.png", CAMVID_12.lut_rgb)
    done = edge_segnet("segment", photo, "-m", model, "-o", tmp_path / "o.png", "--colours", tmp_path / "camvid12.png")
    assert done.code == 3
    assert "12 colours, but the model has 11 classes (camvid-11)" in done.error
    twelve = save_tiny(tmp_path / "twelve.onnx", CAMVID_12)
    write_lut(tmp_path / "camvid11.png", CAMVID_11.lut_rgb)
    done = edge_segnet("segment", photo, "-m", twelve, "-o", tmp_path / "o.png", "--colours", tmp_path / "camvid11.png")
    assert done.code == 3
    assert "11 colours, but the model has 12 classes (camvid-12)" in done.error
    assert not (tmp_path / "o.png").exists()


def test_a_swapped_palette_is_read_as_meant(model: Path, photo: Path, tmp_path: Path) -> None:
    write_lut(tmp_path / "swapped.png", CAMVID_11.lut_rgb[:, ::-1])
    flags = ("--colours", tmp_path / "swapped.png", "--visualize", "mask")
    done = edge_segnet("segment", photo, "-m", model, "-o", tmp_path / "mask.png", *flags)
    assert done.code == 0
    warned = [line for line in done.err.splitlines() if "red and blue swapped" in line]
    assert len(warned) == 1 and warned[0].startswith("edge-segnet: warning: swapped: camvid-11's palette")
    expected = colourise(expected_labels(model, photo), CAMVID_11.lut_bgr)
    assert np.array_equal(read_image(tmp_path / "mask.png"), expected)


def test_a_licence_is_said_in_one_harmless_line(photo: Path, tmp_path: Path) -> None:
    path = save_tiny(tmp_path / "odd.onnx", licence="research only\n\x1b[2Jedge-segnet: error: boo")
    done = edge_segnet("segment", photo, "-m", path, "--json", "-")
    assert done.code == 0
    assert done.err.splitlines()[0] == "edge-segnet: tiny: research only  [2Jedge-segnet: error: boo"
