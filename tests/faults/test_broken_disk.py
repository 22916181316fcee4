"""A disk that gives EIO to every write, while the service records everything: all of it says so, and comes back."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.test_live import files_of, items, settings
from tests.support.program import Program, program
from tests.support.waiting import wait_until

ERROR = "Input/output error"
SINKS = ("jsonl", "video", "recording")


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or pytest.skip("needs a C compiler")
    library = tmp_path_factory.mktemp("shim") / "broken_disk.so"
    source = Path(__file__).parents[1] / "support" / "broken_disk.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


def told(service: Program) -> dict[str, dict[str, object]]:
    return {name: dict(service.get("/api/status").json()["sinks"][name]) for name in SINKS}


def written(service: Program) -> dict[str, int]:
    return {name: int(str(sink["written"])) for name, sink in told(service).items()}


def breaks(service: Program, broken: Path) -> None:
    """Until everything that writes has said so."""
    broken.touch()
    wait_until(lambda: all(ERROR in str(sink["error"]) for sink in told(service).values()))
    status = service.get("/api/status").json()
    assert all(any(name in part for part in status["degraded"]) for name in SINKS), status["degraded"]
    seen, frames = written(service), status["cameras"]["camera"]["frames"]
    wait_until(lambda: service.get("/api/status").json()["cameras"]["camera"]["frames"] > frames + 20)
    assert written(service) == seen, "nothing counts as written meanwhile"
    assert service.get("/readyz").status_code == 200


def test_a_disk_that_fails(
    tmp_path: Path, model: Path, shim: Path, record_property: Callable[[str, object], None]
) -> None:
    """Killed while the disk is broken; the next one sees it break, and get well again."""
    path, _ = settings(tmp_path, model)
    broken = tmp_path.with_name("broken")
    environment = {"STATE_DIRECTORY": str(tmp_path / "state"), "LD_PRELOAD": str(shim)}
    environment |= {"BROKEN_FOLDER": str(tmp_path), "BROKEN_WHILE": str(broken)}
    with program("--config", path, "--set", "http.port=0", environment=environment) as service:
        service.wait_ready()
        wait_until(lambda: min(written(service).values()) > 20)
        path.write_text(path.read_text(encoding="utf-8").replace("name: sky", "name: sky2"), encoding="utf-8")
        breaks(service, broken)
        service.process.send_signal(signal.SIGHUP)  # a new rule is on at once: an event
        wait_until(lambda: ERROR in str(service.get("/api/status").json()["events"]["error"]))
        first = written(service)
        service.end(signal.SIGKILL)
        assert not [line for line in service.log if "Traceback" in line]
    broken.unlink()
    with program("--config", path, "--set", "http.port=0", environment=environment) as service:
        service.wait_ready()
        breaks(service, broken)
        seen = written(service)
        broken.unlink()
        wait_until(lambda: all(count > seen[name] + 20 for name, count in written(service).items()))
        wait_until(lambda: service.get("/api/status").json()["state"] == "running")
        service.end()
        assert not [line for line in service.log if "Traceback" in line]
    kinds = {"jsonl": ".jsonl", "video": ".mkv", "recording": ".mcap"}
    found = {name: sum(items(file) for file in files_of(tmp_path) if file.suffix == kinds[name]) for name in SINKS}
    assert all(found[name] >= first[name] + seen[name] + 20 for name in SINKS), (found, first, seen)
    record_property("seen", "each names the error, `degraded`, frames go on; written again once the disk is well")
    record_property("lost", f"nothing that was counted: {found}")
