"""``tools/deb/slim.py`` on the libraries that are installed here: smaller, and they do what they did."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.deb.slim import LOADED, Part, loaded, slim, stripped, unasked

USE = {
    "yaml": "import yaml; assert yaml.load('a: [1, 2]', yaml.CSafeLoader) == {'a': [1, 2]}",
    "numpy": "import numpy; assert numpy.linalg.inv(numpy.diag([2.0, 4.0])).sum() == 0.75",
    "av": "import av; assert av.codec.Codec('mjpeg', 'r').name == 'mjpeg'",
}
"""A compiler's own output with all that debuggers read; and two that patchelf has written."""


def libraries(name: str) -> list[Path]:
    spec = importlib.util.find_spec(name)
    assert spec is not None and spec.origin is not None
    package = Path(spec.origin).parent
    return [package, *package.parent.glob(f"{name}.libs")]


@pytest.mark.parametrize("name", USE)
def test_what_is_left_works(tmp_path: Path, name: str) -> None:
    for folder in libraries(name):
        shutil.copytree(folder, tmp_path / folder.name)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.so*")}
    slim(tmp_path)
    after = {path: path.read_bytes() for path in tmp_path.rglob("*.so*")}
    assert sum(map(len, after.values())) < sum(map(len, before.values()))
    for path, data in after.items():
        assert loaded(data) == loaded(before[path]), path
        assert all((part.offset - part.address) % part.align == 0 for part in Part.table(data) if part.kind == LOADED)
        assert stripped(data) == data, "twice is once"
    assert not [path for path in tmp_path.rglob("*") if path.name == "tests" or path.suffix in (".h", ".pyx", ".pyi")]
    place = str(tmp_path)
    code = f"import sys; sys.path.insert(0, {place!r})\n{USE[name]}\nassert {name}.__file__.startswith({place!r})"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_library_that_nobody_asks_for(tmp_path: Path) -> None:
    head = b"\x7fELF\x02\x01"
    for name, text in {
        "one/libwanted-1a2b.so.3": b"",
        "one/libalone.so.1.2": b"libalone.so.1",
        "one/libalone_too.so": b"",
        "one/libnamed.so": b"",
        "one/ext.cpython-311-x86_64-linux-gnu.so": b"\0libwanted-1a2b.so.3\0libalone_too.so\0",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(head + text)
    (tmp_path / "one" / "load.py").write_text("ctypes.CDLL(folder / 'libnamed.so')\n")
    assert [path.name for path in unasked(tmp_path)] == ["libalone.so.1.2"]
