"""The examples are loaded, the reference is that of the code, and the service page's links lead somewhere."""

from __future__ import annotations

import os
import re
from functools import partial
from pathlib import Path

import pytest

from edge_segnet.core import uris
from edge_segnet.settings.schema import Config
from edge_segnet.sinks import registry as config_file
from edge_segnet.sinks.registry import configured, json_schema
from edge_segnet.sinks.rtsp.settings import RtspConfig
from tests.support.command import edge_segnet
from tools import settings_page

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "configs").glob("*.yaml"))


def _as_systemd(folder: Path) -> None:
    """Hand over a token, as LoadCredential does, and a folder, as StateDirectory does."""
    (folder / "token").touch(0o600)
    (folder / "token").write_text("0123456789abcdef", encoding="ascii")
    os.environ["CREDENTIALS_DIRECTORY"] = str(folder)
    os.environ["STATE_DIRECTORY"] = str(folder)


def test_there_are_examples() -> None:
    assert {"synthetic", "usb", "rtsp", "csi", "several"} <= {path.stem for path in EXAMPLES}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example(path: Path, tmp_path: Path) -> None:
    config = config_file.load(path)
    assert config != configured()
    if config.section("rtsp", RtspConfig) is not None:
        pytest.importorskip("gi", reason="needs PyGObject, for RTSP out")
    synthetic = {uris.parse(camera.source).kind == "synthetic" for camera in config.cameras.values() if camera.source}
    done = edge_segnet("run", "--config", path, "--check", "--refuse-synthetic", prepare=partial(_as_systemd, tmp_path))
    assert done.code == (2 if synthetic == {True} else 0), done.err
    assert path.read_text(encoding="utf-8").startswith("# ")


LEFT_OUT = re.compile(r"(?m)^( *)# (([a-z_]+): \S.*)$")
"""``# key: value`` is meant to be uncommented."""


@pytest.mark.parametrize(
    ("path", "line"),
    [(path, found) for path in EXAMPLES for found in LEFT_OUT.finditer(path.read_text(encoding="utf-8"))],
    ids=lambda value: value.stem if isinstance(value, Path) else value[3],
)
def test_a_line_that_an_example_leaves_out(path: Path, line: re.Match[str], tmp_path: Path) -> None:
    indent, setting, key = line.groups()
    whole = f"{line.string[: line.start()]}{indent}{setting}{line.string[line.end() :]}"
    # It may stand for a line that is there.
    lines = [one for one in whole.splitlines() if one == indent + setting or not one.startswith(f"{indent}{key}:")]
    changed = tmp_path / path.name
    changed.write_text("\n".join(lines), encoding="utf-8")
    assert config_file.load(changed) != config_file.load(path)


def test_the_jetson_example_fails_hard() -> None:
    config = config_file.load(ROOT / "configs" / "csi.yaml")
    assert config.backend == "tensorrt"


def test_the_reference_is_true() -> None:
    written = settings_page.PAGE.read_text(encoding="utf-8")
    assert written == settings_page.page(json_schema()), "run: python -m tools.settings_page"


@pytest.mark.parametrize("name", ["service.md", "settings.md", "integrations.md"])
def test_links(name: str) -> None:
    page = ROOT / "docs" / name
    links = re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_page_speaks_of_what_is_there() -> None:
    """Files of systemd/ that the steps copy, and keys that they name."""
    text = (ROOT / "docs" / "service.md").read_text(encoding="utf-8")
    for path in re.findall(r"(?<![/\w])(?:systemd|configs)/[\w./@-]+\w", text):
        assert (ROOT / path).exists(), path
    for path in (ROOT / "systemd").rglob("*"):
        assert path.is_dir() or str(path.relative_to(ROOT)) in text, f"docs/service.md does not mention {path.name}"


PAGES = ("integrations.md", "regions.md", "cameras.md", "service.md")


@pytest.mark.parametrize("name", PAGES)
def test_settings_in_the_pages_are_settings(name: str, tmp_path: Path) -> None:
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)):
        keys = set(re.findall(r"(?m)^([a-z_0-9]+):", block))
        if keys and keys <= Config.model_fields.keys():
            path = tmp_path / f"{number}.yaml"
            path.write_text(block, encoding="utf-8")
            assert config_file.load(path) != configured(), block
