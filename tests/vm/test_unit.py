"""What of the unit needs a kernel of its own: cgroup v2's device policy, firewall and memory limit."""

from __future__ import annotations

import json

from tests.vm.service import SLOW_S, Service

INSIDE = "echo $$ > /sys/fs/cgroup/system.slice/edge-segnet.service/cgroup.procs"
"""A shell does this, and is one of the service's processes from then on; it stays root, so only the cgroup says no."""
TOKEN = "0123456789abcdef0123456789abcdef"
VIEWER = """
ip netns add viewer
ip link add robot type veth peer name viewer netns viewer
ip addr add 203.0.113.1/24 dev robot; ip addr add 10.9.0.1/24 dev robot; ip link set robot up
ip -n viewer addr add 203.0.113.2/24 dev viewer; ip -n viewer addr add 10.9.0.2/24 dev viewer
ip -n viewer link set viewer up
"""


def test_devices(service: Service) -> None:
    """Cameras and what every program has, and no disk, memory or kernel log; a camera that came later counts."""
    service.settings("0")
    service.until_state("missing")
    service.plug()
    service.until_frames()
    opened = {}
    for path in (
        "/dev/video0",
        "/dev/null",
        "/dev/urandom",
        "/dev/vda",
        "/dev/mem",
        "/dev/kmsg",
        "/dev/rtc0",
    ):
        assert service.guest.run(f"test -e {path} && exec 3< {path}").code == 0, path
        opened[path] = service.guest.run(f"{INSIDE} && exec 3< {path}").code == 0
    allowed = {"/dev/video0", "/dev/null", "/dev/urandom", "/dev/rtc0"}  # the clock to be read: ProtectClock
    assert {path for path, worked in opened.items() if worked} == allowed, opened
    service.unplug()


def test_firewall(service: Service) -> None:
    """A viewer at a private address is served, one at a public address gets no answer, whatever the token."""
    service.guest.ok(VIEWER)
    service.guest.write("/etc/edge-segnet/token", TOKEN)
    service.guest.ok("systemctl stop edge-segnet")  # a new credential is read at a start
    service.settings("0", "http: {host: 0.0.0.0, auth: {token_credential: token}}\n")
    ask = f"ip netns exec viewer curl -s -m 20 -o /dev/null -w '%{{http_code}}' -H 'Authorization: Bearer {TOKEN}' "
    private = service.guest.run(ask + "http://10.9.0.1:8080/api/status")
    public = service.guest.run(ask + "http://203.0.113.1:8080/api/status")
    assert (private.code, private.out) == (0, "200")
    assert public.code == 28 and public.out == "000", public  # curl: timed out
    service.guest.ok("ip netns del viewer; systemctl stop edge-segnet; : > /etc/edge-segnet/token")


def test_memory(service: Service) -> None:
    """What eats the memory inside the unit is ended by the kernel at the limit; the service goes on (OOMPolicy)."""
    service.settings("0")
    limit = int(service.guest.ok("cat /sys/fs/cgroup/system.slice/edge-segnet.service/memory.max"))
    total_kb = int(service.guest.ok("grep MemTotal /proc/meminfo").split()[1])
    assert 0.55 < limit / (1024 * total_kb) < 0.65
    before = service.guest.ok("systemctl show edge-segnet -p MainPID --value")
    service.guest.ok("systemctl set-property --runtime edge-segnet MemoryMax=400M")
    # Who runs commands in the machine is spared by the OOM killer, and so would be its children.
    eater = "echo 0 > /proc/$$/oom_score_adj && exec python3 -c 'b = [bytearray(1 << 20) for _ in range(1000)]'"
    eaten = service.guest.run(f"{INSIDE} && {eater}")
    assert eaten.code != 0
    service.guest.wait("journalctl -u edge-segnet --no-pager -o cat | grep -q 'killed by the OOM killer'", SLOW_S)
    assert service.guest.ok("systemctl show edge-segnet -p MainPID --value") == before, service.log()
    assert service.guest.ok("systemctl show edge-segnet -p NRestarts --value").strip() == "0"
    assert json.loads(service.guest.ok("curl -s http://127.0.0.1:8080/readyz"))["ready"]
    service.guest.ok("systemctl revert edge-segnet")
