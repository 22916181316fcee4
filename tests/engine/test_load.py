"""Verified files -> a network: what TensorRT refuses becomes one line with a remedy and the right exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_segnet.core.errors import DeviceLost, ModelError
from edge_segnet.cuda.probe import NoGpu, find_gpu
from edge_segnet.engine.load import Verified, verify
from edge_segnet.engine.network import Binding, EngineNetwork
from tests.cuda.fake import FakeDriver
from tests.engine.engines import forge, rtx
from tests.engine.fake_library import FakeTensorRT


@pytest.fixture
def verified(tmp_path: Path, model: Path) -> Verified:
    engine = tmp_path / "engines" / "tiny.engine"
    forge(engine, model)
    return verify(engine)


def test_what_was_hashed_is_what_is_loaded(verified: Verified) -> None:
    trt = FakeTensorRT()
    verified.engine.write_bytes(b"swapped after it was verified")
    network = EngineNetwork(verified, trt.library, FakeDriver())
    assert trt.seen == [verified.plan] and trt.config is None
    start = network.bind(1000, 2000, 1)
    assert trt.bound == {"frame": 1000, "logits": 2000}
    start(77)
    network.save_cache()
    network.close()


def test_an_engine_for_several_frames(tmp_path: Path, model: Path) -> None:
    engine, trt = tmp_path / "engines" / "four.engine", FakeTensorRT()
    assert forge(engine, model, batch=4).shapes["frame"] == "uint8[-1,48,64,3]"
    trt.shapes = {name: (kind, (-1, *shape[1:])) for name, (kind, shape) in trt.shapes.items()}
    driver = FakeDriver()
    with driver.current():
        network = EngineNetwork(verify(engine), trt.library, driver, Binding(contexts=4))
        for count in (1, 4):
            network.bind(1000, 2000, count)(77)
        assert trt.counts == [(1, 48, 64, 3), (4, 48, 64, 3)]
        with pytest.raises(ModelError, match=r"four\.engine: TensorRT refuses 5 frames at once"):
            network.bind(1000, 2000, 5)
        trt.context, trt.says = False, "Cuda failure: out of memory"
        with pytest.raises(DeviceLost, match=r"too little memory .*smaller --batch"):
            network.bind(1000, 2000, 1)


def test_an_engine_for_one_frame_is_told_no_shapes(verified: Verified) -> None:
    trt = FakeTensorRT()
    EngineNetwork(verified, trt.library, FakeDriver()).bind(1000, 2000, 1)
    assert trt.counts == []


@pytest.mark.parametrize("step", ["plan", "context"])
def test_refusals(verified: Verified, step: str) -> None:
    trt = FakeTensorRT()
    setattr(trt, step, False)
    trt.says = "Version tag does not match"
    with pytest.raises(ModelError, match=r"tiny\.engine: TensorRT 10\.3\.0 can't .*Version tag.*build it again"):
        EngineNetwork(verified, trt.library, FakeDriver())
    trt.says = "Cuda failure: out of memory"
    with pytest.raises(DeviceLost, match="too little memory") as caught:
        EngineNetwork(verified, trt.library, FakeDriver())
    assert caught.value.exit_code == 6


@pytest.mark.parametrize(
    ("name", "found"),
    [("logits", ("HALF", (1, 11, 48, 64))), ("logits", ("FLOAT", (1, 12, 48, 64))), ("more", ("FLOAT", (1,)))],
)
def test_a_manifest_that_lies_about_its_plan(verified: Verified, name: str, found: tuple[str, tuple[int, ...]]) -> None:
    trt = FakeTensorRT()
    trt.shapes[name] = found
    with pytest.raises(ModelError, match=r"its tensors are .* the manifest says"):
        EngineNetwork(verified, trt.library, FakeDriver())


def test_a_buffer_or_a_start_that_is_refused(verified: Verified) -> None:
    trt = FakeTensorRT()
    network = EngineNetwork(verified, trt.library, FakeDriver())
    trt.binds = False
    with pytest.raises(ModelError, match="refuses a buffer for 'frame'"):
        network.bind(1, 2, 1)
    trt.binds, trt.runs, trt.says = True, False, "Cuda error 700"
    start = network.bind(1, 2, 1)
    with pytest.raises(DeviceLost, match=r"could not start the network .Cuda error 700"):
        start(77)


def test_several_contexts_share_what_they_are_given(verified: Verified) -> None:
    trt, driver = FakeTensorRT(), FakeDriver()
    with driver.current():
        network = EngineNetwork(verified, trt.library, driver, Binding(contexts=2))
        for place in (1000, 2000):
            network.bind(place, place + 1, 1)
    assert trt.strategies == ["user managed"] * 2 and len(set(trt.given)) == 1 and trt.given[0][1] == 640
    assert driver.at(trt.given[0][0]).nbytes == 640


def test_tensorrt_rtx_captures_nothing_where_its_caller_does(verified: Verified) -> None:
    trt = FakeTensorRT("tensorrt-rtx", "1.7.1")
    EngineNetwork(verified, trt.library, FakeDriver(), Binding(captured=True))
    assert trt.config.cuda_graph_strategy is None


def test_tensorrt_rtx_keeps_what_it_compiled(verified: Verified) -> None:
    trt = FakeTensorRT("tensorrt-rtx", "1.7.1")
    network = EngineNetwork(verified, trt.library, FakeDriver())
    assert trt.cache.taken == b"" and trt.config.cuda_graph_strategy == "whole" and trt.config.cache is trt.cache
    network.save_cache()
    kept = verified.engine.with_suffix(".runtime.cache")
    assert kept.read_bytes() == b"kernels" and kept.stat().st_mode & 0o777 == 0o644
    again = FakeTensorRT("tensorrt-rtx", "1.7.1")
    EngineNetwork(verified, again.library, FakeDriver())
    assert again.cache.taken == b"kernels"
    kept.chmod(0o666)
    third = FakeTensorRT("tensorrt-rtx", "1.7.1")
    EngineNetwork(verified, third.library, FakeDriver())
    assert third.cache.taken == b"", "others could have written it"


def test_the_real_library_without_a_gpu(tmp_path: Path, model: Path) -> None:
    """Garbage that passed every check of ours (it was hashed so) must still not crash the process."""
    library = rtx()
    try:
        find_gpu()
    except NoGpu:
        pass
    else:
        pytest.skip("there is a GPU")
    engine = tmp_path / "tiny.engine"
    forge(engine, model, flavour="tensorrt-rtx", version=library.version)
    with pytest.raises(ModelError, match="can't deserialise it") as caught:
        EngineNetwork(verify(engine), library, FakeDriver())
    assert "\n" not in str(caught.value)
