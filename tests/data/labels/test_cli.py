"""``edge-segnet labels`` and ``dataset`` from the shell."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_segnet.pictures.files import read_image, write_image
from tests.conftest import left_in
from tests.data.labels.data import sound, write
from tests.support.command import edge_segnet
from tests.support.pictures import read_labels


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write(tmp_path / "data", sound())


def test_a_new_data_set_has_folders_and_a_class_map(tmp_path: Path) -> None:
    done = edge_segnet("dataset", "init", "mine", "--classes", "camvid-12", folder=tmp_path)
    assert done.code == 0 and "next: edge-segnet labels lint mine" in done.err
    assert left_in(tmp_path / "mine") == ["classes.yaml", "train", "val"]
    assert left_in(tmp_path / "mine" / "train") == ["images", "labels"]
    again = edge_segnet("dataset", "init", "mine", folder=tmp_path)
    assert again.code == 4 and "there is something already" in again.error
    assert left_in(tmp_path) == ["mine"]


def test_a_rendered_data_set_passes_the_lint(tmp_path: Path) -> None:
    done = edge_segnet("dataset", "init", "mine", "--rendered", "8", "--size", "160x120", folder=tmp_path)
    assert done.code == 0, done.err
    assert len(left_in(tmp_path / "mine" / "train" / "images")) == 8
    assert len(left_in(tmp_path / "mine" / "val" / "labels")) == 2
    lint = edge_segnet("labels", "lint", "mine", "--allow-warnings", "--json", "r.json", folder=tmp_path)
    assert lint.code == 0, lint.out
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["class_map"] == "camvid-11" and report["splits"] == {"train": 8, "val": 2}
    other = edge_segnet("dataset", "init", "x", "--rendered", "8", "--classes", "camvid-12", folder=tmp_path)
    assert other.code == 2 and "camvid-11 only" in other.error


def test_an_odd_class_map_survives_its_yaml(tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").write_text(
        "name: 'on'\nclasses:\n  - {name: '12', colour: [1, 2, 3]}\n  - {name: \"O'Hare: no\", colour: [4, 5, 6]}\n"
        "  - {name: 'yes', colour: [7, 8, 9]}\n"
    )
    assert edge_segnet("dataset", "init", "a", "--classes", "odd.yaml", folder=tmp_path).code == 0
    done = edge_segnet("dataset", "init", "b", "--classes", "a/classes.yaml", folder=tmp_path)
    assert done.code == 0, done.err
    assert (tmp_path / "a" / "classes.yaml").read_text() == (tmp_path / "b" / "classes.yaml").read_text()


def test_lint_exit_codes_follow_the_worst_finding(data: Path) -> None:
    def lint(*more: str) -> int:
        return edge_segnet("labels", "lint", data, "--classes", "camvid-11", *more).code

    assert lint() == 0
    labels = data / "val" / "labels"
    for path in labels.iterdir():
        values = read_labels(path)
        write_image(path, np.where(values == 7, 0, values).astype(np.uint8))
    assert (lint(), lint("--allow-warnings")) == (7, 0)
    next(labels.iterdir()).unlink()
    assert (lint(), lint("--allow-warnings")) == (4, 4)


def test_lint_prints_what_where_and_the_weights(data: Path) -> None:
    path = data / "train" / "labels" / "train03.png"
    values = read_labels(path)
    values[0, :7] = 99
    write_image(path, values)
    done = edge_segnet("labels", "lint", data, "--classes", "camvid-11")
    assert done.code == 4
    line = next(line for line in done.out.splitlines() if line.startswith("error"))
    assert line.startswith("error    value-outside    1 values are no class of camvid-11") and "99 (7 pixels)" in line
    assert f"         {path}" in done.out.splitlines() and "weight" in done.out
    assert "16 label images, 1 error, 0 warnings, 1 note" in done.err


def test_lint_needs_a_class_map(data: Path) -> None:
    done = edge_segnet("labels", "lint", data)
    assert done.code == 2 and "which class map?" in done.error


@pytest.mark.parametrize("layout", ["tutorial", "kinds", "one", "labels only"])
def test_layouts_of_folders(layout: str, data: Path, tmp_path: Path) -> None:
    root = tmp_path / "other"
    root.mkdir()
    ends = {"images": "", "labels": "annot"}
    moves = {
        "tutorial": {f"{part}/{kind}": part + end for part in ("train", "val") for kind, end in ends.items()},
        "kinds": {f"{part}/{kind}": f"{kind}/{part}" for part in ("train", "val") for kind in ("images", "labels")},
        "one": {"train/images": "images", "train/labels": "labels"},
        "labels only": {"train/labels": "labels"},
    }[layout]  # fmt: skip
    for old, new in moves.items():
        (root / new).parent.mkdir(exist_ok=True)
        (data / old).rename(root / new)
    done = edge_segnet("labels", "lint", root, "--classes", "camvid-11", "--json", "-")
    assert done.code == 0, done.err
    assert sum(done.documents[0]["splits"].values()) == (8 if layout in ("one", "labels only") else 16)


def test_no_data_set(tmp_path: Path) -> None:
    done = edge_segnet("labels", "lint", tmp_path, "--classes", "camvid-11")
    assert done.code == 4 and "no label images" in done.error
    done = edge_segnet("labels", "inspect", tmp_path / "nowhere")
    assert done.code == 4 and "No such file" in done.error


def test_inspect_prints_values_and_writes_a_sheet_in_which_black_labels_are_seen(data: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    done = edge_segnet("labels", "inspect", data, "--classes", "camvid-11", "-o", sheet, "--each")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].startswith("parts  train (8), val (8)") and "8-bit grey (16)" in lines[1] and "160x120" in lines[2]
    counts = np.bincount(np.concatenate([labels.ravel() for part in sound().values() for _, labels in part]))
    row = next(line.split() for line in lines if line.strip().startswith("3 "))
    assert row[:4] == ["3", "Road", "128,64,128", f"{counts[3]:,}"] and row[-1] == "16"
    assert sum("train03.png" in line for line in lines) == 1
    picture = read_image(sheet)
    # Row one: name and file as stored (almost black), stretched (bright), classes (colours).
    black, bright = picture[40:180, 10:220], picture[40:180, 240:440]
    assert black.max() <= 11 and bright.max() > 200 and bright.std() > 30
    assert {(128, 64, 128), (128, 128, 128)} <= {
        tuple(pixel) for pixel in picture[40:180, 470:680].reshape(-1, 3).tolist()
    }


def test_inspect_knows_palettes_and_colours_without_a_class_map(data: Path, tmp_path: Path) -> None:
    for form, wanted in (("palette", "palette of 12"), ("colours", "8-bit RGB")):
        out = tmp_path / form
        made = edge_segnet("labels", "convert", data, "-o", out, "--classes", "camvid-11", "--form", form)
        assert made.code == 0, made.err
        (out / "classes.yaml").unlink()
        done = edge_segnet("labels", "inspect", out, "-o", tmp_path / "s.png", "--json", "-")
        assert done.code == 0, done.err
        (document,) = done.documents
        assert {image["form"] for image in document["images"]} == {wanted}
        assert ("128,64,128" in document["colours"]) is (form == "colours")


def test_inspect_goes_on_after_a_broken_file(data: Path) -> None:
    path = data / "train" / "labels" / "train01.png"
    path.write_bytes(path.read_bytes()[:100])
    done = edge_segnet("labels", "inspect", data, "--classes", "camvid-11")
    assert done.code == 5 and "15" in done.out and "1 of 16" in done.errors[-1]


def test_convert_there_and_back_is_loss_free_and_brings_the_class_map(data: Path, tmp_path: Path) -> None:
    steps = [
        (data, "twelve", ("--classes", "camvid-11", "--to", "camvid-12", "--form", "colours")),
        (tmp_path / "twelve", "back", ("--to", "camvid-11", "--merge", "Road_marking=Road", "--form", "palette")),
        (tmp_path / "back", "ids", ()),
    ]
    for source, out, flags in steps:
        done = edge_segnet("labels", "convert", source, "-o", tmp_path / out, *flags)
        assert done.code == 0, done.err
    for path in sorted((data / "train" / "labels").iterdir()):
        np.testing.assert_array_equal(read_labels(tmp_path / "ids" / "train" / "labels" / path.name), read_labels(path))


def test_colourise_and_its_palette_form(data: Path, tmp_path: Path) -> None:
    for flags, folder in (((), "rgb"), (("--palette",), "palette")):
        out = tmp_path / folder
        done = edge_segnet("labels", "colourise", data, "-o", out, "--classes", "camvid-11", *flags)
        assert done.code == 0, done.err
        shown = read_image(out / "val" / "labels" / "val00.png")
        assert (128, 64, 128) in {tuple(pixel) for pixel in shown.reshape(-1, 3).tolist()}
    np.testing.assert_array_equal(read_image(tmp_path / "rgb/val/labels/val00.png"), shown)
    same = read_labels(tmp_path / "palette/val/labels/val00.png")
    np.testing.assert_array_equal(same, read_labels(data / "val/labels/val00.png"))


def test_convert_converts_the_rest_and_names_what_it_could_not(data: Path, tmp_path: Path) -> None:
    bad = data / "train" / "labels" / "train02.png"
    values = read_labels(bad)
    values[5, 9] = 77
    write_image(bad, values)
    done = edge_segnet("labels", "convert", data, "-o", tmp_path / "o", "--classes", "camvid-11", "--form", "palette")
    assert done.code == 5
    assert "train02.png: value 77 at x=9, y=5" in done.err and "1 of 16" in done.error
    assert len(left_in(tmp_path / "o" / "train" / "labels")) == 7


def test_convert_refuses_its_own_folder_and_bad_words(data: Path) -> None:
    base = ("labels", "convert", data, "--classes", "camvid-11")
    for flags, wanted in [
        (("-o", str(data)), "where the labels come from"),
        (("-o", "x", "--form", "jpeg"), "--form jpeg"),
        (("-o", "x", "--merge", "Road"), "--merge Road"),
        (("-o", "x", "--to", "cityscapes-19"), "--merge Pavement=NAME"),
    ]:
        done = edge_segnet(*base, *flags, folder=data)
        assert done.code == 2 and wanted in done.error
    assert left_in(data) == ["train", "val"]


def test_labels_that_lie_as_16_bits_are_read(tmp_path: Path) -> None:
    labels = np.arange(11, dtype=np.uint16).repeat(20).reshape(11, 20)
    (tmp_path / "l").mkdir()
    cv2.imwrite(str(tmp_path / "l" / "a.png"), labels)
    done = edge_segnet("labels", "convert", "l", "-o", "o", "--classes", "camvid-11", folder=tmp_path)
    assert done.code == 0, done.err
    np.testing.assert_array_equal(read_labels(tmp_path / "o" / "a.png"), labels)


@pytest.mark.parametrize(("group", "command"), [("labels", "inspect"), ("dataset", "init")])
def test_a_group_alone_prints_its_help(group: str, command: str) -> None:
    done = edge_segnet(group)
    assert done.code == 0 and command in done.out and not done.err
    assert edge_segnet(group, "nonsense").code == 2


def test_a_sheet_without_a_class_map_uses_the_files_own_colours(data: Path, tmp_path: Path) -> None:
    for form in ("palette", "colours"):
        out = tmp_path / form
        edge_segnet("labels", "convert", data, "-o", out, "--classes", "camvid-11", "--form", form)
        (out / "classes.yaml").unlink()
        done = edge_segnet("labels", "inspect", out, "-o", tmp_path / "s.png")
        assert done.code == 0, done.err
        tile = read_image(tmp_path / "s.png")[40:180, 470:680]
        assert {(128, 64, 128), (128, 128, 128)} <= {tuple(pixel) for pixel in tile.reshape(-1, 3).tolist()}
