"""``tools/bare.py``: finds the tests that call programs, and gives them a PATH with nothing but the few."""

from __future__ import annotations

import shutil
from pathlib import Path

from tools.bare import bare_path, calling

TESTS = Path(__file__).parent


def test_the_bare_path_has_a_shell_and_no_broker(tmp_path: Path) -> None:
    path = str(bare_path(tmp_path))
    assert all(shutil.which(name, path=path) for name in ("sh", "cat", "env", "python3"))
    assert not any(
        shutil.which(name, path=path) for name in ("mosquitto", "openssl", "git", "g++", "systemctl", "ffmpeg")
    )


def test_tests_that_call_programs_are_found_through_their_helpers() -> None:
    found = {path.relative_to(TESTS).as_posix() for path in calling(TESTS)}
    assert {"sinks/mqtt/test_mqtt.py", "sinks/test_http_access.py", "deployment/test_systemd.py"} <= found
    assert not found & {"core/test_stats.py", "settings/test_yaml.py"}
