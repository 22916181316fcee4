"""The GPU loop's state machine on a fake GPU: what it computes, in which order, and what it does when calls fail."""

from __future__ import annotations

import threading
import time
import weakref
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_segnet.backends.engines import make_backend
from edge_segnet.backends.gpu_slots import Spec
from edge_segnet.backends.model import OpenModel
from edge_segnet.backends.onnx import OnnxBackend
from edge_segnet.backends.segmenter import Segmenter
from edge_segnet.backends.tensorrt import Depth, GpuOptions, SelfTestFailed, TensorRTBackend
from edge_segnet.core.calibration import Calibration
from edge_segnet.core.classes import CAMVID_11, CAMVID_12, ClassMap
from edge_segnet.core.errors import DeviceLost, ModelError
from edge_segnet.core.types import Backend, Frame, Image
from edge_segnet.cuda.interface import Memory
from edge_segnet.engine.golden import golden_frame
from edge_segnet.graph import card as cards
from edge_segnet.graph.model_files import OnnxModel
from tests.conftest import picture
from tests.cuda.fake import FakeDriver, Fault
from tests.cuda.network import fake_backend
from tests.cuda.reference import decode
from tests.support.models import tiny_model
from tests.support.nets import random_model

FRAME = ["record", "upload", "record", "enqueue", "record", "clear", "launch", "record", "download", "download"]
FRAME += ["record", "record", "wait"]


def frame_of(image: Image) -> Frame:
    return Frame(image, None, 0, time.monotonic_ns(), time.time(), "test")


def same(found: NDArray[Any] | None, wanted: NDArray[Any] | None) -> bool:
    return found is not None and wanted is not None and np.array_equal(found, wanted)


def golden_labels(onnx_model: OnnxModel) -> Image:
    return OnnxBackend(onnx_model).infer([frame_of(golden_frame(onnx_model.card.size, onnx_model.card.fit))])[0].labels


@pytest.mark.parametrize("memory", ["pinned", "mapped"])
@pytest.mark.parametrize("classes", [CAMVID_11, CAMVID_12])
def test_labels_and_counts_are_the_cpus(memory: Memory, classes: ClassMap) -> None:
    made = tiny_model(classes)
    measured = Calibration(1.6, 2.0, 1.0, cards.fingerprint(made.proto))
    onnx_model = cards.attach(made.proto, name="tiny", classes=classes, calibration=measured)
    backend, _, _ = fake_backend(onnx_model, memory=memory)
    cpu = OnnxBackend(onnx_model)
    assert isinstance(backend, Backend)
    for seed in range(3):
        frame = frame_of(picture(64, 48, seed))
        found, wanted = backend.infer([frame])[0], cpu.infer([frame])[0]
        assert np.array_equal(found.labels, wanted.labels) and np.array_equal(found.counts, wanted.counts)
        assert found.labels.dtype == np.uint8 and found.counts.dtype == np.int64
        assert same(found.uncertain, wanted.uncertain) and same(found.margins, wanted.margins)
        assert found.unfamiliar == pytest.approx(wanted.unfamiliar, rel=1e-4) and found.valid and wanted.valid
        assert set(found.stages_ms) == {"upload", "network", "decode", "download"}
        assert np.unique(found.labels).size > 2


def test_an_output_for_void_is_void_and_no_class() -> None:
    made = tiny_model(CAMVID_12)
    onnx_model = cards.attach(made.proto, name="tiny", classes=CAMVID_11, void_output=True)
    backend, _, _ = fake_backend(onnx_model)
    frame = frame_of(picture(64, 48, 1))
    found, wanted = backend.infer([frame])[0], OnnxBackend(onnx_model).infer([frame])[0]
    twelve = OnnxBackend(made).infer([frame])[0]
    assert np.array_equal(found.labels, wanted.labels) and np.array_equal(found.labels, twelve.labels)
    assert np.array_equal(found.counts, wanted.counts) and len(found.counts) == 12
    assert found.counts[11] == twelve.counts[11] > 0 and found.valid and wanted.valid
    assert (
        same(found.uncertain, wanted.uncertain) and len(wanted.uncertain if wanted.uncertain is not None else ()) == 11
    )


def test_an_odd_size_in_float16() -> None:
    onnx_model = cards.attach(random_model("segnet-lite", (65, 49), classes=11), name="lite", classes=CAMVID_11)
    backend, driver, network = fake_backend(onnx_model, "fp16")
    found = backend.infer([frame_of(picture(65, 49))])[0]
    logits = driver.at(network.logits[0]).view(np.float16).reshape(11, 49, 65)
    wanted = decode(logits)
    assert np.array_equal(found.labels, wanted.labels) and same(found.margins, wanted.margins)
    assert same(found.uncertain, wanted.uncertain) and 0 < wanted.uncertain.sum() < 65 * 49
    assert found.low_margin == pytest.approx(wanted.uncertain.sum() / (65 * 49))


def test_one_copy_one_wait_and_a_fixed_order() -> None:
    backend, driver, _ = fake_backend(tiny_model())
    driver.calls.clear()
    backend.infer([frame_of(picture(64, 48))])
    assert driver.calls == FRAME


def test_mapped_memory_is_not_copied() -> None:
    backend, driver, _ = fake_backend(tiny_model(), driver=FakeDriver(integrated=True))
    assert backend.memory == "mapped" and backend.provenance["memory"] == "mapped"
    driver.calls.clear()
    backend.infer([frame_of(picture(64, 48))])
    assert driver.calls.count("upload") == 0 and driver.calls.count("download") == 1  # the counts


@pytest.mark.parametrize(
    ("integrated", "asked", "used"),
    [(False, "auto", "pinned"), (True, "auto", "mapped"), (True, "pinned", "pinned"), (False, "mapped", "mapped")],
)
def test_memory_follows_the_kind_of_gpu(integrated: bool, asked: Memory, used: str) -> None:
    backend, _, _ = fake_backend(tiny_model(), memory=asked, driver=FakeDriver(integrated=integrated))
    assert backend.memory == used


def test_nothing_is_allocated_in_the_loop() -> None:
    backend, driver, _ = fake_backend(tiny_model())
    (slot,) = backend._slots
    made, host = driver.allocations, slot.buffers.frames.array
    for seed in range(20):
        backend.infer([frame_of(picture(64, 48, seed))])
    assert driver.allocations == made and slot.buffers.frames.array is host
    with pytest.raises(AttributeError):
        slot.buffers.frames.array = host  # type: ignore[misc]  # rebinding would lose the page-locked memory


def test_results_are_read_only_and_never_reused() -> None:
    backend, _, _ = fake_backend(tiny_model(), memory="mapped")
    first = backend.infer([frame_of(picture(64, 48, 1))])[0]
    kept, counted = first.labels.copy(), first.counts.copy()
    backend.infer([frame_of(picture(64, 48, 2))])
    assert np.array_equal(first.labels, kept) and np.array_equal(first.counts, counted)
    assert not first.labels.flags.writeable


def test_the_backend_keeps_no_result_alive() -> None:
    """Pictures are large, and what holds the last one makes the next one's memory another."""
    backend, _, _ = fake_backend(tiny_model(), depth=2)
    tickets = [backend.submit([frame_of(picture(64, 48, seed))]) for seed in range(2)]
    seen = [weakref.ref(ticket.result()[0].labels) for ticket in tickets]
    del tickets
    assert [reference() for reference in seen] == [None, None]


def test_a_part_of_a_picture_and_a_picture_of_another_size() -> None:
    backend, _, _ = fake_backend(tiny_model())
    part = picture(100, 90)[10:58, 20:84]
    assert np.array_equal(backend.infer([frame_of(part)])[0].labels, backend.infer([frame_of(part.copy())])[0].labels)
    for shape in ((48, 1, 3), (30, 30, 3), (1, 1, 3)):
        with pytest.raises(ModelError, match="tiny takes 64x48"):
            backend.infer([frame_of(np.zeros(shape, np.uint8))])


@pytest.mark.parametrize("call", sorted(set(FRAME)))
def test_a_sticky_fault_is_final_and_said_again_without_the_gpu(call: str) -> None:
    backend, driver, _ = fake_backend(tiny_model())
    backend.infer([frame_of(picture(64, 48))])
    driver.fail[call] = 0, Fault(f"{call} failed: an illegal memory access was encountered", sticky=True)
    with pytest.raises(DeviceLost, match=f"{call} failed") as caught:
        backend.infer([frame_of(picture(64, 48))])
    assert caught.value.sticky and caught.value.exit_code == 6
    driver.calls.clear()
    for _ in range(2):
        with pytest.raises(DeviceLost, match=f"{call} failed"):
            backend.infer([frame_of(picture(64, 48))])
    assert driver.calls == []
    backend.close()
    assert driver.closed == 1


def test_after_a_fault_that_is_not_sticky_the_next_frame_is_right() -> None:
    onnx_model = tiny_model()
    backend, driver, _ = fake_backend(onnx_model)
    driver.fail["launch"] = 0, Fault("launch failed: invalid value", sticky=False)
    with pytest.raises(DeviceLost) as caught:
        backend.infer([frame_of(picture(64, 48, 1))])
    assert not caught.value.sticky
    del driver.fail["launch"]
    frame = frame_of(picture(64, 48, 2))
    assert np.array_equal(backend.infer([frame])[0].labels, OnnxBackend(onnx_model).infer([frame])[0].labels)


@pytest.mark.parametrize("call", ["device_buffer", "host_buffer", "stream", "event", "kernel"])
@pytest.mark.parametrize("working", [0, 1, 2, 3])
def test_too_little_memory_at_any_allocation_frees_everything(call: str, working: int) -> None:
    driver = FakeDriver()
    driver.fail[call] = working, Fault("out of memory", sticky=False)
    try:
        backend, _, network = fake_backend(tiny_model(), driver=driver)
    except DeviceLost as error:
        assert "out of memory" in str(error) and driver.closed == 1  # only some calls come so often
    else:
        assert driver.closed == 0 and network.closed == 0
        backend.close()


def test_a_batch_that_memory_does_not_hold() -> None:
    onnx_model, driver = tiny_model(), FakeDriver()
    _, _, network = fake_backend(onnx_model)
    driver.fail["device_buffer"] = 1, Fault("out of memory", sticky=False)
    spec = Spec("four", onnx_model.card.classes, (64, 48), "stretch", "fp32", max_batch=4)
    with pytest.raises(
        DeviceLost, match=r"four: 4 frames at once are too much .*out of memory.*smaller --batch"
    ) as caught:
        make_backend(spec, network, driver, b"cubin", GpuOptions())
    assert caught.value.exit_code == 6 and not caught.value.sticky and driver.closed == 1


def test_a_kernel_for_another_gpu() -> None:
    driver = FakeDriver()
    with pytest.raises(ModelError, match="can't run on Fake GPU"):
        fake_backend(tiny_model(), driver=driver, cubin=b"other")
    assert driver.closed == 1


def test_an_output_that_nobody_writes_is_seen() -> None:
    onnx_model = tiny_model()
    backend, driver, network = fake_backend(onnx_model)
    driver.skip_kernel = True
    with pytest.raises(DeviceLost, match="counted 0 of 3072 pixels"):
        backend.infer([frame_of(picture(64, 48))])
    driver.skip_kernel, network.writes = False, False
    with pytest.raises(SelfTestFailed):
        backend.self_test(golden_labels(onnx_model))


def test_a_network_that_does_not_start() -> None:
    backend, _, network = fake_backend(tiny_model())
    network.refuses = True
    with pytest.raises(DeviceLost, match="could not be started"):
        backend.infer([frame_of(picture(64, 48))])


def test_self_test() -> None:
    onnx_model = tiny_model()
    backend, _, _ = fake_backend(onnx_model)
    labels = golden_labels(onnx_model)
    assert backend.self_test(labels) == 1.0 and backend.provenance["self_test_agreement"] == 1.0
    with pytest.raises(SelfTestFailed, match=r"self-test failed, \d+\.\d\d % of the labels agree.*--precision fp32"):
        backend.self_test(np.roll(labels, 1, axis=0) ^ np.uint8(1))
    few = labels.copy()
    few[0, :30] ^= 1  # 30 of 3072 pixels are 0.98 %
    assert 0.99 < backend.self_test(few) < 1.0


def test_the_shipped_model_in_float16_passes_its_self_test() -> None:
    onnx_model = cards.load("segnet-lite")
    backend, _, _ = fake_backend(onnx_model, "fp16")
    assert backend.self_test(golden_labels(onnx_model)) >= 0.995


def test_self_test_finds_nan() -> None:
    onnx_model = tiny_model()
    weight = next(w for w in onnx_model.proto.graph.initializer if w.name.endswith("conv1_D.bias"))
    weight.ClearField("float_data")
    weight.raw_data = np.full(11, np.nan, np.float32).tobytes()
    backend, _, _ = fake_backend(onnx_model)
    found = backend.infer([frame_of(picture(64, 48))])[0]
    assert found.counts[-1] == 64 * 48 and (found.labels == 11).all()
    with pytest.raises(SelfTestFailed, match=r"3072 of 3072 pixels are NaN.*float16"):
        backend.self_test(np.zeros((48, 64), np.uint8))


@pytest.mark.parametrize("depth", [1, 2])
def test_threads_take_turns(depth: Depth) -> None:
    onnx_model = tiny_model()
    backend, _, _ = fake_backend(onnx_model, depth=depth)
    cpu = OnnxBackend(onnx_model)
    frames = [frame_of(picture(64, 48, seed)) for seed in range(4)]
    wanted = [cpu.infer([frame])[0].labels for frame in frames]
    wrong: list[int] = []

    def work(index: int) -> None:
        found = [backend.infer([frames[index]])[0].labels for _ in range(10)]
        wrong.extend(index for labels in found if not np.array_equal(labels, wanted[index]))

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_closing_twice_and_using_it_after() -> None:
    backend, driver, network = fake_backend(tiny_model())
    backend.close()
    backend.close()
    assert (driver.closed, network.closed) == (1, 1)
    with pytest.raises(DeviceLost, match="tiny is closed"):
        backend.infer([frame_of(picture(64, 48))])


def test_the_bare_network_and_the_gpus_memory() -> None:
    backend, driver, _ = fake_backend(tiny_model())
    driver.calls.clear()
    assert backend.bare_ms(frame_of(picture(64, 48))) == 0.25
    assert driver.calls == ["record", "enqueue", "record", "record", "wait"]
    assert backend.memory_mb() == (1000.0, 8000.0)


@pytest.mark.parametrize("colour", [0, 255])
def test_a_flat_frame_does_not_overflow_float16(colour: int) -> None:
    """255 squared, three times, is past float16: local response normalisation has to stay float32."""
    onnx_model = cards.attach(random_model("segnet-basic", (64, 48), classes=11), name="basic", classes=CAMVID_11)
    backend, _, _ = fake_backend(onnx_model, "fp16")
    found = backend.infer([frame_of(np.full((48, 64, 3), colour, np.uint8))])[0]
    assert found.counts[-1] == 0


def graph_backend(onnx_model: OnnxModel, depth: Depth = 1, max_batch: int = 1) -> tuple[TensorRTBackend, FakeDriver]:
    made = fake_backend(onnx_model, driver=FakeDriver(graphs=True), depth=depth, max_batch=max_batch)
    return made[:2]


@pytest.mark.parametrize("memory", ["pinned", "mapped"])
@pytest.mark.parametrize("graphs", [False, True])
@pytest.mark.parametrize("depth", [1, 2])
def test_every_way_gives_the_cpus_labels_in_order(memory: Memory, graphs: bool, depth: Depth) -> None:
    """Up to three frames at once, and as many on their way as it takes."""
    onnx_model = tiny_model()
    backend, driver, _ = fake_backend(
        onnx_model, memory=memory, driver=FakeDriver(graphs=graphs), depth=depth, max_batch=3
    )
    assert backend.provenance["graphs"] == ("yes" if graphs else "no") and backend.max_batch == 3
    cpu, frames = OnnxBackend(onnx_model), [frame_of(picture(64, 48, seed)) for seed in range(12)]
    wanted = [cpu.infer([frame])[0] for frame in frames]
    parts = [frames[:1], frames[1:4], frames[4:6], frames[6:9], frames[9:]]
    driver.calls.clear()
    tickets = [backend.submit(part) for part in parts]
    found = [result for ticket in tickets for result in ticket.result()]
    assert [result.together for result in found] == [1, 3, 3, 3, 2, 2, 3, 3, 3, 3, 3, 3]
    assert found[1].network_ms == pytest.approx(found[1].stages_ms["network"] / 3)
    assert [len(ticket.result()) for ticket in tickets] == [1, 3, 2, 3, 3]  # asked again, it is the same
    for got, want in zip(found, wanted, strict=True):
        assert np.array_equal(got.labels, want.labels) and np.array_equal(got.counts, want.counts)
        assert same(got.margins, want.margins) and got.winning == pytest.approx(want.winning, rel=1e-4)
    assert driver.calls.count("graph") == (5 if graphs else 0)
    assert driver.calls.count("enqueue") == (0 if graphs else 5)


def test_a_graph_is_one_call() -> None:
    backend, driver = graph_backend(tiny_model())
    driver.calls.clear()
    backend.infer([frame_of(picture(64, 48))])
    assert driver.calls == ["graph", "record", "wait"]


def test_with_two_in_flight_the_upload_has_a_stream_of_its_own() -> None:
    backend, driver = graph_backend(tiny_model(), depth=2)
    driver.calls.clear()
    first, second = (backend.submit([frame_of(picture(64, 48, seed))]) for seed in range(2))
    assert driver.calls == 2 * ["record", "upload", "record", "wait_for", "graph", "record"]
    assert not np.array_equal(first.result()[0].labels, second.result()[0].labels)


def test_a_network_that_cannot_be_captured_runs_without_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    driver, onnx_model = FakeDriver(graphs=True), tiny_model()
    driver.fail["capture"] = 0, Fault("operation not permitted when stream is capturing", sticky=False)
    backend, _, _ = fake_backend(onnx_model, driver=driver, depth=2)
    assert "no CUDA graphs" in caplog.text and backend.provenance["graphs"].startswith("no: operation not permitted")
    frame = frame_of(picture(64, 48))
    assert np.array_equal(backend.infer([frame])[0].labels, OnnxBackend(onnx_model).infer([frame])[0].labels)


def test_too_many_frames_at_once() -> None:
    backend, _, _ = fake_backend(tiny_model(), max_batch=2)
    for count in (0, 3):
        with pytest.raises(ModelError, match=f"takes 1 to 2 frames at once, not {count}.*--batch"):
            backend.infer([frame_of(picture(64, 48))] * count)


def test_frames_on_their_way_are_had_after_closing() -> None:
    onnx_model = tiny_model()
    backend, driver = graph_backend(onnx_model, depth=2)
    frame = frame_of(picture(64, 48))
    tickets = [backend.submit([frame]) for _ in range(2)]
    backend.close()
    wanted = OnnxBackend(onnx_model).infer([frame])[0].labels
    assert all(np.array_equal(ticket.result()[0].labels, wanted) for ticket in tickets) and driver.closed == 1


def test_two_in_flight_and_a_lost_gpu() -> None:
    backend, driver = graph_backend(tiny_model(), depth=2)
    frame = frame_of(picture(64, 48))
    tickets = [backend.submit([frame]) for _ in range(2)]
    driver.fail["wait"] = 0, Fault("an illegal memory access was encountered", sticky=True)
    for ticket in tickets:
        with pytest.raises(DeviceLost, match="illegal memory"):
            ticket.result()
    with pytest.raises(DeviceLost, match="illegal memory"):
        backend.submit([frame])


def test_a_batch_of_pictures_from_python() -> None:
    onnx_model = tiny_model()
    backend, driver, _ = fake_backend(onnx_model, driver=FakeDriver(graphs=True), depth=2, max_batch=3)
    segment = Segmenter(OpenModel(onnx_model.card, backend, "", 0.0, 0.0))
    images = [picture(64, 48, seed) for seed in range(7)]
    driver.calls.clear()
    found, cpu = segment.batch(images), OnnxBackend(onnx_model)
    assert driver.calls.count("graph") == 3  # of 3, 3 and 1
    for image, got in zip(images, found, strict=True):
        assert np.array_equal(got.labels, cpu.infer([frame_of(image)])[0].labels)
