"""The dashboard in the machine's Firefox, driven by WebDriver BiDi (W3C): ten windows are live, too."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.sinks.browser.look import halves
from tests.support.service import StreetService, driving, serving
from tests.support.waiting import wait_until

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
LISTENING = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
WINDOWS = 10
pytestmark = pytest.mark.skipif(FIREFOX is None, reason="no Firefox on this machine")


class Firefox:
    """Commands, one after the other."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._number = socket, 0
        self.errors: list[str] = []

    def ask(self, method: str, **params: Any) -> Any:
        """A command's result; what the pages log as errors meanwhile is kept."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while (answer := json.loads(self._socket.recv(60))).get("id") != self._number:
            entry = answer.get("params", {})
            if answer.get("method") == "log.entryAdded" and entry.get("level") == "error":
                self.errors.append(str(entry.get("text")))
        assert answer["type"] == "success", answer
        return answer["result"]

    def window(self, url: str) -> str:
        """A new window at that address."""
        context: str = self.ask("browsingContext.create", type="window")["context"]
        self.ask("browsingContext.navigate", context=context, url=url, wait="complete")
        return context

    def value(self, context: str, expression: str) -> Any:
        """What an expression gives in a window."""
        told = self.ask("script.evaluate", expression=expression, target={"context": context}, awaitPromise=True)
        return told["result"].get("value")


@contextmanager
def firefox(profile: Path) -> Iterator[Firefox]:
    command = [str(FIREFOX), "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        found = next(filter(None, map(LISTENING.search, process.stderr)))
        with connect(f"{found[1]}/session", max_size=None) as socket:
            browser = Firefox(socket)
            browser.ask("session.new", capabilities={})
            browser.ask("session.subscribe", events=["log.entryAdded"])
            yield browser
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_ten_windows_are_live(tmp_path: Path) -> None:
    service = StreetService("front")
    with serving(service) as sink, driving(service, [halves()], 0.2), firefox(tmp_path) as browser:
        windows = [browser.window(sink.url) for _ in range(WINDOWS)]
        state = "document.querySelector('#stage').dataset.state"
        for window in windows:
            wait_until(lambda window=window: browser.value(window, state) == "live", 60.0)  # type: ignore[misc]
            assert "50.0" in browser.value(window, "document.querySelector('#legend').textContent")
        assert sink.status()["watching"] == {"layers": 1, "event": 1}
        assert browser.errors == []
