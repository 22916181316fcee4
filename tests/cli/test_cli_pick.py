"""``edge-segnet pick``: which frames, what is written, what is refused."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_segnet.core.calibration import Calibration
from edge_segnet.graph import card as cards
from edge_segnet.pictures.files import read_image
from tests.conftest import left_in, picture, write_video
from tests.support.command import edge_segnet
from tests.support.models import save_tiny
from tests.support.pictures import read_labels


@pytest.fixture(scope="module")
def drives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures of two drives: of each, four that differ, and two that look like another one."""
    folder = tmp_path_factory.mktemp("drives")
    for drive in ("a", "b"):
        for seq in range(4):
            cv2.imwrite(str(folder / f"{drive}_{seq:03d}.png"), picture(128, 96, seq + 50 * (drive == "b")))
        for seq in (4, 5):
            again = read_image(folder / f"{drive}_{seq - 4:03d}.png").astype(int) + seq
            cv2.imwrite(str(folder / f"{drive}_{seq:03d}.png"), np.clip(again, 0, 255).astype(np.uint8))
    return folder


def pick(*arguments: str | Path) -> dict[str, object]:
    done = edge_segnet("pick", *arguments, "--json", "-")
    assert done.code == 0, done.err
    (document,) = done.documents
    return document


def files(document: dict[str, object]) -> list[str]:
    frames = document["frames"]
    assert isinstance(frames, list)
    return [Path(frame["file"]).stem for frame in frames]


def test_a_data_set_with_the_models_labels(drives: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "picked"
    document = pick(drives, "-m", model, "-n", "4", "-o", out)
    assert left_in(out) == ["classes.yaml", "picked.json", "sheet.png", "train", "val"]
    names = files(document)
    assert len(set(names)) == 4 and max(Counter(name[0] for name in names).values()) <= 3
    assert left_in(out / "train" / "images") == left_in(out / "train" / "labels") == sorted(f"{x}.png" for x in names)
    assert edge_segnet("segment", drives, "-m", model, "-o", tmp_path / "truth", "--visualize", "labels").code == 0
    for name in names:
        assert (read_image(out / "train/images" / f"{name}.png") == read_image(drives / f"{name}.png")).all()
        labels = read_labels(out / "train" / "labels" / f"{name}.png")
        assert (labels == read_labels(tmp_path / "truth" / f"{name}.png")).all()
    written = json.loads((out / "picked.json").read_text())
    assert written["frames"] == document["frames"] and written["looked_at"] == 12
    assert written["model_sha256"] == cards.load(str(model)).sha256
    assert read_image(out / "sheet.png").shape[1] == 4 * 248 + 8


def test_the_shipped_models_labels_pass_lint(tmp_path: Path) -> None:
    street, out = tmp_path / "street", tmp_path / "picked"
    assert edge_segnet("dataset", "init", street, "--rendered", "4", "--size", "480x360").code == 0
    assert len(files(pick(street / "train" / "images", "-n", "4", "-o", out))) == 4
    done = edge_segnet("labels", "lint", out, "--allow-warnings")
    assert done.code == 0, done.out


def test_the_most_uncertain_ones(drives: Path, model: Path, tmp_path: Path) -> None:
    """Scores are ``segment``'s ``low_margin``."""
    document = pick(drives, "-m", model, "-n", "8", "-o", tmp_path / "all")
    told = {Path(frame["file"]).stem: frame["score"] for frame in document["frames"]}  # type: ignore[attr-defined]
    done = edge_segnet("segment", drives, "-m", model, "--json", "-")
    names = sorted(path.stem for path in drives.iterdir())
    margins = {name: found["low_margin"] for name, found in zip(names, done.documents[:12], strict=True)}
    assert told == {name: pytest.approx(margins[name], abs=1e-4) for name in told} and len(told) == 8
    best = pick(drives, "-m", model, "-n", "1", "-o", tmp_path / "one")
    assert best["frames"][0]["score"] == pytest.approx(max(margins.values()), abs=1e-4)  # type: ignore[index]


def test_what_looks_alike_is_picked_once(drives: Path, model: Path, tmp_path: Path) -> None:
    done = edge_segnet("pick", drives, "-m", model, "-n", "12", "-o", tmp_path / "few")
    assert done.code == 0 and "8 of 12 frames" in done.err and "12 were asked for" in done.err
    names = left_in(tmp_path / "few" / "train" / "images")
    alike = [("000", "004"), ("001", "005")]
    assert all(len({f"{d}_{one}.png", f"{d}_{two}.png"} & set(names)) == 1 for d in "ab" for one, two in alike)
    assert len(files(pick(drives, "-m", model, "-n", "12", "--near", "1", "-o", tmp_path / "each"))) >= 11


def test_disagreement_and_rarity(drives: Path, model: Path, tmp_path: Path) -> None:
    large = save_tiny(tmp_path / "large.onnx", size=(128, 96))
    flags = ("-m", model, "-n", "3")
    other = pick(drives, *flags, "--by", "disagreement", "--against", large, "-o", tmp_path / "one")
    same = pick(drives, *flags, "--by", "disagreement", "--against", model, "-o", tmp_path / "two")
    assert all(frame["score"] > 0 for frame in other["frames"])  # type: ignore[attr-defined]
    assert all(frame["score"] == 0 for frame in same["frames"])  # type: ignore[attr-defined]
    rare = pick(drives, *flags, "--by", "rarity", "-o", tmp_path / "three")
    assert all(0 < frame["score"] <= 1 for frame in rare["frames"])  # type: ignore[attr-defined]


def test_unfamiliarity_needs_a_calibration(drives: Path, model: Path, tmp_path: Path) -> None:
    flags = ("-n", "2", "--by", "unfamiliarity")
    done = edge_segnet("pick", drives, "-m", model, *flags, "-o", tmp_path / "none")
    assert done.code == 3 and "does not know what is unfamiliar to it" in done.error
    assert not (tmp_path / "none").exists()
    loaded = cards.load(str(model))
    measured = Calibration(1.0, 5.0, 1.0, cards.fingerprint(loaded.proto), "a test")
    cards.save(cards.calibrated(loaded, measured), tmp_path / "sure.onnx")
    document = pick(drives, "-m", tmp_path / "sure.onnx", *flags, "-o", tmp_path / "some")
    assert all(0 < frame["score"] <= 1 for frame in document["frames"])  # type: ignore[attr-defined]


def test_films_whole_drives_for_validation_and_a_broken_one(drives: Path, model: Path, tmp_path: Path) -> None:
    film, broken = write_video(tmp_path / "yard.mp4", 20), tmp_path / "night.mp4"
    broken.write_bytes(film.read_bytes()[:200])
    out = tmp_path / "picked"
    flags = ("-m", model, "-n", "4", "--every", "0.2", "--val", "0.5", "--json", tmp_path / "told.json")
    done = edge_segnet("pick", film, broken, drives, *flags, "-o", out)
    assert done.code == 5 and "1 of 3 inputs failed" in done.error and "night.mp4" in done.err
    document = json.loads((tmp_path / "told.json").read_text())
    assert document["looked_at"] == 12 + 4 and str(broken) in document["failed_inputs"][0]
    splits = {frame["drive"]: frame["file"].split("/")[0] for frame in document["frames"]}
    by_drive = {(frame["drive"], frame["file"].split("/")[0]) for frame in document["frames"]}
    assert len(by_drive) == len(splits) and "val" in splits.values()
    assert any(frame["input"] == str(film) and frame["seq"] % 5 == 0 for frame in document["frames"])


def test_the_rendered_street_and_what_makes_no_sense(drives: Path, model: Path, tmp_path: Path) -> None:
    flags = ("-m", model, "-o", tmp_path / "x")
    for more, code, words in (
        (("synthetic://drive",), 2, "never ends: give --limit"),
        ((drives, "--by", "luck"), 2, "--by luck: unknown"),
        ((drives, "--by", "disagreement"), 2, "with whom?"),
        ((drives, "--against", model), 2, "--against belongs to --by disagreement"),
        ((tmp_path / "nowhere",), 4, "no such file or folder"),
        ((drives, "--near", "2"), 2, "not a share"),
    ):
        done = edge_segnet("pick", *more, *flags)
        assert done.code == code and words in done.error, done.err
    assert edge_segnet("pick", "synthetic://drive?fps=1&seed=3", "--limit", "3", "-n", "2", *flags).code == 0
    done = edge_segnet("pick", drives, *flags)
    assert done.code == 2 and "there is something already" in done.error


def test_what_label_wrote_of_a_fleet(drives: Path, model: Path, tmp_path: Path) -> None:
    """The rows choose what is looked at again, and the robots are spread, too."""
    pytest.importorskip("pyarrow")
    fleet, labelled = tmp_path / "fleet", tmp_path / "labelled"
    for robot in ("r1", "r2"):
        (fleet / robot).mkdir(parents=True)
        write_video(fleet / robot / f"{robot}.mp4", 30)
    shutil.copytree(drives, fleet / "yard")
    done = edge_segnet("label", fleet, "-o", labelled, "-m", model, "--workers", "1")
    assert done.code == 0, done.err
    out = tmp_path / "picked"
    done = edge_segnet("pick", labelled, "-m", model, "-n", "4", "--every", "0", "-o", out, "--json", "-")
    assert done.code == 0, done.err
    (document,) = done.documents
    assert "labelled frames are looked at again" in done.err and document["looked_at"] <= 40
    robots = Counter(frame["robot"] for frame in document["frames"])
    assert robots.total() == 4 and max(robots.values()) <= 3, "r2 saw what r1 saw: it has nothing to give"
    assert set(robots) <= {"r1", "r2", "yard"} and "yard" in robots, "though all its frames are less uncertain"
    table = pyarrow_rows(labelled)
    for frame in document["frames"]:
        row = next(row for row in table if (row["recording"], row["seq"]) == (frame["input"], frame["seq"]))
        assert frame["score"] == pytest.approx(row["low_margin"], abs=1e-4) and frame["robot"] == row["robot"]
        name = Path(frame["file"]).stem
        assert (read_labels(out / "train/labels" / f"{name}.png") == read_labels(labelled / row["label_path"])).all()
    rare = edge_segnet("pick", labelled, "-m", model, "-n", "2", "--by", "rarity", "-o", tmp_path / "rare")
    assert rare.code == 0, rare.err
    done = edge_segnet("pick", labelled, "-m", model, "--by", "unfamiliarity", "-o", tmp_path / "x")
    assert done.code == 3 and "the labelled frames have no unfamiliar" in done.error
    other = save_tiny(tmp_path / "other.onnx", licence="another")
    done = edge_segnet("pick", labelled, "-m", other, "-n", "2", "-o", tmp_path / "other")
    assert done.code == 0 and "another model than" in done.err
    for part in (labelled / "frames").glob("*/*.parquet"):
        part.write_bytes(b"PAR1 torn")
    done = edge_segnet("pick", labelled, "-m", model, "-o", tmp_path / "x")
    assert done.code == 4 and "can't be read" in done.error


def pyarrow_rows(labelled: Path) -> list[dict[str, Any]]:
    import pyarrow.dataset as datasets

    rows: list[dict[str, Any]] = datasets.dataset(str(labelled / "frames"), format="parquet").to_table().to_pylist()
    return rows
