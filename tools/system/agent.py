"""Runs inside a virtual machine, with its Python alone: shell commands come and their ends go over a serial port."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

PORT = Path("/dev/virtio-ports/agent")


def done(order: dict[str, Any]) -> dict[str, Any]:
    """Run it; a program that it leaves behind does not hold the answer up."""
    with subprocess.Popen(
        ["bash", "-c", order["command"]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            out, err = process.communicate(timeout=order["timeout"])
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            err += b"\ntook too long"
    return {"code": process.returncode, "out": out.decode(errors="replace"), "err": err.decode(errors="replace")}


def main() -> None:
    while not PORT.exists():  # the kernel still looks for its devices
        time.sleep(0.2)
    with PORT.open("r+b", buffering=0) as port:
        port.write(b'{"ready": true}\n')
        rest = b""
        while True:
            data = port.read(1 << 16)
            rest += data or b""
            if not data:  # nobody is on the other side
                time.sleep(0.2)
            while b"\n" in rest:
                line, _, rest = rest.partition(b"\n")
                answer = json.dumps(done(json.loads(line))).encode() + b"\n"
                while answer:
                    answer = answer[port.write(answer) or 0 :]


if __name__ == "__main__":
    main()
