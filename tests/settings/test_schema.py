"""Settings: defaults, the command line's changes, and what is wrong with a file, by file:line:key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_segnet.core.classes import CAMVID_11
from edge_segnet.core.errors import SettingsError
from edge_segnet.service.sinks import SinkManager
from edge_segnet.settings.load import Change, parse_setting
from edge_segnet.settings.regions import faults_with_model
from edge_segnet.settings.schema import Config
from edge_segnet.settings.sections import TokenFile
from edge_segnet.sinks.http.settings import HttpConfig
from edge_segnet.sinks.registry import configured, json_schema, load
from edge_segnet.sinks.rtsp.settings import RtspConfig
from tests.support.service import StreetService


def http_of(config: Config) -> HttpConfig:
    found = config.section("http", HttpConfig)
    assert found is not None
    return found


def loaded(tmp_path: Path, text: str, *settings: str, source: str | None = None) -> Config:
    path = tmp_path / "c.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path, [parse_setting(setting) for setting in settings], source)


def test_the_embedded_defaults() -> None:
    config = load()
    assert config.model == "segnet-lite" and config.backend == "auto"
    assert {name: camera.source for name, camera in config.cameras.items()} == {"camera": "synthetic://drive"}
    assert http_of(config) == HttpConfig() and http_of(config).host == "127.0.0.1" and http_of(config).port == 8080
    assert config.section("rtsp", RtspConfig) is None


def test_a_whole_file(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        """
model: segnet-lite
size: 320x240
cameras:
  front: {source: "csi://0?width=1280&height=720&fps=30", flip: rotate-180, rate: 30}
  rear: {pipeline: "videotestsrc ! video/x-raw,width=64"}
  usb: {source: 1}
http: {host: 0.0.0.0, port: 8081, auth: {token_file: /etc/edge-segnet/token}, tls: null}
log: {level: debug, format: journal}
""",
    )
    assert list(config.cameras) == ["front", "rear", "usb"]
    assert config.cameras["usb"].source == "1" and config.cameras["front"].rate == 30
    assert http_of(config).auth == TokenFile(token_file=Path("/etc/edge-segnet/token"))
    assert config == configured(**config.model_dump(exclude_none=True))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model: a\nbackend: auto\nhtpt: {}\n", "c.yaml:3: htpt: unknown key: did you mean http?"),
        ("cameras:\n  front:\n    source: 0\n    falp: none\n", "c.yaml:4: cameras.front.falp: unknown key: did you"),
        ("http: {port: 8080,\n  hots: x}\n", "c.yaml:2: http.hots: unknown key: did you mean host?"),
        ("zzz: 1\n", "c.yaml:1: zzz: unknown key: known here: backend, batch_wait_ms, cameras, "),
        ("model: no\n", 'c.yaml:1: model: no is not text (YAML reads it as False): put it in quotes: "no"'),
        ("cameras: {a: {source: '0', flip: off}}\n", "c.yaml:1: cameras.a.flip: off is not text"),
        ("http:\n  port: abc\n", "c.yaml:2: http.port: 'abc': should be a whole number"),
        ("http: {port: 70000}\n", "c.yaml:1: http.port: 70000: should be less than or equal to 65535"),
        ("http: {port: 80.5}\n", "c.yaml:1: http.port: 80.5: should be a whole number"),
        ("http: 8080\n", "c.yaml:1: http: 8080: should have keys of its own"),
        ("http: {auth: maybe}\n", "c.yaml:1: http.auth: 'maybe': should be 'none'"),
        ("http: {auth: {token_flie: /x}}\n", "c.yaml:1: http.auth.token_flie: unknown key: did you mean token_file?"),
        ("http: {auth: {}}\n", "c.yaml:1: http.auth.token_file: missing"),
        ("cameras: {}\n", "c.yaml:1: cameras: {}: at least one is needed"),
        ("cameras: [1]\n", "c.yaml:1: cameras: [1]: should have keys of its own"),
        ("cameras: {a: }\n", "c.yaml:1: cameras.a: None: should have keys of its own"),
        ("cameras: {a b: {source: 0}}\n", "c.yaml:1: cameras.a b: 'a b' is no name"),
        ("cameras:\n  a: {}\n", "c.yaml:2: cameras.a: give either source or pipeline"),
        ("cameras: {a: {source: 0, pipeline: x}}\n", "c.yaml:1: cameras.a: give either source or pipeline"),
        ("cameras: {a: {source: 'ftp://u:secret@x'}}\n", "c.yaml:1: cameras.a.source: ftp://: unknown scheme"),
        ("cameras: {a: 'rtsp://u:secret@x'}\n", "c.yaml:1: cameras.a: 'rtsp://x': should have keys of its own"),
        ("cameras: {a: {source: 0, rate: 0}}\n", "c.yaml:1: cameras.a.rate: 0: should be greater than 0"),
        ("cameras: {a: {source: 0, loop: 1}}\n", "c.yaml:1: cameras.a.loop: 1: should be true or false"),
        ("size: 12\n", "c.yaml:1: size: 12 is not text"),
        ("size: 12by12\n", "c.yaml:1: size: '12by12' is not a size"),
        ("size: auto\n", "c.yaml:1: size: auto needs a rate that it can meet"),
        ("mqtt: {}\n", "c.yaml:1: mqtt.url: missing"),
        ("mqtt:\n  url: http://broker\n", "c.yaml:2: mqtt.url: http://: no broker's scheme: for example mqtt://"),
        ("mqtt: {url: 'mqtt://u:secret@b'}\n", "c.yaml:1: mqtt.url: mqtt://: user and password don't belong into"),
        ("mqtt: {url: mqtt://b, rate: 0}\n", "c.yaml:1: mqtt.rate: 0: should be greater than 0"),
        ("mqtt: {url: mqtt://b, prefix: a/+/b}\n", "c.yaml:1: mqtt.prefix: 'a/+/b' is no topic: use words between"),
        ("mqtt: {url: mqtt://b, prefix: /a}\n", "c.yaml:1: mqtt.prefix: '/a' is no topic"),
        (
            "mqtt: {url: mqtt://b, qos: {event: 0}}\n",
            "c.yaml:1: mqtt.qos.event: 0: should be greater than or equal to 1",
        ),
        ("mqtt: {url: mqtt://b, tls: {}}\n", "c.yaml:1: mqtt: tls is for mqtts:// only: change the url, or leave"),
        ("mqtt: {url: mqtts://b, tls: {key: x}}\n", "c.yaml:1: mqtt.tls: certificate and key go together"),
        ("mqtt: {url: mqtt://b, password_file: x}\n", "c.yaml:1: mqtt: a password needs a user"),
        ("mqtt: {url: mqtt://b, frame: {kind: jpg}}\n", "c.yaml:1: mqtt.frame.kind: 'jpg': should be 'camera',"),
        ("mqtt: {url: mqtt://b, frmae: {}}\n", "c.yaml:1: mqtt.frmae: unknown key: did you mean frame?"),
        ("jsonl: {path: x, rate: 0}\n", "c.yaml:1: jsonl.rate: 0: should be greater than 0"),
        ("jsonl: {max_mb: 64, keep_mb: 10}\n", "c.yaml:1: jsonl: keep_mb (10) is less than one file may have"),
        ("video: {kind: all}\n", "c.yaml:1: video.kind: 'all': should be 'camera', 'mask' or 'overlay'"),
        ("- a\n", "c.yaml: holds no settings"),
    ],
)
def test_faults_name_file_line_and_key(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(tmp_path, text)
    message = str(caught.value).removeprefix(f"{tmp_path}/")
    assert message.startswith(said)
    assert "secret" not in message and "\n" not in message
    assert caught.value.exit_code == 2


def test_settings_on_the_command_line(tmp_path: Path) -> None:
    config = loaded(tmp_path, "http: {port: 1}\n", "http.port=8081", "cameras.a.source=0", "log.level=warning")
    assert http_of(config).port == 8081
    assert config.cameras["a"].source == "0" and config.log.level == "warning"
    assert loaded(tmp_path, "", "http=null").section("http", HttpConfig) is None


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("http.port=1:30", "--set http.port: 1:30 is no plain number"),
        ("http.prot=1", "--set http.prot: unknown key: did you mean port?"),
        ("http.port=x", "--set http.port: 'x': should be a whole number"),
        ("http.port.x=1", "--set http.port.x: http.port is no section"),
        ("nothing", "--set nothing: not KEY=VALUE"),
        ("a..b=1", "--set a..b=1: not KEY=VALUE"),
        ("model=[1", "--set model: not YAML"),
    ],
)
def test_bad_settings_name_their_flag(tmp_path: Path, setting: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(tmp_path, "http: {port: 1}\n", setting)
    assert str(caught.value).startswith(said)


def test_a_flag_is_named_as_it_was_given() -> None:
    with pytest.raises(SettingsError, match=r"^--backend: 'gpu': should be 'auto', 'onnx', 'openvino' or 'tensorrt'"):
        load(None, [Change("backend", "gpu", "--backend")])
    with pytest.raises(SettingsError, match=r"^--source \(cameras\.camera\.source\): ftp://: unknown scheme"):
        load(None, [], "ftp://x")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["mqtt.prefix=a"], "--set mqtt.prefix (mqtt.url): missing"),
        (
            ["http.port=1", "mqtt.url=mqtt://a", "mqtt.password_file=/x"],
            "--set mqtt.password_file (mqtt): a password",
        ),
        (["mqtt.url=mqtt://a", "mqtt.tls={}"], "--set mqtt.tls (mqtt): tls is for mqtts:// only"),
        (["size=auto", "model=x"], "--set size: auto needs a rate that it can meet"),
        (["jsonl.keep_mb=1"], "--set jsonl.keep_mb (jsonl): keep_mb (1) is less than"),
    ],
)
def test_a_fault_between_values_names_the_flag_that_it_came_with(changes: list[str], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(None, [parse_setting(text) for text in changes])
    assert str(caught.value).startswith(said)
    assert caught.value.place.path.startswith("--set ") and caught.value.place.line is None


def test_a_fault_of_the_file_stays_the_files(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(tmp_path, "model: a\ncameras:\n  front: {flip: none}\n", "cameras.front.rate=5", "http.port=1")
    place = caught.value.place
    assert (place.line, place.key, caught.value.what) == (3, ("cameras", "front"), "give either source or pipeline")
    assert place.path.endswith("c.yaml")


def test_what_a_sink_finds_is_placed_at_its_flag(tmp_path: Path) -> None:
    config = load(None, [parse_setting("mqtt.url=mqtts://broker"), parse_setting(f"mqtt.tls.ca={tmp_path}/none.pem")])
    with pytest.raises(SettingsError, match=r"^--set mqtt\.tls\.ca: .*none\.pem: No such file or directory"):
        SinkManager(StreetService(), {}).check(config)
    config = load(None, [parse_setting("mqtt.url=mqtt://broker"), parse_setting("http.host=0.0.0.0")])
    with pytest.raises(SettingsError, match=r"^--set http\.host: 0\.0\.0\.0 can be reached from other machines"):
        SinkManager(StreetService(), {}).check(config)


def test_a_source_takes_the_only_cameras_place(tmp_path: Path) -> None:
    one = loaded(tmp_path, "cameras: {front: {pipeline: x, rate: 5}}\n", source="rtsp://cam/1")
    assert one.cameras["front"].source == "rtsp://cam/1" and one.cameras["front"].rate == 5
    assert loaded(tmp_path, "", source="3").cameras["camera"].source == "3"
    with pytest.raises(SettingsError, match=r"c\.yaml has 2 cameras: use --set cameras\.NAME\.source=URI \(a, b\)"):
        loaded(tmp_path, "cameras: {a: {source: 0}, b: {source: 1}}\n", source="3")


def test_the_schema_is_json_and_knows_every_key() -> None:
    schema = json.loads(json.dumps(json_schema()))
    assert schema["additionalProperties"] is False
    assert {"model", "cameras", "http", "log"} <= schema["properties"].keys()


REGION = "regions: {ahead: {polygon: [[0.3, 0.95], [0.7, 0.95], [0.5, 0.6]]}}\n"


def test_regions_and_rules(tmp_path: Path) -> None:
    text = """
cameras: {front: {source: 0, mount: {height_m: 1.2, focal_px: 600}}, rear: {source: 1}}
regions:
  ahead: {polygon: [[0.3, 0.95], [0.7, 0.95], [0.5, 0.6]], cameras: [front], free: {classes: [Road], sectors: 3}}
rules:
  - {name: road-lost, region: ahead, class: Road, below: 0.4, frames: 5, clear_above: 0.5, clear_frames: 10}
  - {name: blocked, region: ahead, free: metres, below: 3, clear_above: 4}
steady: {method: majority, frames: 5}
"""
    config = loaded(tmp_path, text)
    lost, blocked = config.rules
    assert (lost.class_name, lost.threshold, lost.clear_at, lost.frames, lost.clear_frames) == ("Road", 0.4, 0.5, 5, 10)
    assert (blocked.free, blocked.threshold, blocked.clear_at, blocked.frames) == ("metres", 3, 4, 1)
    assert config.regions["ahead"].sees("front") and not config.regions["ahead"].sees("rear")
    assert config.steady is not None and config.steady.frames == 5
    assert config == loaded(tmp_path, "\n" + text), "where a value stands is no part of it"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("regions:\n  a:\n    polygon: [[0, 0], [1.2, 0], [1, 1]]\n", ":3: regions.a.polygon[1][0]: 1.2 is outside"),
        ("regions: {a: {polygon: [[0, 0], [1, 1], [1, 0], [0, 1]]}}\n", ":1: regions.a.polygon: crosses itself"),
        ("regions: {a: {polygon: [[0, 0], [1, 1]]}}\n", ":1: regions.a.polygon: "),
        ("regions: {a: {polygon: [[0, 0], [1, 1], [0]]}}\n", ":1: regions.a.polygon[2]: "),
        ("regions: {a: {polygon: [[0, 0], [1, 1], [x, 0]]}}\n", ":1: regions.a.polygon[2][0]: 'x': should be a number"),
        ("regions: {a: {poligon: []}}\n", ":1: regions.a.poligon: unknown key: did you mean polygon?"),
        ("regions: {a b: {}}\n", ":1: regions.a b: 'a b' is no name"),
        ("rules:\n- {name: r, region: b, class: Road, below: 0.4}\n", ":2: rules[0].region: there is no region 'b'"),
        (REGION + "rules:\n- {name: r, region: b, class: Road, below: 0.4}\n", ":3: rules[0].region: there is no"),
        (
            REGION + "rules: [{name: r, region: ahead, clas: Road}]\n",
            ":2: rules[0].clas: unknown key: did you mean class",
        ),
        (REGION + "rules: [{name: r, region: ahead, below: 0.4}]\n", ":2: rules[0]: a rule looks at one thing"),
        (REGION + "rules: [{name: r, region: ahead, class: Road}]\n", ":2: rules[0]: a rule has one threshold"),
        (
            REGION + "rules: [{name: r, region: ahead, class: Road, below: 40}]\n",
            ":2: rules[0]: shares end at 1, not 40",
        ),
        (
            REGION + "rules: [{name: r, region: ahead, class: Road, below: 0.4, clear_above: 0.3}]\n",
            ":2: rules[0]: clear_above (0.3) is less than below (0.4)",
        ),
        (
            REGION + "rules: [{name: r, region: ahead, class: Road, above: 0.4, clear_below: 0.5}]\n",
            ":2: rules[0]: clear_below (0.5) is more than above (0.4)",
        ),
        (
            REGION + "rules: [{name: r, region: ahead, class: Road, below: 0.4, clear_below: 0.5}]\n",
            ":2: rules[0]: a rule with below clears above: give clear_above",
        ),
        (
            REGION + "rules: [{name: r, region: ahead, class: Road, above: 1}]\n",
            ":2: rules[0]: above 1 is never reached",
        ),
        (
            REGION + "rules: [{name: r, region: ahead, class: Road, below: 0.4, frames: 0}]\n",
            ":2: rules[0].frames: 0: should be greater than or equal to 1",
        ),
        (
            REGION + "rules: [{name: r, region: ahead, free: rows, below: 9}]\n",
            ":2: rules[0].free: the region 'ahead' measures no free distance",
        ),
        (
            "regions:\n  a: {polygon: [[0, 0], [1, 0], [0, 1]], free: {classes: [Road]}}\n"
            "rules: [{name: r, region: a, free: metres, below: 9}]\n",
            ":3: rules[0].free: metres need to know how the camera 'camera' looks at the ground: add mount",
        ),
        (
            REGION + "rules:\n- {name: r, region: ahead, class: Road, below: 0.4}\n"
            "- {name: r, region: ahead, class: Car, above: 0.4}\n",
            ":4: rules[1].name: 'r' stands twice",
        ),
        (
            "regions:\n  a:\n    polygon: [[0, 0], [1, 0], [0, 1]]\n    cameras: [frnt]\n",
            ":4: regions.a.cameras[0]: there is no camera 'frnt': there is camera",
        ),
        ("steady: {method: median}\n", ":1: steady.method: 'median': should be 'majority' or 'exponential'"),
        ("cameras: {a: {source: 0, mount: {focal_px: 1}}}\n", ":1: cameras.a.mount.height_m: missing"),
    ],
)
def test_faults_of_regions_and_rules(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(tmp_path, text)
    message = str(caught.value).removeprefix(f"{tmp_path}/c.yaml")
    assert message.startswith(said) and "\n" not in message


def test_a_late_fault_names_the_line_or_the_flag(tmp_path: Path) -> None:
    text = REGION + "rules:\n- {name: r, region: ahead,\n   class: Rode, below: 0.4}\n"
    config = loaded(tmp_path, text)
    (fault,) = faults_with_model(config.regions, config.rules, CAMVID_11, (64, 48))
    error = config.error(fault.key, fault.message, fault.hint)
    assert str(error).startswith(
        f"{tmp_path}/c.yaml:4: rules[0].class: the model has no class 'Rode': camvid-11 has Sky"
    )
    flag = "rules=[{name: r, region: ahead, class: Rode, below: 0.4}]"
    config = loaded(tmp_path, REGION, flag)
    (fault,) = faults_with_model(config.regions, config.rules, CAMVID_11, (64, 48))
    assert str(config.error(fault.key, "x")) == "--set rules (rules[0].class): x"
    tiny = loaded(tmp_path, "regions: {a: {polygon: [[0, 0], [0.01, 0], [0, 0.01]], free: {classes: [x, Road]}}}\n")
    found = [fault.key for fault in faults_with_model(tiny.regions, tiny.rules, CAMVID_11, (64, 48))]
    assert found == [("regions", "a", "free", "classes", 0), ("regions", "a", "polygon")]
