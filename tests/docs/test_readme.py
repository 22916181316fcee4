"""Every command in the README is run, after those that write what it names, in a folder that has all other files."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest

from edge_segnet.core.classes import CAMVID_12
from edge_segnet.pictures.files import write_image
from edge_segnet.pictures.video import video_file
from edge_segnet.street import Street
from tests.graph.caffe.layouts import Layout
from tests.support.pages import commands, missing, run
from tests.support.pictures import write_lut

README = Path(__file__).parents[2] / "README.md"
SET_UP = re.compile(r"^(make|pip) ")
"""Run by .ci/run itself; inside a test they would rebuild the environment that they run in."""
MEASURES = re.compile(r"^edge-segnet bench ")
WRITES = re.compile(r"(?:-o|--json|--plot|dataset init) (\S+)")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("readme")
    scene = Street(seed=1)
    with video_file(root / "drive.mp4", 30.0) as writer:
        for number in range(12):
            image, labels = scene.render(20 * number)
            writer.write(number, image)
            write_image(root / "frames" / f"{number:02d}.jpg", image)
            write_image(root / "truth" / f"{number:02d}.png", labels)
    write_image(root / "photo.jpg", scene.render(99)[0])
    (root / "config.yaml").write_text("cameras: {front: {source: 0}}\n", encoding="utf-8")
    _write_caffe(root)
    return root


def _write_caffe(root: Path) -> None:
    """A small network of Caffe's, with random weights and twelve outputs, and its palette."""
    net = Layout('input: "data"\ninput_dim: 1\ninput_dim: 3\ninput_dim: 60\ninput_dim: 80\n')
    for name in ("conv1", "conv2"):
        net.conv(name, 8)
        net.bn(f"{name}_bn")
    net.pool("pool1")
    net.upsample("upsample1", "pool1_mask", "pool1_D")
    net.conv("conv1_D", 12)
    for file, name in zip(net.write(root), ("segnet.prototxt", "segnet.caffemodel"), strict=True):
        file.rename(root / name)
    write_lut(root / "camvid12.png", CAMVID_12.lut_rgb)


ran: defaultdict[Path, set[str]] = defaultdict(set)
"""The commands that were run in a folder."""


def before(line: str) -> list[str]:
    """The README's commands before this one that write what it names, and those that write what they name."""
    lines, wanted = commands(README), [line]
    for each in reversed(lines[: lines.index(line)]):
        named = {word for one in wanted for word in one.split()}
        if named.intersection(WRITES.findall(each)) and not SET_UP.match(each) and not missing(each):
            wanted.append(each)
    return wanted[:0:-1]


@pytest.mark.parametrize(
    "line", [pytest.param(line, marks=[pytest.mark.alone] * bool(MEASURES.match(line))) for line in commands(README)]
)
def test_command(line: str, folder: Path) -> None:
    if SET_UP.match(line):
        pytest.skip(f"{line}: set-up, which .ci/run does")
    if what := missing(line):
        pytest.skip(f"{line}: needs {what}")
    # Where only some of these tests run, those before have not been here yet.
    for each in [*before(line), line]:
        if each not in ran[folder]:
            ran[folder].add(each)
            run(each, folder)


def test_files_that_the_readme_links_to_exist() -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README.read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (README.parent / link).exists()] == []
