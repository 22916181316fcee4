"""The dashboard in WebKit, Safari's engine (WebKitGTK, by WebDriver), over TLS."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from edge_segnet.core.classes import CAMVID_11
from tests.peers.places import program_of
from tests.sinks.browser.look import halves
from tests.sinks.mqtt.mosquitto import free_port
from tests.sinks.test_display import x_server
from tests.support.service import StreetService, driving, serving
from tests.support.tls import self_signed
from tests.support.waiting import wait_until

BROWSERS = ("/usr/lib/*/webkit2gtk-4.1/MiniBrowser", "/usr/libexec/webkit2gtk-4.1/MiniBrowser")
STATE = "return document.querySelector('#stage').dataset.state"


class WebKit:
    """A session, by W3C's WebDriver."""

    def __init__(self, port: int) -> None:
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120)

    def open(self, browser: str) -> None:
        options = {"binary": browser, "args": ["--automation"]}
        wanted = {"acceptInsecureCerts": True, "webkitgtk:browserOptions": options}
        told = self._post("/session", {"capabilities": {"alwaysMatch": wanted}})
        self._session = f"/session/{told['sessionId']}"

    def go(self, url: str) -> None:
        self._post(f"{self._session}/url", {"url": url})

    def value(self, script: str) -> Any:
        return self._post(f"{self._session}/execute/sync", {"script": script, "args": []})

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        answer = self._client.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["value"]

    def close(self) -> None:
        self._client.delete(self._session)
        self._client.close()


@contextmanager
def webkit(folder: Path, screen: str) -> Iterator[WebKit]:
    driver = program_of("WebKitWebDriver", "webkit2gtk-driver")
    browser = next((str(path) for place in BROWSERS for path in sorted(Path("/").glob(place[1:]))), None)
    if browser is None:
        pytest.skip("WebKitGTK has no MiniBrowser here")
    port = free_port()
    environment = {
        "DISPLAY": screen,
        "HOME": str(folder),
        "XDG_RUNTIME_DIR": str(folder),
        "PATH": "/usr/bin:/bin",
        # Its sandbox needs user namespaces, which root in a container lacks.
        "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1",
        "LIBGL_ALWAYS_SOFTWARE": "1",
    }
    process = subprocess.Popen([driver, f"--port={port}", "--host=127.0.0.1"], env=environment)
    session = WebKit(port)
    try:
        wait_until(lambda: _answers(port))
        session.open(browser)
        yield session
    finally:
        session.close()
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/status").status_code == 200
    except httpx.HTTPError:
        return False


def test_the_dashboard_over_tls(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    (tmp_path / "screen").mkdir()
    service = StreetService("front")
    with (
        x_server(tmp_path / "screen") as screen,
        serving(service, tls={"certificate": certificate, "key": key}) as sink,
        driving(service, [halves()]),
        webkit(tmp_path, screen.number) as browser,
    ):
        assert sink.url.startswith("https://")
        browser.go(sink.url)
        wait_until(lambda: browser.value(STATE) == "live", 60)
        assert "50.0" in browser.value("return document.querySelector('#legend').textContent")
        before = browser.value("return document.querySelector('#seq')?.textContent ?? String(performance.now())")
        wait_until(
            lambda: (
                browser.value("return document.querySelector('#seq')?.textContent ?? String(performance.now())")
                != before
            )
        )
        assert "WebKit" in browser.value("return navigator.userAgent")
        assert sink.status()["watching"] == {"layers": 1, "event": 1}
        assert _left_and_right(browser) == ("road", "sky")


def _left_and_right(browser: WebKit) -> tuple[str, str]:
    """What the picture shows: colours nearest to the overlay's of Road and of Sky."""
    script = """const from = document.getElementById("view"), to = document.createElement("canvas");
        to.width = to.height = 1; const context = to.getContext("2d");
        return [0.25, 0.75].map(x => {
        context.drawImage(from, Math.floor(x * from.width), from.height >> 1, 1, 1, 0, 0, 1, 1);
        return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3) })"""
    names = {}
    for name in ("Road", "Sky"):
        blue, green, red = (int(value) for value in CAMVID_11.lut_bgr[CAMVID_11.index(name)])
        names[name.lower()] = [(40 + red) / 2, (200 + green) / 2, (40 + blue) / 2]
    found = [
        min(names, key=lambda name: sum(abs(one - other) for one, other in zip(names[name], pixel, strict=True)))
        for pixel in browser.value(script)
    ]
    return found[0], found[1]
