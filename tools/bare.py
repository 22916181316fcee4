"""The tests that call other programs, on a PATH that has Python, make, a shell and coreutils, and nothing else.

``python -m tools.bare [PYTEST ARGUMENTS]``: what is missing must be skipped with its reason, never fail. Which tests
these are is read from them: those that look for a program, or run one, and those that import these.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

COREUTILS: Final = (
    "arch b2sum base32 base64 basename basenc cat chcon chgrp chmod chown chroot cksum comm cp csplit cut date dd "
    "df dir dircolors dirname du echo env expand expr factor false fmt fold groups head hostid id install join "
    "link ln logname ls md5sum mkdir mkfifo mknod mktemp mv nice nl nohup nproc numfmt od paste pathchk pinky pr "
    "printenv printf ptx pwd readlink realpath rm rmdir runcon seq sha1sum sha224sum sha256sum sha384sum "
    "sha512sum shred shuf sleep sort split stat stdbuf stty sum sync tac tail tee test timeout touch tr true "
    "truncate tsort tty uname unexpand uniq unlink users vdir wc who whoami yes [ "
)
"""GNU coreutils 9."""
CALLERS: Final = frozenset({"subprocess", "shutil", "playwright"})
"""What a test imports that calls other programs."""


def bare_path(folder: Path) -> Path:
    """A folder with links to those programs, as far as this machine has them."""
    for name in ("sh", "bash", "make", "python3", *COREUTILS.split()):
        found = sys.executable if name == "python3" else shutil.which(name)
        if found is not None:
            (folder / name).symlink_to(found)
    return folder


def calling(tests: Path) -> list[Path]:
    """Test files that call programs, themselves or through the modules of the tests that they import."""
    imports = {path: set(_imports(path)) for path in sorted(tests.rglob("*.py"))}
    names = {path: ".".join(path.relative_to(tests.parent).with_suffix("").parts) for path in imports}
    found = {path for path, targets in imports.items() if targets & CALLERS}
    while True:
        modules = {names[path] for path in found}
        more = {path for path, targets in imports.items() if path not in found and targets & modules}
        if not more:
            return sorted(path for path in found if path.name.startswith("test_"))
        found |= more


def _imports(path: Path) -> Iterable[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] if "tests" not in alias.name else alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (node.module, node.module.split(".")[0])
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def main() -> int:
    """pytest's exit code."""
    tests = Path(__file__).parents[1] / "tests"
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PATH": str(bare_path(Path(folder)))}
        command = [sys.executable, "-m", "pytest", *sys.argv[1:], *map(str, calling(tests))]
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
