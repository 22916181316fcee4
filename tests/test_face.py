"""What ``import edge_segnet`` gives: its names, what they cost, and that they do what docs/python.md says."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
import pytest

import edge_segnet
from edge_segnet.core.errors import InputError, ModelError, UsageError
from tests.conftest import picture

NAMES = ["ClassMap", "Frame", "Result", "Segmentation", "Segmenter", "__version__", "load", "open_source"]


def test_the_names_are_these_and_all_are_there() -> None:
    assert edge_segnet.__all__ == NAMES
    assert [name for name in NAMES if getattr(edge_segnet, name, None) is None] == []
    assert set(NAMES) <= set(dir(edge_segnet))
    assert edge_segnet.__version__ == version("edge-segnet")
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = edge_segnet.nonsense


def test_importing_it_loads_neither_cv2_nor_a_runtime() -> None:
    code = "import sys, edge_segnet; print(*sorted({'cv2', 'onnxruntime', 'numpy', 'pydantic'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_picture_becomes_labels_and_counts(model: Path) -> None:
    with edge_segnet.load(str(model), backend="onnx") as segment:
        assert (segment.name, segment.size, segment.backend) == ("tiny", (64, 48), "onnx")
        found = segment(picture(200, 100))
        assert found.labels.shape == (48, 64) and found.labels.dtype == np.uint8 and not found.labels.flags.writeable
        assert found.counts.shape == (12,) and found.counts.sum() == 64 * 48
        assert found.classes == segment.classes and found.classes.names[0] == "Sky"
        assert found.low_margin is not None and 0.0 <= found.low_margin <= 1.0
        whole = segment.labels_at(found, (200, 100))
        assert whole.shape == (100, 200)
        np.testing.assert_array_equal(whole, cv2.resize(found.labels, (200, 100), interpolation=cv2.INTER_NEAREST))


def test_a_batch_is_each_of_its_pictures(model: Path) -> None:
    segment = edge_segnet.load(str(model), backend="onnx", size=(96, 64))
    images = [picture(80, 60, seed) for seed in range(3)] + [picture(31, 200)]
    together, alone = segment.batch(images), [segment(image) for image in images]
    assert segment.size == (96, 64) and len(together) == 4
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one.labels, other.labels)
    assert segment.batch([]) == []
    segment.close()


@pytest.mark.parametrize("bad", [np.zeros((4, 4)), np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)])
def test_what_is_no_picture_is_refused(model: Path, bad: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
    segment = edge_segnet.load(str(model), backend="onnx")
    with pytest.raises(UsageError, match=r"is no picture: give uint8 \[height, width, 3\]"):
        segment(bad)
    with pytest.raises(UsageError, match="is no picture"):
        segment.batch([picture(), bad])


def test_a_model_that_is_not_there_is_refused() -> None:
    with pytest.raises(ModelError, match="no such model"):
        edge_segnet.load("nonsense")
    with pytest.raises(UsageError, match="16x16 is too small"):
        edge_segnet.load("segnet-lite", size=(16, 16))


def test_frames_of_pictures_videos_and_the_street(frames: Path, video: Path) -> None:
    (frames / "b.jpg").write_bytes(b"no picture")
    with edge_segnet.open_source(frames, (64, 48)) as source:
        found = list(source)
    assert [frame.seq for frame in found] == [0, 2] and source.skipped == 1
    assert all(frame.image.shape == (48, 64, 3) for frame in found)
    with edge_segnet.open_source(str(video), (64, 48), "crop") as source:
        assert len(list(source)) == 12
    with edge_segnet.open_source("synthetic://drive", (64, 48)) as source:
        first = source.read(1.0)
        assert isinstance(first, edge_segnet.Frame) and first.synthetic
    with pytest.raises(InputError, match="no such file or folder"):
        edge_segnet.open_source("nowhere.mp4", (64, 48))
