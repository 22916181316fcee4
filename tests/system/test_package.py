"""The .deb in a fresh machine: installed, upgraded, broken, downgraded, removed, purged. No network anywhere."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.conftest import booted, once
from tests.system.robot import CONFIG, Robot
from tools.deb.build import MAX_INSTALLED_MB, Wanted, build
from tools.system.layers import CAMERA, PROGRAM, Built
from tools.system.root import PROJECT, WORK

BROKEN = 'raise RuntimeError("this version is broken")\n'
APT = "DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends --allow-downgrades"


@pytest.fixture(scope="session")
def packages(built: Built) -> dict[str, str]:
    """Paths inside the machines: this version, one before it, one after it that does not start."""
    pytest.importorskip("cyclonedx", reason="needs cyclonedx-python-lib (extra: release)")
    if shutil.which("dpkg-deb") is None:
        pytest.skip("needs dpkg-deb")
    return once("packages", lambda: _packages(built))


def _packages(built: Built) -> dict[str, str]:
    out = WORK / "debs"
    shutil.rmtree(out, ignore_errors=True)
    package = build(Wanted(built.python, "amd64", "zstd", 1), out, built.wheel)
    version = package.name.split("_")[1]
    tree = WORK / "tmp" / "other-deb"
    shutil.rmtree(tree, ignore_errors=True)
    subprocess.run(["dpkg-deb", "-R", str(package), str(tree)], check=True)
    found = {"this": package.name}
    for name, number, broken in (("before", "0.1.9", False), ("broken", "0.3.0", True)):
        control = tree / "DEBIAN" / "control"
        control.write_text(control.read_text(encoding="utf-8").replace(version, number), encoding="utf-8")
        version = number
        if broken:
            (life,) = tree.glob("opt/edge-segnet/lib/*/site-packages/edge_segnet/service/life.py")
            life.write_text(BROKEN, encoding="utf-8")
        found[name] = f"edge-segnet_{number}_amd64.deb"
        command = ["dpkg-deb", "--root-owner-group", "-Znone", "-b", str(tree), str(out / found[name])]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(tree)
    return {name: f"/opt/debs/{file}" for name, file in found.items()}


@pytest.fixture
def fresh(built: Built, packages: dict[str, str], request: pytest.FixtureRequest) -> Iterator[Robot]:
    """A machine without edge-segnet, and the packages at hand."""
    assert packages
    with booted(*built.bare, name=request.node.name, binds=[(WORK / "debs", "/opt/debs")]) as robot:
        yield robot


def readme_lines() -> list[str]:
    """The lines by which the README installs a package."""
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    lines = [
        line.partition("    #")[0] for line in text.splitlines() if line.startswith(("sudo apt", "sudo edge-segnet"))
    ]
    assert [line.split()[1] for line in lines] == ["apt", "edge-segnet"], lines
    return lines


def test_the_readmes_lines_to_a_running_service(fresh: Robot, packages: dict[str, str]) -> None:
    fresh.write("/etc/apt/apt.conf.d/99test", 'APT::Get::Assume-Yes "true";\nAPT::Install-Recommends "false";\n')
    fresh.ok(f"ln -s {packages['this']} /srv/")
    package, install = readme_lines()
    fresh.ok(f"cd /srv && {package}", 300)
    assert fresh.show("UnitFileState") == "disabled"
    assert fresh.ok("command -v edge-segnet").strip() == "/usr/bin/edge-segnet"
    assert "ready: http://127.0.0.1:8080" in fresh.ok(install)  # its camera is not there, and it says so
    assert "edge-segnet" in fresh.ok("curl -s http://127.0.0.1:8080/")
    fresh.ok(f"sudo edge-segnet service install --source {CAMERA}")
    fresh.wait("curl -sf http://127.0.0.1:8080/api/result >/dev/null")
    assert fresh.run("test -e /etc/systemd/system/edge-segnet.service").code != 0  # the package has its own
    assert fresh.show("FragmentPath").endswith("/lib/systemd/system/edge-segnet.service")
    assert "nothing to do" in fresh.ok(f"edge-segnet service install --source {CAMERA}")
    assert "0 FAIL" in fresh.ok("edge-segnet doctor")
    megabytes = int(fresh.ok("du -sm /opt/edge-segnet").split()[0])
    assert megabytes <= MAX_INSTALLED_MB, f"{megabytes} MB"
    fresh.ok("grep -q CycloneDX /opt/edge-segnet/sbom.cdx.json && grep -q MODEL= /etc/edge-segnet/engine.env")
    assert "/opt/" not in fresh.run("dpkg -V edge-segnet").out  # nothing that dpkg laid there was changed
    assert fresh.ok("dpkg-query -W -f '${Conffiles}' edge-segnet").split()[0] == "/etc/edge-segnet/engine.env"


def test_upgrade_downgrade_remove_purge(fresh: Robot, packages: dict[str, str]) -> None:
    fresh.ok(f"{APT} {packages['before']}", 300)
    fresh.ok(f"edge-segnet service install --source {CAMERA}")
    fresh.ok("echo '# mine' >> /etc/edge-segnet/config.yaml; echo '# mine' >> /etc/edge-segnet/engine.env")
    fresh.ok("echo kept > /var/lib/edge-segnet/recording")
    for name in ("this", "before"):
        pid = fresh.pid
        fresh.start(
            "--unit=viewer sh -c 'while :; do curl -s http://127.0.0.1:8080/stream/overlay.mjpg >/dev/null; done'"
        )
        fresh.ok(f"{APT} -o Dpkg::Options::=--force-confold {packages[name]}", 300)
        fresh.ok("systemctl stop viewer")
        fresh.wait_ready(5)
        assert fresh.pid != pid and fresh.show("UnitFileState") == "enabled"
        assert "# mine" in fresh.read(CONFIG) and "# mine" in fresh.read("/etc/edge-segnet/engine.env")
        assert fresh.run("ls -d /opt/edge-segnet.*").code != 0
    fresh.ok("apt-get remove -y edge-segnet", 200)
    assert fresh.show("ActiveState") in ("inactive", "failed") and fresh.run("test -e /opt/edge-segnet").code != 0
    assert fresh.read("/var/lib/edge-segnet/recording") == "kept\n" and "# mine" in fresh.read(CONFIG)
    fresh.ok("apt-get purge -y edge-segnet", 200)
    gone = "/etc/edge-segnet /var/lib/edge-segnet /var/cache/edge-segnet /opt/edge-segnet /usr/bin/edge-segnet"
    assert [path for path in gone.split() if fresh.run(f"test -e {path}").code == 0] == []
    assert fresh.run("getent passwd edge-segnet").code != 0


def test_a_version_that_does_not_start_is_not_served(fresh: Robot, packages: dict[str, str]) -> None:
    fresh.ok(f"{APT} {packages['this']}", 300)
    fresh.ok(f"edge-segnet service install --source {CAMERA}")
    done = fresh.run(f"{APT} {packages['broken']}", 300)
    assert done.code != 0 and "the version before serves instead" in done.out, done
    fresh.wait_ready(10)
    assert "/opt/edge-segnet.before/" in fresh.ok(f"tr '\\0' ' ' < /proc/{fresh.pid}/cmdline")
    fresh.ok("systemctl restart edge-segnet")  # also after a boot
    fresh.wait_ready(10)
    fresh.ok(f"{APT} {packages['this']}", 300)  # a version that works again
    fresh.wait_ready(10)
    assert "/opt/edge-segnet/" in fresh.ok(f"tr '\\0' ' ' < /proc/{fresh.pid}/cmdline")
    assert (
        fresh.run("ls /opt/edge-segnet.before /etc/systemd/system/edge-segnet.service.d/90-version-before.conf").code
        != 0
    )
    fresh.ok("journalctl --rotate && journalctl --vacuum-time=1s")  # the broken one's traceback is what was asked for


def test_over_an_installation_from_a_wheel(built: Built, packages: dict[str, str], installed: Path) -> None:
    binds = [(WORK / "debs", "/opt/debs")]
    with booted(installed, *built.below, name="over-a-wheel", binds=binds) as robot:
        robot.wait_ready()
        robot.ok(f"{APT} {packages['this']}", 300)
        robot.wait_ready(5)
        assert robot.show("FragmentPath").endswith("/lib/systemd/system/edge-segnet.service")
        assert robot.run("ls /etc/systemd/system/edge-segnet.service /usr/local/bin/edge-segnet").code != 0
        done = robot.run(f"{PROGRAM} service install --source {CAMERA}")
        assert done.code == 2 and "as a package" in done.err
