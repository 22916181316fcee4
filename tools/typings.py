"""``python -m tools.typings FOLDER``: TensorRT's types for mypy, where ``mypy_path`` in pyproject.toml looks for them.

``tensorrt-stubs`` can't be an ordinary dependency: it asks for TensorRT's own bindings, which the package index does
not hold for every machine, and in site-packages its folder ``tensorrt`` would look like the library. Some of its
signatures are not Python (``in`` as a parameter's name); those are loosened, the others are kept.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

STUBS = "tensorrt-stubs>=10.13,<10.14"
_SIGNATURE = re.compile(r"^(?P<head>\s*def \w+)\(.*\) -> (?P<result>.*):$")


def main() -> int:
    """Exit code 0 even where the stubs can't be had: mypy then takes TensorRT's objects for Any."""
    folder = Path(sys.argv[1])
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    done = subprocess.run([*command, "--upgrade", "--target", str(folder), STUBS], check=False)
    if done.returncode:
        print("tensorrt-stubs can't be installed: mypy won't check our TensorRT calls", file=sys.stderr)  # noqa: T201
        return 0
    for stub in folder.glob("tensorrt*/*.pyi"):
        text = stub.read_text(encoding="utf-8")
        stub.write_text("\n".join(map(_repaired, text.splitlines())) + "\n", encoding="utf-8")
    return 0


def _repaired(line: str) -> str:
    """The line, or a signature that takes anything where the line is no Python."""
    found = _SIGNATURE.match(line)
    if found is None:
        return line
    try:
        ast.parse(f"{line.strip()} ...")
    except SyntaxError:
        return f"{found['head']}(*args: typing.Any, **kwargs: typing.Any) -> {found['result']}:"
    return line


if __name__ == "__main__":
    sys.exit(main())
