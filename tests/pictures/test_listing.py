"""Which files are pictures, and in which order."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from edge_segnet.core.errors import InputError
from edge_segnet.pictures.listing import files_in, in_order, pictures_in
from tests.conftest import picture, write_video
from tests.support.command import edge_segnet

FORMATS = {"a.png": ".png", "b.ppm": ".ppm", "c.jpe": ".jpg", "d.jfif": ".jpg", "IMG_0001.HEIC": ".jpg", "scan": ".tif"}


def fill(folder: Path) -> Path:
    folder.mkdir()
    for name, kind in FORMATS.items():
        (folder / name).write_bytes(cv2.imencode(kind, picture())[1].tobytes())
    return folder


def test_numbers_count_as_people_do() -> None:
    names = ["b10.png", "b9.png", "a2b10.png", "a2b9.png", "a10b1.png", "B1.png", "a.png", "001.png", "01.png", "2.png"]
    expected = [
        "001.png",
        "01.png",
        "2.png",
        "B1.png",
        "a2b9.png",
        "a2b10.png",
        "a10b1.png",
        "a.png",
        "b9.png",
        "b10.png",
    ]
    assert [path.name for path in in_order(map(Path, names))] == expected


def test_pictures_are_known_by_their_content(tmp_path: Path) -> None:
    folder = fill(tmp_path / "in")
    assert {path.name for path in pictures_in(folder)} == set(FORMATS)


def test_notes_do_not_count_and_what_cannot_be_read_is_named(model: Path, tmp_path: Path) -> None:
    folder = fill(tmp_path / "in")
    (folder / "labels.txt").write_text("Sky 0\n")
    (folder / "Thumbs.db").write_bytes(b"\xd0\xcf\0\0")
    (folder / ".hidden.png").write_bytes(b"\0")
    (folder / "sub").mkdir()
    (folder / "RAW_1.CR3").write_bytes(b"\0\0\0\x18ftypcrx " + bytes(64))
    write_video(folder / "clip.mp4", 3)
    pictures, others = files_in(folder)
    assert {path.name for path in pictures} == set(FORMATS)
    assert [path.name for path in others] == ["RAW_1.CR3", "clip.mp4"]
    done = edge_segnet("segment", folder, "-m", model, "-o", tmp_path / "out", "--json", "-")
    assert done.code == 5
    assert "skipped" in done.err and "RAW_1.CR3: not a picture that can be read" in done.err and "clip.mp4" in done.err
    assert len(list((tmp_path / "out").iterdir())) == len(FORMATS)
    assert len(done.documents[-1]["summary"]["failed"]) == 2


def test_a_folder_of_formats_that_cannot_be_read_says_which_can(tmp_path: Path) -> None:
    (tmp_path / "RAW_1.CR3").write_bytes(bytes(64))
    with pytest.raises(InputError, match=r"no pictures in this folder: RAW_1.CR3 is none that can be read: PNG"):
        pictures_in(tmp_path)


def test_globs_and_folders_come_in_order(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(12):
        cv2.imwrite(str(folder / f"frame{number}.png"), np.full((48, 64, 3), 20 * number, np.uint8))
    for what in (folder, f"{folder}/frame*.png"):
        done = edge_segnet("segment", what, "-m", model, "--json", "-")
        names = [Path(document["source"]).stem for document in done.documents[:-1]]
        assert names == [f"frame{number}" for number in range(12)]


def test_a_gif_of_several_pictures_is_a_video(model: Path, tmp_path: Path) -> None:
    with av.open(str(tmp_path / "film.gif"), "w") as container:
        stream = container.add_stream("gif", rate=10)
        stream.width, stream.height, stream.pix_fmt = 80, 60, "rgb8"
        for seed in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(seed=seed), format="bgr24")))
        container.mux(stream.encode(None))
    done = edge_segnet("segment", tmp_path / "film.gif", "-m", model, "--json", "-")
    assert done.code == 0 and len(done.documents) == 6
    folder = fill(tmp_path / "in")
    (tmp_path / "film.gif").rename(folder / "film.gif")
    assert [path.name for path in files_in(folder)[1]] == ["film.gif"]
