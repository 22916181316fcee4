"""A USB camera's number goes on meaning the same camera: the kernel's tree, drawn in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_segnet.core.errors import InputError
from edge_segnet.sources.usb import Followed, identity


class Tree:
    """/sys/class/video4linux and what it leads to."""

    def __init__(self, root: Path) -> None:
        self.root, self._devices = root / "video4linux", root / "usb"
        self.root.mkdir()

    def plug(self, number: int, serial: str, *, port: str = "1", index: str = "0", usb: bool = True) -> None:
        port_folder = self._devices / port
        (port_folder / "1-1:1.0").mkdir(parents=True, exist_ok=True)
        if usb:
            for name, word in (("idVendor", "046d"), ("idProduct", "0825"), ("serial", serial), ("devpath", port)):
                if word:
                    (port_folder / name).write_text(word + "\n")
        node = self.root / f"video{number}"
        node.mkdir()
        (node / "index").write_text(index + "\n")
        (node / "device").symlink_to(port_folder / "1-1:1.0")

    def unplug(self, number: int) -> None:
        node = self.root / f"video{number}"
        (node / "device").unlink()
        (node / "index").unlink()
        node.rmdir()


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_it_comes_back_under_another_number(tree: Tree) -> None:
    cameras = Followed(tree.root)
    tree.plug(0, "one")
    assert cameras.device("/dev/video0") == "/dev/video0"
    tree.unplug(0)
    assert cameras.device("/dev/video0") == "/dev/video0", "nothing is there: whoever opens it says so"
    for number in range(1, 21):
        tree.plug(number, "one")
        assert cameras.device("/dev/video0") == f"/dev/video{number}"
        tree.unplug(number)


def test_another_one_in_its_place_is_refused(tree: Tree) -> None:
    cameras = Followed(tree.root)
    tree.plug(0, "one", port="1")
    tree.plug(2, "two", port="2")
    assert cameras.device("/dev/video0") == "/dev/video0"
    tree.unplug(0)
    tree.unplug(2)
    tree.plug(0, "two", port="2")
    with pytest.raises(InputError, match=r"/dev/video0 is another camera now \(046d:0825 two\): plug it in again"):
        cameras.device("/dev/video0")
    tree.plug(1, "one", port="1")
    assert cameras.device("/dev/video0") == "/dev/video1"


def test_without_a_number_of_its_own_the_port_counts(tree: Tree) -> None:
    cameras = Followed(tree.root)
    tree.plug(0, "", port="3")
    assert cameras.device("/dev/video0") == "/dev/video0"
    tree.unplug(0)
    tree.plug(4, "", port="3")
    assert cameras.device("/dev/video0") == "/dev/video4"


def test_a_camera_with_two_streams(tree: Tree) -> None:
    cameras = Followed(tree.root)
    tree.plug(0, "one")
    tree.plug(1, "one", index="1")
    assert cameras.device("/dev/video0") == "/dev/video0" and cameras.device("/dev/video1") == "/dev/video1"
    tree.unplug(0)
    tree.unplug(1)
    tree.plug(2, "one")
    tree.plug(3, "one", index="1")
    assert cameras.device("/dev/video1") == "/dev/video3"


def test_what_is_no_usb_camera_is_what_it_is_called(tree: Tree) -> None:
    tree.plug(0, "", usb=False, port="platform")
    assert identity("/dev/video0", tree.root) is None
    assert Followed(tree.root).device("/dev/video0") == "/dev/video0"
