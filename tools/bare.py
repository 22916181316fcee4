"""The tests that call other programs, on a PATH that has Python, make, a shell and coreutils, and nothing else.

``python -m tools.bare [PYTEST ARGUMENTS]``: what is missing must be skipped with its reason, never fail. Which tests
these are was noted when they ran (``tests/support/calls.py``); where they never ran it is all of them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.support.calls import files

COREUTILS: Final = (
    "arch b2sum base32 base64 basename basenc cat chcon chgrp chmod chown chroot cksum comm cp csplit cut date dd "
    "df dir dircolors dirname du echo env expand expr factor false fmt fold groups head hostid id install join "
    "link ln logname ls md5sum mkdir mkfifo mknod mktemp mv nice nl nohup nproc numfmt od paste pathchk pinky pr "
    "printenv printf ptx pwd readlink realpath rm rmdir runcon seq sha1sum sha224sum sha256sum sha384sum "
    "sha512sum shred shuf sleep sort split stat stdbuf stty sum sync tac tail tee test timeout touch tr true "
    "truncate tsort tty uname unexpand uniq unlink users vdir wc who whoami yes [ "
)
"""GNU coreutils 9."""


def bare_path(folder: Path) -> Path:
    """A folder with links to those programs, as far as this machine has them."""
    for name in ("sh", "bash", "make", "python3", *COREUTILS.split()):
        found = sys.executable if name == "python3" else shutil.which(name)
        if found is not None:
            (folder / name).symlink_to(found)
    return folder


def main() -> int:
    """pytest's exit code."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PATH": str(bare_path(Path(folder)))}
        # Of their files alone: to collect all others takes longer than to run these.
        command = [sys.executable, "-m", "pytest", "--calling", *sys.argv[1:], *files(Path())]
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
