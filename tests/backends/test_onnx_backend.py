"""The CPU backend against the plain graph."""

from __future__ import annotations

import time

import numpy as np
import onnxruntime
import pytest

from edge_segnet.backends.model import BackendOptions, open_backend
from edge_segnet.backends.onnx import CpuOptions, OnnxBackend, make_session
from edge_segnet.core.classes import CAMVID_11, CAMVID_12
from edge_segnet.core.errors import ModelError
from edge_segnet.core.types import Backend, Frame, Image
from edge_segnet.graph import card as cards
from tests.conftest import picture
from tests.support.models import tiny_model
from tests.support.nets import random_model


def frame_of(image: Image) -> Frame:
    return Frame(image, None, 0, time.monotonic_ns(), time.time(), "test")


@pytest.mark.parametrize("seed", range(4))
def test_labels_are_the_argmax_of_the_models_own_logits(seed: int) -> None:
    made = tiny_model()
    image = picture(64, 48, seed)
    session = onnxruntime.InferenceSession(made.proto.SerializeToString(), providers=["CPUExecutionProvider"])
    logits = session.run(["logits"], {"frame": image[np.newaxis]})[0][0]
    result = OnnxBackend(made).infer([frame_of(image)])[0]
    assert np.array_equal(result.labels, logits.argmax(axis=0))
    assert result.labels.dtype == np.uint8 and result.counts.dtype == np.int64
    assert np.array_equal(result.counts, np.bincount(logits.argmax(axis=0).ravel(), minlength=12))
    assert result.counts.sum() == 64 * 48 and result.counts[11] == 0
    assert set(result.stages_ms) == {"network", "decode"} and min(result.stages_ms.values()) >= 0
    assert np.unique(result.labels).size > 2


def test_segnet_lite_at_an_odd_size() -> None:
    made = cards.attach(random_model("segnet-lite", (65, 49), classes=11), name="lite", classes=CAMVID_11)
    result = OnnxBackend(made).infer([frame_of(picture(65, 49))])[0]
    assert result.labels.shape == (49, 65) and result.counts.sum() == 65 * 49


def test_results_are_read_only_and_never_reused() -> None:
    backend = OnnxBackend(tiny_model())
    first = backend.infer([frame_of(picture(64, 48, 1))])[0]
    kept = first.labels.copy()
    backend.infer([frame_of(picture(64, 48, 2))])
    assert np.array_equal(first.labels, kept) and not first.labels.flags.writeable


def test_a_part_of_a_picture_is_taken_as_it_is() -> None:
    whole = picture(100, 90)
    part = whole[10:58, 20:84]
    backend = OnnxBackend(tiny_model())
    assert np.array_equal(backend.infer([frame_of(part)])[0].labels, backend.infer([frame_of(part.copy())])[0].labels)


def test_it_is_a_backend() -> None:
    backend = open_backend(tiny_model(CAMVID_12), "auto", BackendOptions(threads=1, spinning=True))
    assert isinstance(backend, Backend)
    assert (backend.name, backend.input_size, len(backend.classes)) == ("onnx", (64, 48), 12)
    backend.close()
    backend.close()


def test_what_cannot_run_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ModelError, match="ONNX Runtime refuses the model") as caught:
        make_session(b"nonsense", CpuOptions())
    assert "\n" not in str(caught.value) and "[ONNXRuntimeError]" not in str(caught.value)
    with pytest.raises(ModelError, match="tiny fails at 64x48"):
        OnnxBackend(tiny_model()).infer([frame_of(picture(30, 30))])
    assert capfd.readouterr().err == ""
