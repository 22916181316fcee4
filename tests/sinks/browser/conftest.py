"""A real browser: the machine's Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from edge_segnet.sinks.http.sink import HttpSink
from tests.sinks.browser.look import halves
from tests.support.service import StreetService, driving, serving

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens an address in a fresh profile; afterwards nothing may have gone wrong or been fetched from elsewhere."""
    contexts, problems = [], []

    def open_at(url: str, **settings: Any) -> Any:
        origin = "/".join(url.split("/")[:3])
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **settings})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: _check_origin(request.url, origin, problems))
        page.on("console", lambda line: _check_line(line.text, problems))
        page.goto(url)
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert not problems


@pytest.fixture
def service() -> StreetService:
    return StreetService("front")


@pytest.fixture
def sink(service: StreetService) -> Iterator[HttpSink]:
    with serving(service) as sink, driving(service, [halves()], 0.1):
        yield sink


def _check_origin(asked: str, origin: str, problems: list[str]) -> None:
    if not asked.startswith((f"{origin}/", "blob:", "data:")):
        problems.append(f"fetched from elsewhere: {asked}")


def _check_line(text: str, problems: list[str]) -> None:
    """A server that is gone, or wants a token, is said in the console, and meant; only tests read pixels."""
    if not any(word in text for word in ("Failed to load resource", "net::ERR", "willReadFrequently")):
        problems.append(text)
