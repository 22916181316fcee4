"""The dashboard in a real browser: what it shows is what was published."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from edge_segnet.core.classes import CAMVID_11
from edge_segnet.core.types import View
from edge_segnet.sinks.http.sink import HttpSink
from tests.sinks.browser.look import OpenPage, halves, live, wait_for_pixel
from tests.support.service import StreetService, drive, driving, serving
from tests.support.waiting import wait_until

GREEN, ROAD, SKY = (40, 200, 40), (128, 64, 128), (128, 128, 128)


def half_way(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    return tuple((x + y) // 2 for x, y in zip(a, b, strict=True))


def test_the_picture_blends_camera_and_classes_of_one_frame(open_page: OpenPage, sink: HttpSink) -> None:
    page = live(open_page(sink.url))
    wait_for_pixel(page, 0.25, half_way(GREEN, ROAD))
    wait_for_pixel(page, 0.75, half_way(GREEN, SKY))
    page.get_by_label("Opacity").fill("100")
    wait_for_pixel(page, 0.25, ROAD)
    page.get_by_label("Opacity").fill("0")
    wait_for_pixel(page, 0.25, GREEN)
    page.get_by_text("Mask", exact=True).click()
    wait_for_pixel(page, 0.75, SKY)
    page.locator("#views").get_by_text("Camera").click()
    wait_for_pixel(page, 0.75, GREEN)
    page.get_by_text("Doubt", exact=True).click()  # these frames have no margins: nothing is sure
    doubt = tuple(round((220 * tint + 35 * value) / 255) for tint, value in zip((240, 40, 40), GREEN, strict=True))
    wait_for_pixel(page, 0.75, doubt)


def test_it_works_with_the_keyboard_alone(open_page: OpenPage, sink: HttpSink) -> None:
    page = live(open_page(sink.url))
    page.keyboard.press("2")
    wait_for_pixel(page, 0.25, ROAD)
    page.keyboard.press("3")
    wait_for_pixel(page, 0.25, GREEN)
    page.keyboard.press("1")
    for _ in range(5):
        page.keyboard.press("]")
    wait_for_pixel(page, 0.25, ROAD)
    page.keyboard.press(" ")
    page.wait_for_selector('#stage[data-state="paused"]')
    page.keyboard.press(" ")
    live(page)
    page.keyboard.press("?")
    assert page.locator("#keys").is_visible()
    page.keyboard.press("Escape")
    names = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        names.add(page.evaluate("document.activeElement.ariaLabel ?? document.activeElement.textContent.trim()"))
        names.add(page.evaluate("document.activeElement.id"))
    assert {"opacity", "pause", "save", "full", "theme", "help"} <= names
    assert any(name.startswith("Road") for name in names), "classes can be reached and chosen"


def test_the_list_shows_live_shares_and_chooses(open_page: OpenPage, sink: HttpSink) -> None:
    page = live(open_page(sink.url))
    road, car = (page.locator(".entry", has_text=name) for name in ("Road", "Car"))
    road.get_by_text("50.0").wait_for()
    assert car.locator(".share").inner_text() == "0%"
    page.keyboard.press("2")
    road.click()
    assert road.get_attribute("aria-pressed") == "true"
    wait_for_pixel(page, 0.25, ROAD)
    wait_for_pixel(page, 0.75, tuple(int(value * 75 / 255) for value in GREEN))
    assert page.locator("#historynote").inner_text() == "Road"
    page.get_by_role("button", name="Show all").click()
    wait_for_pixel(page, 0.75, SKY)


def test_a_pixel_says_its_class(open_page: OpenPage, sink: HttpSink) -> None:
    page = live(open_page(sink.url))
    box = page.locator("#view").bounding_box()
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 0.5 * box["height"])
    page.locator("#pointed", has_text="Road").wait_for()
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 0.5 * box["height"])
    page.locator("#pointed", has_text="Sky").wait_for()


def test_the_chart_draws_shares(open_page: OpenPage, sink: HttpSink) -> None:
    page = live(open_page(sink.url))
    script = """() => { const c = document.querySelector("#chart canvas"); if (!c) return false;
        const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data; let road = 0;
        for (let i = 0; i < d.length; i += 4) if (d[i] === 128 && d[i+1] === 64 && d[i+2] === 128) road++;
        return road > 500 }"""
    wait_until(lambda: page.evaluate(script))


def test_figures_are_the_services(open_page: OpenPage, sink: HttpSink, service: StreetService) -> None:
    page = live(open_page(sink.url))
    board = {"name": None, "throttled": True, "throttling": [{"reason": "over-current", "active": True, "events": 2}]}
    service.changes["board"] = board | {"temperatures": [{"name": "tj", "celsius": 91.5, "limit_celsius": 95.0}]}
    page.locator("#heat", has_text="91.5").wait_for()
    page.locator("#heatnote", has_text="throttled: over-current").wait_for()
    page.locator("#age", has_text=re.compile(r"^\d+ms$")).wait_for()
    page.locator("#rate", has_text=re.compile(r"^\d+\.\d/s$")).wait_for()
    assert page.locator("#backend").inner_text() == "onnx"
    assert page.locator("#camera").inner_text() == "running"


def test_a_lost_camera_is_shown_and_comes_back(open_page: OpenPage, service: StreetService) -> None:
    with serving(service) as sink:
        with driving(service, [halves()]):
            page = live(open_page(sink.url))
        service.camera_changes["front"] = {"state": "lost", "message": "no route to the camera", "since_s": 3.0}
        page.locator("#trouble", has_text="no route to the camera").wait_for()
        page.wait_for_selector('#stage[data-state="old"]')
        page.locator("#veil", has_text="Last picture").wait_for()
        page.locator("#link", has_text="lost").wait_for()
        late = open_page(sink.url)
        late.wait_for_selector('#stage[data-state="old"]')
        service.camera_changes.clear()
        with driving(service, [halves()]):
            live(page)
            page.locator("#trouble").wait_for(state="hidden")
            page.locator("#link", has_text="live").wait_for()


def test_a_camera_that_was_never_there(open_page: OpenPage, service: StreetService) -> None:
    service.camera_changes["front"] = {"state": "missing", "message": "/dev/video0: no such device", "age_ms": None}
    with serving(service) as sink:
        page = open_page(sink.url)
        page.locator("#trouble", has_text="/dev/video0").wait_for()
        assert page.locator("#stage").get_attribute("data-state") == "empty"
        service.camera_changes.clear()
        with driving(service, [halves()]):
            live(page)


def test_a_model_that_is_waited_for(open_page: OpenPage, service: StreetService) -> None:
    service.view = None
    service.changes = {"state": "waiting", "message": "segnet.engine: no such file", "model": None, "backend": None}
    with serving(service) as sink:
        page = open_page(sink.url)
        page.locator("#trouble", has_text="segnet.engine").wait_for()
        service.view, service.changes = View(CAMVID_11), {}
        with driving(service, [halves()]):
            live(page)
            page.locator(".entry", has_text="Road").get_by_text("50.0").wait_for()


def test_synthetic_pictures_carry_a_banner(open_page: OpenPage, service: StreetService) -> None:
    with serving(service) as sink:
        with driving(service, [halves()]):
            page = live(open_page(sink.url))
            assert page.locator("#synthetic").is_hidden()
        with driving(service, drive(1)):
            page.locator("#synthetic", has_text="Synthetic picture").wait_for()


def test_a_damaged_picture_says_so_while_it_is_shown(open_page: OpenPage, service: StreetService) -> None:
    well = halves()
    flagged = replace(well, frame=replace(well.frame, whole=False))
    with serving(service) as sink:
        with driving(service, [flagged]):
            page = live(open_page(sink.url))
            page.locator("#damaged", has_text="not to be believed").wait_for()
        with driving(service, [well]):
            page.locator("#damaged").wait_for(state="hidden")


def test_several_cameras(open_page: OpenPage) -> None:
    service = StreetService("front", "rear")
    rear = halves("rear")
    rear.frame.image.setflags(write=True)
    rear.frame.image[:] = (200, 40, 40)
    with serving(service) as sink, driving(service, [halves()]), driving(service, [rear]):
        page = live(open_page(sink.url))
        page.keyboard.press("3")
        wait_for_pixel(page, 0.5, GREEN)
        page.locator("#cameras").get_by_text("rear").click()
        wait_for_pixel(page, 0.5, (40, 40, 200))
        page.reload()
        live(page)
        page.keyboard.press("3")
        wait_for_pixel(page, 0.5, (40, 40, 200))
        page.locator("#stage").click()
        page.keyboard.press("c")
        wait_for_pixel(page, 0.5, GREEN)


def test_proportions_are_the_cameras(open_page: OpenPage, service: StreetService) -> None:
    with serving(service) as sink, driving(service, [halves(scaled_from=(1920, 1080))]):
        page = live(open_page(sink.url))
        box = page.locator("#view").bounding_box()
        assert box["width"] / box["height"] == pytest.approx(16 / 9, rel=0.02)


@pytest.mark.parametrize("size", [(390, 844), (320, 568), (844, 390), (820, 1180)])
def test_a_phone_shows_everything_without_sideways_scrolling(
    open_page: OpenPage, sink: HttpSink, size: tuple[int, int]
) -> None:
    settings = {"viewport": {"width": size[0], "height": size[1]}, "is_mobile": True, "has_touch": True}
    page = live(open_page(sink.url, **settings))
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for name in ("#view", "#views", "#opacity", "#figures", "#legend", "#chart"):
        box = page.locator(name).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= size[0] + 1 and box["height"] > 0, name
    assert page.locator("#view").bounding_box()["y"] < 0.5 * size[1], "the picture comes first"
    page.locator(".entry", has_text="Sky").tap()
    assert page.locator(".entry", has_text="Sky").get_attribute("aria-pressed") == "true"


def test_every_control_has_a_name(open_page: OpenPage, sink: HttpSink) -> None:
    page = live(open_page(sink.url))
    script = """() => [...document.querySelectorAll("button, input, a, canvas[role]")].filter((e) =>
        !(e.ariaLabel || e.textContent.trim() || e.labels?.[0]?.textContent.trim())).map((e) => e.outerHTML)"""
    assert page.evaluate(script) == []
    assert page.locator("#view").get_attribute("aria-label") == "Live picture of camera front, overlay"
    assert page.locator("#trouble").get_attribute("role") == "alert"
