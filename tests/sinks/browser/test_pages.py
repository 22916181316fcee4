"""Around the picture: themes, login, a service that was restarted, streams without the dashboard."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from edge_segnet.sinks.http.sink import HttpSink
from tests.sinks.browser.look import OpenPage, halves, live
from tests.support.service import StreetService, driving, serving
from tests.support.waiting import wait_until

TOKEN = "correct-horse-battery"


def test_light_and_dark(open_page: OpenPage, sink: HttpSink) -> None:
    def brightness(page: Any) -> int:
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", colour)[:3]))

    light, dark = (live(open_page(sink.url, color_scheme=scheme)) for scheme in ("light", "dark"))
    assert brightness(light) > 600 and brightness(dark) < 150
    dark.keyboard.press("t")
    assert brightness(dark) > 600
    dark.reload()
    assert brightness(live(dark)) > 600, "the choice is remembered"


def test_it_finds_a_service_that_was_restarted(open_page: OpenPage, service: StreetService) -> None:
    with serving(service) as sink, driving(service, [halves()]):
        page = live(open_page(sink.url))
        port = int(sink.url.rpartition(":")[2])
    page.locator("#trouble", has_text="No connection").wait_for()
    with serving(service, port=port), driving(service, [halves()]):
        live(page)
        page.locator("#trouble").wait_for(state="hidden")


def test_log_in_and_out(open_page: OpenPage, service: StreetService, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    with serving(service, auth={"token_file": token}) as sink, driving(service, [halves()]):
        page = open_page(sink.url)
        assert page.url.endswith("/login")
        page.get_by_label("Access token").fill("not-the-right-token")
        page.get_by_role("button", name="Log in").click()
        page.get_by_text("That is not the token.").wait_for()
        page.get_by_label("Access token").fill(TOKEN)
        page.keyboard.press("Enter")
        live(page)
        assert page.evaluate("document.cookie") == "", "no script can read the session"
        page.get_by_role("button", name="Log out").click()
        page.get_by_label("Access token").wait_for()


def test_plain_streams_show_in_an_image(open_page: OpenPage, sink: HttpSink) -> None:
    page = open_page(sink.url + "/healthz")
    script = """(address) => new Promise((done, fail) => { const image = new Image(); image.onload = () =>
        done([image.naturalWidth, image.naturalHeight]); image.onerror = fail; image.src = address })"""
    assert page.evaluate(script, "/frame/overlay.jpg") == [160, 120]
    assert page.evaluate(script, "/frame/labels.png") == [160, 120]
    page.evaluate("document.body.innerHTML = '<img id=stream src=/stream/mask.mjpg>'")
    wait_until(lambda: page.evaluate("document.getElementById('stream').naturalWidth === 160"))
