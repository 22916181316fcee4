"""``tools/bare.py``: finds the tests that call programs, and gives them a PATH with nothing but the few."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
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
    # In a thread of its own: after the browser's greenlets Python 3.11's parser miscounts its depth (SystemError).
    with ThreadPoolExecutor(1) as pool:
        found = {path.relative_to(TESTS).as_posix() for path in pool.submit(calling, TESTS).result()}
    assert {"sinks/mqtt/test_mqtt.py", "sinks/test_http_access.py", "deployment/test_systemd.py"} <= found
    assert not found & {"core/test_stats.py", "settings/test_yaml.py"}
