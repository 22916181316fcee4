"""Many windows of one browser: they share two connections, and what nobody looks at is not sent."""

from __future__ import annotations

from typing import Any

import pytest

from edge_segnet.sinks.http.sink import HttpSink
from tests.sinks.browser.look import halves, live
from tests.support.service import StreetService, driving, serving
from tests.support.waiting import wait_until

WINDOWS = 10
HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture
def windows(browser: Any, sink: HttpSink) -> Any:
    context = browser.new_context(viewport={"width": 800, "height": 600})
    problems: list[str] = []
    pages = []
    for _ in range(WINDOWS):
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(sink.url)
        pages.append(page)
    yield pages
    context.close()
    assert not problems


def test_ten_windows_of_one_browser_are_all_live(windows: list[Any], sink: HttpSink) -> None:
    for page in windows:
        live(page)
    assert sink.status()["watching"] == {"layers": 1, "event": 1}
    for page in windows:
        page.locator(".entry", has_text="Road").get_by_text("50.0").wait_for()


def test_a_hidden_window_gets_nothing_and_is_up_to_date_when_it_is_back(windows: list[Any], sink: HttpSink) -> None:
    for page in windows:
        live(page)
    for page in windows[1:]:
        page.evaluate(HIDE, True)
    live(windows[0])
    seq = windows[1].evaluate("document.querySelector('#stage').dataset.state")
    windows[1].wait_for_selector('#stage[data-state="old"]')
    assert seq in ("live", "old") and sink.status()["watching"] == {"layers": 1, "event": 1}
    windows[0].evaluate(HIDE, True)
    wait_until(lambda: sink.status()["streams"] == 0)
    windows[3].evaluate(HIDE, False)
    live(windows[3])
    for page in windows[:3]:
        page.close()
    live(windows[3])


def test_windows_of_several_cameras_share_too(browser: Any) -> None:
    service = StreetService("front", "rear")
    with serving(service) as sink, driving(service, [halves(), halves(camera="rear")]):
        context = browser.new_context()
        pages = [context.new_page() for _ in range(4)]
        for number, page in enumerate(pages):
            page.goto(f"{sink.url}/#{('front', 'rear')[number % 2]}")
        for number, page in enumerate(pages):
            live(page)
            assert ("front", "rear")[number % 2] in str(page.locator("#view").get_attribute("aria-label"))
        assert sink.status()["watching"] == {"layers": 1, "event": 1}
        context.close()
    wait_until(lambda: sink.status()["streams"] == 0)
