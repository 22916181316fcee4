"""Regions and events on the dashboard: drawn, listed live, edited with the mouse, taken away as YAML."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_segnet.core.classes import CAMVID_11
from edge_segnet.core.types import FreeSpace, Region, Result, View
from edge_segnet.pictures.files import encode
from edge_segnet.settings.regions import RegionConfig, RuleConfig
from edge_segnet.settings.schema import Config
from edge_segnet.sinks.http.sink import HttpSink
from edge_segnet.sinks.registry import load
from tests.scene.test_events import event_of
from tests.sinks.browser.look import halves, live
from tests.support.service import StreetService, driving, serving
from tests.support.waiting import wait_until

OpenPage = Callable[..., Any]
AHEAD = RegionConfig(
    polygon=[[0.2, 0.9], [0.8, 0.9], [0.6, 0.5], [0.4, 0.5]],
    free={"classes": ["Road"], "sectors": 2},  # type: ignore[arg-type]
)
REAR_ONLY = RegionConfig(polygon=[[0, 0], [0.2, 0], [0.2, 0.2]], cameras=["rear"])
LOST = RuleConfig.model_validate({"name": "lost", "region": "ahead", "class": "road", "below": 0.4})


def with_region(*alarms: str) -> Result:
    """A quarter of the region is Road; free for 3.25 m."""
    result = halves()
    counts = np.zeros(len(CAMVID_11) + 1, np.int64)
    counts[[CAMVID_11.index("Road"), CAMVID_11.index("Car")]] = [25, 75]
    region = Region(counts, np.full(12, 0.5), FreeSpace((9, 4), (12.5, 3.25), (-4.0, 4.0)))
    return replace(result, regions={"ahead": region}, alarms=alarms)


@pytest.fixture
def service() -> StreetService:
    service = StreetService("front", "rear")
    service.view = View(CAMVID_11, regions={"ahead": AHEAD, "behind": REAR_ONLY}, rules=[LOST])
    return service


@pytest.fixture
def sink(service: StreetService) -> Iterator[HttpSink]:
    with serving(service) as sink:
        yield sink


def happen(service: StreetService, number: int) -> None:
    picture = encode(np.full((48, 64, 3), 200, np.uint8), ".jpg")
    service.events.append(event_of(number), lambda: picture)
    wait_until(lambda: service.events.newest() and service.events.newest()[0].frame_seq == number)


def test_regions_are_drawn_where_they_are_and_turn_red(
    open_page: OpenPage, service: StreetService, sink: HttpSink
) -> None:
    with driving(service, [with_region()]):
        page = live(open_page(sink.url))
        page.wait_for_selector(".tag >> text=Road 25 % · free 3.3 m")
        assert page.locator("#shapes polygon").count() == 1, "the other belongs to the rear camera"
        drawn, picture = page.locator("#shapes polygon").bounding_box(), page.locator("#view").bounding_box()
        for start, size, low, high in (("x", "width", 0.2, 0.8), ("y", "height", 0.5, 0.9)):
            assert drawn[start] == pytest.approx(picture[start] + low * picture[size], abs=3)
            assert drawn[size] == pytest.approx((high - low) * picture[size], abs=6)
        assert page.locator("#shapes polygon.on").count() == 0 and not page.locator("#alarms").is_visible()
        page.get_by_label("Show regions").click()
        assert not page.locator("#shapes").is_visible()
        page.keyboard.press("r")
        assert page.locator("#shapes").is_visible()
    with driving(service, [with_region("lost")]):
        page.wait_for_selector("#shapes polygon.on")
        page.wait_for_selector("#alarms:has-text('lost')")


def test_events_are_listed_as_they_happen(open_page: OpenPage, service: StreetService, sink: HttpSink) -> None:
    happen(service, 0)
    with driving(service, [with_region()]):
        page = live(open_page(sink.url))
        page.wait_for_selector(".event.start:has-text('Road in ahead 25 % (limit 40 %)')")
        happen(service, 1)
        page.wait_for_selector(".event.clear:has-text('over: Road in ahead 25 %')")
        assert page.locator("#eventlist li").first.get_attribute("class") == "event clear"
        page.locator("#eventlist li").first.locator("button").click()
        wait_until(lambda: page.evaluate("document.getElementById('snapshotimage').naturalWidth === 64"))
        page.get_by_role("button", name="Close").click()
        page.reload()
        page.wait_for_selector("#eventlist li:nth-child(2)")
        assert not page.locator("#eventsnote").is_visible()
        service.changes["events"] = {**service.events.status().to_dict(), "error": "no space"}
        page.wait_for_selector("#eventsnote:has-text('no space')")


def test_without_rules_and_events_there_is_no_list(open_page: OpenPage, sink: HttpSink, service: StreetService) -> None:
    service.view = View(CAMVID_11)
    with driving(service, [halves()]):
        page = live(open_page(sink.url))
        assert not page.locator("#events").is_visible() and not page.locator("#outlines").is_visible()


class Desk:
    """The editor, as a person with a mouse uses it."""

    def __init__(self, page: Any, tmp_path: Path) -> None:
        self.page, self._path = page, tmp_path / "c.yaml"
        page.get_by_label("Edit regions").click()
        self._box = page.locator("#edits").bounding_box()

    def _at(self, x: float, y: float) -> tuple[float, float]:
        return self._box["x"] + x * self._box["width"], self._box["y"] + y * self._box["height"]

    def click(self, x: float, y: float) -> None:
        self.page.mouse.click(*self._at(x, y))

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.page.mouse.move(*self._at(*start))
        self.page.mouse.down()
        self.page.mouse.move(*self._at(*end), steps=4)
        self.page.mouse.up()

    def settings(self) -> Config:
        """What the text on the page means in a settings file."""
        self._path.write_text(self.page.input_value("#yaml") + "cameras: {front: {source: 0}, rear: {source: 1}}\n")
        return load(self._path)

    def polygon(self, name: str) -> Any:
        return np.array(self.settings().regions[name].polygon)


@pytest.fixture
def desk(open_page: OpenPage, service: StreetService, sink: HttpSink, tmp_path: Path) -> Iterator[Desk]:
    with driving(service, [with_region()]):
        page = live(open_page(sink.url))
        page.wait_for_selector(".tag")
        yield Desk(page, tmp_path)


def near(found: Any, wanted: list[list[float]]) -> bool:
    return found.shape == np.shape(wanted) and float(np.abs(found - wanted).max()) < 0.012


def test_the_editor_gives_back_what_the_settings_have(desk: Desk) -> None:
    assert desk.settings().regions == {"ahead": AHEAD, "behind": REAR_ONLY}
    assert "# rules:" in desk.page.input_value("#yaml") and "behind-alarm" in desk.page.input_value("#yaml")


def test_corners_are_dragged_added_removed_and_moved_by_keys(desk: Desk) -> None:
    desk.drag((0.2, 0.9), (0.1, 0.8))
    assert near(desk.polygon("ahead"), [[0.1, 0.8], [0.8, 0.9], [0.6, 0.5], [0.4, 0.5]])
    desk.drag((0.5, 0.5), (0.5, 0.3))  # the dot of the upper edge
    assert near(desk.polygon("ahead"), [[0.1, 0.8], [0.8, 0.9], [0.6, 0.5], [0.5, 0.3], [0.4, 0.5]])
    desk.page.get_by_label("Corner 4 of ahead").focus()
    desk.page.keyboard.press("ArrowRight")
    assert desk.polygon("ahead")[3, 0] == pytest.approx(0.505, abs=0.012)
    desk.page.keyboard.press("Delete")
    assert near(desk.polygon("ahead"), [[0.1, 0.8], [0.8, 0.9], [0.6, 0.5], [0.4, 0.5]])
    assert desk.settings().regions["ahead"].free == AHEAD.free, "what can't be drawn is kept"


def test_an_outline_that_crosses_itself_is_named(desk: Desk) -> None:
    desk.drag((0.8, 0.9), (0.2, 0.6))
    assert "ahead: the outline crosses itself" in desk.page.inner_text("#editornote")
    assert desk.page.locator(".chosen.wrong").count() == 1


def test_a_new_region_is_drawn_named_and_copied(desk: Desk) -> None:
    page = desk.page
    page.get_by_role("button", name="New region").click()
    for corner in ((0.7, 0.1), (0.9, 0.1), (0.9, 0.3)):
        desk.click(*corner)
    assert "region-1" not in page.input_value("#yaml"), "not closed yet"
    desk.click(0.7, 0.1)
    page.get_by_label("Name").fill("sign")
    page.get_by_label("Name").press("Tab")
    assert near(desk.polygon("sign"), [[0.7, 0.1], [0.9, 0.1], [0.9, 0.3]])
    page.get_by_label("Name").fill("a b")
    page.get_by_label("Name").press("Tab")
    assert "sign" in desk.settings().regions and "A name has" in page.inner_text("#editornote")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").click()
    page.wait_for_selector("#editornote:has-text('Copied')")
    assert page.evaluate("navigator.clipboard.readText()") == page.input_value("#yaml")
    page.locator(".choice", has_text="ahead").click()
    page.get_by_role("button", name="Remove").click()
    assert set(desk.settings().regions) == {"behind", "sign"}
    assert "# the rule lost names the region ahead, which is no more" in page.input_value("#yaml")
    page.keyboard.press("Escape")
    assert not page.locator("#editor").is_visible() and page.locator("#shapes").is_visible()
