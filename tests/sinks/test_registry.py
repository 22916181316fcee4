"""Adding a sink: one folder, and one line that names it. Settings, service and their faults then know it."""

from __future__ import annotations

import importlib.util
from contextlib import ExitStack
from pathlib import Path
from typing import get_type_hints

import pytest

from edge_segnet.core.errors import SettingsError
from edge_segnet.service.sinks import SinkManager
from edge_segnet.settings import load as files
from edge_segnet.settings.load import parse_setting
from edge_segnet.settings.schema import Config
from edge_segnet.sinks import registry
from edge_segnet.sinks.registry import FOLDERS, SPECS, config_type, specs_of
from edge_segnet.sinks.spec import SinkStatus
from tests.sinks.toy.settings import ToyConfig
from tests.support.results import result_of
from tests.support.service import StreetService
from tests.support.waiting import wait_until

WITH_TOY = specs_of([*FOLDERS, "tests.sinks.toy"])


def loaded(folder: Path, text: str) -> Config:
    path = folder / "c.yaml"
    path.write_text(text, encoding="utf-8")
    return files.load(path, kind=config_type(WITH_TOY))


def test_a_folder_and_a_line_make_a_sink(tmp_path: Path) -> None:
    config = loaded(tmp_path, f"http: null\ntoy: {{path: {tmp_path}/toy.txt, word: hello}}\n")
    manager = SinkManager(StreetService(), {}, WITH_TOY)
    with ExitStack() as made:
        manager.commit(manager.prepare(config, made))
        made.pop_all()
    manager.publish(result_of(7))
    wait_until(lambda: (tmp_path / "toy.txt").read_text() == "hello 7\n")
    assert manager.status()["toy"].state == "writing"
    manager.close(1.0)


def test_its_faults_are_told_by_their_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"c\.yaml:2: toy\.colour: unknown key: .*path"):
        loaded(tmp_path, "http: null\ntoy: {path: a, colour: red}\n")
    config = loaded(tmp_path, "http: null\ntoy:\n  path: a\n  word: refused\n")
    with pytest.raises(SettingsError, match=r"c\.yaml:4: toy\.word: that word is not written: take another"):
        SinkManager(StreetService(), {}, WITH_TOY).check(config)
    with pytest.raises(SettingsError, match=r"^--set toy\.word: 3: should be text"):
        files.load(None, [parse_setting("toy.path=a"), parse_setting("toy.word=3")], kind=config_type(WITH_TOY))
    with pytest.raises(SettingsError, match=r"\(toy\): unknown key"):
        registry.load(None, [parse_setting("toy.path=a")])


def test_its_settings_are_in_the_schema_and_typed(tmp_path: Path) -> None:
    assert "toy" in config_type(WITH_TOY).model_json_schema()["properties"]
    section = loaded(tmp_path, "toy: {path: a}\n").section("toy", ToyConfig)
    assert section == ToyConfig(path=Path("a"))
    assert WITH_TOY[-1].path(section) == Path("a")


def test_every_sink_is_a_folder_that_opens_lazily() -> None:
    names = [spec.name for spec in SPECS]
    assert names == ["http", "rtsp", "mqtt", "jsonl", "video", "recording", "foxglove", "ros2"]
    for spec in SPECS:
        module, _, name = spec.opener.partition(":")
        found = importlib.util.find_spec(module)
        assert found is not None and found.origin is not None
        assert f"class {name}" in Path(found.origin).read_text(encoding="utf-8")
        assert set(spec.settings.model_fields) >= ({"host", "port"} if spec.listens else set())
        assert ("path" in spec.settings.model_fields) == bool(spec.folder)
        assert ("tls" in spec.settings.model_fields) >= spec.tls


@pytest.mark.parametrize(
    ("name", "section"),
    [
        ("http", {"port": 0}),
        ("mqtt", {"url": "mqtt://127.0.0.1:1", "prefix": "robot"}),
        ("jsonl", {"path": "results"}),
        ("video", {"path": "videos"}),
        ("recording", {"path": "recordings"}),
        ("foxglove", {"port": 0}),
        ("rtsp", {"port": 0}),
    ],
)
def test_a_sink_tells_what_its_own_type_says(
    name: str, section: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    (spec,) = (spec for spec in SPECS if spec.name == name)
    for module in spec.modules:
        pytest.importorskip(module)
    sink = spec.open(spec.settings.model_validate(section), StreetService())
    try:
        told, typed = set(sink.status()), set(get_type_hints(spec.status))
        assert told <= typed and typed - told <= set(get_type_hints(SinkStatus))
    finally:
        sink.close()
