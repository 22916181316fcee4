"""The pages for everybody: axe finds nothing, in both themes, on a desk and on a phone, whatever is on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_segnet.core.classes import CAMVID_11
from edge_segnet.core.types import View
from edge_segnet.settings.regions import RegionConfig, RuleConfig
from tests.scene.test_events import event_of
from tests.sinks.browser.look import halves, live
from tests.support.service import StreetService, driving, serving
from tests.support.waiting import wait_until

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
SIZES = {"desk": (1280, 800), "small desk": (1024, 600), "phone": (390, 844)}
AHEAD = RegionConfig(polygon=[[0.2, 0.9], [0.8, 0.9], [0.5, 0.5]])
LOST = RuleConfig.model_validate({"name": "lost", "region": "ahead", "class": "Road", "below": 0.4})
VIEW = View(CAMVID_11, regions={"ahead": AHEAD}, rules=[LOST])


def faults(page: Any) -> list[str]:
    """What axe finds: rule and elements."""
    found = axe.Axe().run(page).response["violations"]
    return [f"{each['id']}: {[node['html'][:100] for node in each['nodes']]}" for each in found]


@pytest.fixture
def busy() -> StreetService:
    """Two cameras, a region, an alarm, a long list of events, a synthetic picture."""
    service = StreetService("front", "rear")
    service.view = VIEW
    for number in range(60):
        service.events.append(event_of(number), lambda: b"")
    wait_until(lambda: len(service.events.newest()) == 60)
    return service


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_dashboard_in_all_its_states(browser: Any, busy: StreetService, scheme: str, size: str) -> None:
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    with serving(busy) as sink:
        page = context.new_page()
        page.goto(sink.url)
        assert faults(page) == [], "nothing there yet"
        shown = replace(halves(synthetic=True), alarms=("lost",), view=VIEW)
        with driving(busy, [shown], 0.25):  # axe looks at elements, not at pictures
            live(page)
            page.wait_for_selector("#eventlist li:nth-child(50)")
            page.locator("#alarms").wait_for()
            assert faults(page) == [], "live"
            page.locator("#edit").click()
            assert faults(page) == [], "editing"
            page.locator("#doneediting").click()
            page.keyboard.press("?")
            assert faults(page) == [], "keys"
            page.keyboard.press("Escape")
        busy.camera_changes["front"] = {"state": "lost", "message": "no route to the camera"}
        page.locator("#trouble", has_text="no route").wait_for()
        page.wait_for_selector('#stage[data-state="old"]')
        assert faults(page) == [], "lost"
    page.locator("#link", has_text="offline").wait_for()
    for note in page.locator("#figures .note").all_inner_texts():
        assert note.startswith("offline, "), "every tile says that it is not of now"
    assert faults(page) == [], "offline"
    context.close()


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("query", ["", "?wrong", "?wait"])
def test_the_login(browser: Any, tmp_path: Path, scheme: str, query: str) -> None:
    token = tmp_path / "token"
    token.write_text("correct-horse-battery")
    token.chmod(0o600)
    context = browser.new_context(color_scheme=scheme)
    with serving(StreetService(), auth={"token_file": token}) as sink:
        page = context.new_page()
        page.goto(f"{sink.url}/login{query}")
        assert faults(page) == []
    context.close()
