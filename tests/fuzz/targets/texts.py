"""Texts that people write: settings, flags, class maps, specs, budgets, addresses."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from edge_segnet.bench.budget import read_budget
from edge_segnet.cli.common import read_classes
from edge_segnet.core import uris
from edge_segnet.core.classes import CAMVID_12
from edge_segnet.core.errors import UsageError
from edge_segnet.core.places import parse_broker
from edge_segnet.graph.spec import load_spec
from edge_segnet.settings.load import parse_setting
from edge_segnet.sinks import registry as settings
from tests.fuzz.mutate import TOKENS, mutated, mutated_png, mutated_text
from tests.support.pictures import write_lut

ROOT: Final = Path(__file__).parents[3]


class _TextFile:
    """A file whose text is changed."""

    def __init__(self, path: Path, seeds: list[str], read: Callable[[Path], object]) -> None:
        self._path, self._seeds, self._read = path, seeds, read

    def make(self, rng: random.Random) -> Path:
        data = mutated_text(rng, rng.choice(self._seeds)).encode("utf-8", "surrogatepass")
        self._path.write_bytes(mutated(rng, data) if rng.random() < 0.1 else data)
        return self._path

    def run(self, case: Path) -> None:
        self._read(case)


class ConfigFile(_TextFile):
    """The settings that come along."""

    def __init__(self, folder: Path) -> None:
        seeds = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "configs").glob("*.yaml"))]
        super().__init__(folder / "config.yaml", seeds, settings.load)


SPECS: Final = [
    """input: {layout: nchw, channels: rgb, range: 1, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}
size: 480x360
output: {kind: logits, layout: nchw}
classes: cityscapes-19
""",
    "input:\n  name: image\n  layout: nhwc\n  channels: bgr\n  scale: 0.0039\n"
    "output:\n  name: out\n  kind: labels\nclasses: camvid-12\n",
]


class Spec(_TextFile):
    """``convert --spec FILE.yaml``."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "spec.yaml", SPECS, load_spec)


class Budget(_TextFile):
    """``bench --budget FILE.yaml``."""

    def __init__(self, folder: Path) -> None:
        seed = "phases.back_to_back.fps: {min: 15}\nphases.back_to_back.latency_ms.p99: {max: 90, min: 1.5}\n"
        super().__init__(folder / "budget.yaml", [seed], read_budget)


CLASSES: Final = """name: yard
classes:
  - {name: Ground, colour: [128, 64, 128]}
  - {name: Wall, colour: [128, 0, 0]}
  - {name: Person, colour: [64, 64, 0]}
void_colour: [0, 0, 0]
"""


class Classes:
    """``--classes FILE.yaml``, or a palette PNG."""

    def __init__(self, folder: Path) -> None:
        self._text = _TextFile(folder / "classes.yaml", [CLASSES], lambda path: read_classes(str(path)))
        self._palette = folder / "palette.png"
        write_lut(self._palette, CAMVID_12.lut_rgb)
        self._seed = self._palette.read_bytes()

    def make(self, rng: random.Random) -> Path:
        if rng.random() < 0.7:
            return self._text.make(rng)
        self._palette.write_bytes(mutated_png(rng, self._seed))
        return self._palette

    def run(self, case: Path) -> None:
        read_classes(str(case))


KEYS: Final = [
    "model",
    "backend",
    "fallback",
    "size",
    "colours",
    "threads",
    "cameras",
    "cameras.camera",
    "cameras.camera.source",
    "cameras.camera.rate",
    "cameras.camera.pipeline",
    "cameras.a.source",
    "cameras.camera.mount.height_m",
    "regions.r.polygon",
    "regions.r.free.classes",
    "rules",
    "rules.0",
    "steady.method",
    "http",
    "http.host",
    "http.port",
    "http.auth",
    "http.auth.token_file",
    "http.tls.key",
    "http.allowed_hosts",
    "http.max_connections",
    "rtsp.port",
    "mqtt.url",
    "mqtt.prefix",
    "mqtt.qos.event",
    "mqtt.user",
    "mqtt.client_id",
    "jsonl.rate",
    "jsonl.keep_mb",
    "video.kind",
    "recording.images",
    "recording.mode",
    "foxglove.allowed_origins",
    "ros2.namespace",
    "ros2.frame_ids.camera",
    "log.level",
    "log",
    "nothing",
    ".",
    "a..b",
]
WORDS: Final = (
    *TOKENS,
    *("segnet-lite", "rtsp://u:p@h/1", "[[0,0],[1,0],[0.5,1]]", "[[0,0],[1,1],[0,1],[1,0]]", "8080", "-1", "[]", "{}"),
    *("{token_file: /x}", "[a, b]", "mqtt://h", "480x360", "auto", "{a: {source: 0}}"),
    "[{name: a, region: r, class: Road, below: 0.4}]",
)


class Flags:
    """``--set KEY=VALUE``, one after the other."""

    def __init__(self, folder: Path) -> None:
        del folder

    def make(self, rng: random.Random) -> list[str]:
        return [self._flag(rng) for _ in range(rng.choice((1, 1, 2, 3, 4)))]

    @staticmethod
    def _flag(rng: random.Random) -> str:
        key, value = rng.choice(KEYS), rng.choice(WORDS)
        if rng.random() < 0.5:
            value = mutated_text(rng, value)
        if rng.random() < 0.15:
            key = mutated_text(rng, key)
        return key + rng.choice(("=", "=", "=", "==", " =", "")) + value

    def run(self, case: list[str]) -> None:
        settings.load(None, [parse_setting(text) for text in case])


SECRET: Final = "S3cr3tPW"
ADDRESSES: Final = (
    *("3", "/dev/video0", "v4l2:///dev/video0?width=1280&height=720&fps=30&format=mjpeg", "drive.mp4", "frames/*.png"),
    *("csi://0?width=1280&height=720&fps=30&flip=rotate-180", "synthetic://drive?fps=30&seed=0", "http://h/v.mjpg"),
    *(f"rtsp://user:{SECRET}@camera:554/stream", f"rtsps://us%20er:{SECRET}@[::1]:322/a?b=c"),
    *("mqtt://192.168.1.10:1883", f"mqtts://user:{SECRET}@broker.example:8883"),
)
MARKS: Final = (
    *("@", "/", "?", "#", "[", "]", "%", "%00", "%0a", "\n", "\r", "\0", " ", '"', "'", "! filesink location=/tmp/x"),
    *("..", "://", ":", "99999", "-1", "é", "\u202e", "&fps=", "&width=16", "\u0663", "x" * 3000, f"user:{SECRET}@"),
)


class Uris:
    """``--source`` and brokers; a password never stands in what we say of them."""

    def __init__(self, folder: Path) -> None:
        del folder

    def make(self, rng: random.Random) -> tuple[str, bool]:
        return mutated_text(rng, rng.choice(ADDRESSES), MARKS), rng.random() < 0.2

    def run(self, case: tuple[str, bool]) -> None:
        text, broker = case
        try:
            found: Any = (parse_broker if broker else uris.parse)(text)
        except UsageError as error:
            # Where it stands as a password at all, and only there.
            schemes = ("rtsp", "http", "mqtt")
            if (
                text.startswith(schemes)
                and text.partition("://")[2].partition("@")[0].endswith(f":{SECRET}")
                and SECRET in str(error)
            ):
                raise AssertionError(f"the password is shown: {error}") from None
            raise
        if not broker and found.kind in ("rtsp", "http") and text.count(SECRET) == 1 and f":{SECRET}@" in text:
            assert SECRET not in found.shown + repr(found), "the password is shown"
