"""The names that we call, looked up in the real bindings of TensorRT 10.3 and of the newest."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import tensorrt_names


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """By version: every name of the bindings."""
    names = {}
    for version, wheel in tensorrt_names.WHEELS.items():
        try:
            names[version] = tensorrt_names.names_of(wheel, tmp_path_factory.mktemp(version))
        except tensorrt_names.Unavailable as error:
            pytest.skip(str(error))
    return names


def test_none_is_gone(found: dict[str, set[str]]) -> None:
    assert tensorrt_names.missing_names(found) == {version: [] for version in tensorrt_names.WHEELS}
    ours = tensorrt_names.used() & found["newest"]
    assert {"STRONGLY_TYPED", "execute_async_v3", "set_tensor_address", "build_serialized_network"} <= ours


def test_one_that_goes_away_is_seen(found: dict[str, set[str]]) -> None:
    without = found | {"newest": found["newest"] - {"set_device_memory"}}
    assert tensorrt_names.missing_names(without)["newest"] == ["set_device_memory"]


def test_bindings_that_cannot_be_had(tmp_path: Path) -> None:
    with pytest.raises(tensorrt_names.Unavailable, match="can't be installed"):
        tensorrt_names.names_of(str(tmp_path / "nothing.whl"), tmp_path)
