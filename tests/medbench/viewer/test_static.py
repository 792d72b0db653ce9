"""What the viewer shows and how it answers to wheel, mouse, fingers and keys, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medbench.imaging.volume import LabelMap, Volume
from medbench.viewer.page import viewer_page

SHAPE = (40, 32, 20)
SPACING = (2.0, 3.0, 4.0)
AIR, SOFT, BRIGHT = -1000, 40, 3000
CUBE = (slice(30, 34), slice(24, 28), slice(14, 17))  # patient's right, anterior, superior


def _volume() -> Volume:
    voxels = np.full(SHAPE, AIR, np.int16)
    voxels[4:36, 4:28, 2:18] = SOFT
    voxels[CUBE] = BRIGHT
    return Volume(voxels, np.diag([*SPACING, 1.0]))


@dataclass
class Shown:
    """A page with a viewer in it."""

    page: Any

    def pane(self, plane: str, side: int = 0) -> Any:
        return self.page.locator(f".viewer-pane[data-plane={plane}]").nth(side)

    def slice(self, plane: str, side: int = 0) -> int:
        self.settle()
        return int(re.search(r"(\d+) /", self.pane(plane, side).locator(".viewer-pane-title").inner_text())[1])

    def settle(self) -> None:
        """Wait for the next drawing."""
        self.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def grey(self, plane: str, across: float, down: float, side: int = 0) -> int:
        """The red of a canvas' pixel at a share of its picture, as the picture lies at zoom 1."""
        self.settle()
        a, b = {"axial": (0, 1), "coronal": (0, 2), "sagittal": (1, 2)}[plane]
        extent = [SHAPE[a] * SPACING[a], SHAPE[b] * SPACING[b]]
        return (
            self.pane(plane, side)
            .locator("canvas")
            .evaluate(
                """(canvas, [across, down, width, height]) => {
                const scale = Math.min(canvas.width / width, canvas.height / height) * 0.98;
                const x = canvas.width / 2 + (across - 0.5) * width * scale;
                const y = canvas.height / 2 + (down - 0.5) * height * scale;
                return canvas.getContext("2d").getImageData(Math.round(x), Math.round(y), 1, 1).data[0];
            }""",
                [across, down, *extent],
            )
        )

    def point(self, plane: str, across: float, down: float) -> tuple[float, float]:
        """The place on the screen of a share of a picture, at zoom 1."""
        box = self.pane(plane).bounding_box()
        a, b = {"axial": (0, 1), "coronal": (0, 2), "sagittal": (1, 2)}[plane]
        extent = [SHAPE[a] * SPACING[a], SHAPE[b] * SPACING[b]]
        scale = min(box["width"] / extent[0], box["height"] / extent[1]) * 0.98
        return (
            box["x"] + box["width"] / 2 + (across - 0.5) * extent[0] * scale,
            box["y"] + box["height"] / 2 + (down - 0.5) * extent[1] * scale,
        )

    def drag(self, start: tuple[float, float], end: tuple[float, float], button: str = "left") -> None:
        self.page.mouse.move(*start)
        self.page.mouse.down(button=button)
        self.page.mouse.move(*end, steps=4)
        self.page.mouse.up(button=button)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    @property
    def window(self) -> str:
        self.settle()
        return self.page.locator("output[aria-label=Window]").inner_text().replace("−", "-")

    @property
    def ruler(self) -> str:
        self.settle()
        return self.page.locator("output[aria-label='Last ruler']").inner_text()


@pytest.fixture
def show(tmp_path: Path, visit: Callable[..., Any]) -> Callable[..., Shown]:
    def open_(*, count: int = 1, labels: LabelMap | None = None, **options: Any) -> Shown:
        page_file = tmp_path / "page.html"
        page_file.write_text(viewer_page("test", [("", _volume(), labels)] * count), encoding="utf-8")
        page = visit(page_file.as_uri(), **options)
        page.wait_for_selector(".viewer-pane")
        shown = Shown(page)
        shown.page.locator(".viewer-slider").first.focus()
        shown.press("x")  # the crosshair would colour pixels
        return shown

    return open_


def test_pictures_are_radiological(show) -> None:
    shown = show()
    shown.press("b")
    for plane, steps, place in (("axial", 5, (0.2, 0.18)), ("coronal", 9, (0.2, 0.22)), ("sagittal", 11, (0.18, 0.22))):
        shown.press(plane[0], *["ArrowUp"] * steps)
        assert shown.grey(plane, *place) == 255, f"the cube lies at the upper left of the {plane} plane"
        assert shown.grey(plane, 1 - place[0], place[1]) < 255
        assert shown.grey(plane, place[0], 1 - place[1]) < 255


def test_greys_follow_the_window(show) -> None:
    shown = show()
    expected = {"l": ("C -600  W 1500", -600, 1500), "m": ("C 40  W 400", 40, 400), "v": ("C 200  W 700", 200, 700)}
    for key, (text, centre, width) in expected.items():
        shown.press(key)
        assert shown.window == text
        for place, hu in (((0.5, 0.5), SOFT), ((0.02, 0.5), AIR)):
            grey = np.clip((hu - centre + width / 2) * 255 / width, 0, 255)
            assert shown.grey("axial", *place) == pytest.approx(grey, abs=1)


def test_the_window_is_dragged_with_the_right_button_or_its_tool(show) -> None:
    shown = show()
    shown.press("m")
    (x, y) = shown.point("axial", 0.5, 0.5)
    shown.drag((x, y), (x + 60, y), button="right")
    assert shown.window == "C 40  W 480"
    shown.page.get_by_role("button", name="Window", exact=True).click()
    shown.drag((x, y), (x, y + 30))
    assert shown.window == "C 88  W 480"


def test_the_wheel_scrolls_a_slice_a_notch_and_never_leaves_the_volume(show) -> None:
    shown = show()
    shown.page.mouse.move(*shown.point("coronal", 0.5, 0.5))
    shown.page.mouse.wheel(0, 120)
    assert (shown.slice("axial"), shown.slice("coronal"), shown.slice("sagittal")) == (11, 16, 21)
    for _ in range(8):
        shown.page.mouse.wheel(0, -10)  # a trackpad: many small steps
    assert shown.slice("coronal") == 18
    shown.press("c", "End", "ArrowUp")
    assert shown.slice("coronal") == SHAPE[1]
    shown.press("Home", "ArrowDown")
    assert shown.slice("coronal") == 1


def test_the_crosshair_links_planes_and_volumes(show) -> None:
    shown = show(count=2)
    shown.page.mouse.click(*shown.point("axial", 0.2, 0.18))
    for side in (0, 1):
        assert [shown.slice(plane, side) for plane in ("axial", "coronal", "sagittal")] == [11, 27, 33]
    assert shown.pane("axial", 0).locator(".viewer-pane-reading").inner_text() == "40 HU"


def test_a_ruler_measures_mm(show) -> None:
    shown = show()
    shown.page.get_by_role("button", name="Ruler").click()
    shown.drag(shown.point("axial", 0.25, 0.5), shown.point("axial", 0.75, 0.5))
    assert float(shown.ruler.removesuffix(" mm")) == pytest.approx(40, abs=0.3)
    shown.drag(shown.point("sagittal", 0.5, 0.25), shown.point("sagittal", 0.5, 0.5))
    assert float(shown.ruler.removesuffix(" mm")) == pytest.approx(20, abs=0.3)
    shown.page.mouse.click(*shown.point("sagittal", 0.5, 0.5))  # a click measures nothing
    assert float(shown.ruler.removesuffix(" mm")) == pytest.approx(20, abs=0.3)
    shown.press("r")
    assert shown.ruler == ""


def test_a_distance_is_measured_by_keys_alone(show) -> None:
    shown = show()
    shown.press("c", "Home", "a", "d", "c", "End", "a", "d")
    assert shown.ruler == f"{31 * SPACING[1]:.1f} mm"


def test_zoom_keeps_what_is_under_the_pointer_and_pan_moves_it(show) -> None:
    shown = show()
    shown.press("b", *["ArrowUp"] * 5)
    place = shown.point("axial", 0.2, 0.18)
    shown.page.mouse.move(*place)
    shown.page.keyboard.down("Control")
    shown.page.mouse.wheel(0, -300)
    shown.page.keyboard.up("Control")
    assert shown.grey("axial", 0.2, 0.18) == 255
    assert shown.grey("axial", 0.25, 0.18) == 255, "the cube is larger now"
    shown.drag(place, (place[0] + 200, place[1]), button="middle")
    assert shown.grey("axial", 0.2, 0.18) < 255
    shown.press("r")
    assert shown.grey("axial", 0.25, 0.18) < 255


def test_fingers_scroll_pinch_and_pan(show) -> None:
    shown = show(width=820, height=1180, has_touch=True)
    shown.press("b")
    touch = shown.page.context.new_cdp_session(shown.page)

    def send(kind: str, *points: tuple[float, float]) -> None:
        fingers = [{"x": x, "y": y, "id": index} for index, (x, y) in enumerate(points)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})

    shown.page.get_by_role("button", name="Scroll").click()
    x, y = shown.point("axial", 0.5, 0.5)
    send("touchStart", (x, y))
    send("touchMove", (x, y - 30))
    send("touchEnd")
    assert shown.slice("axial") == 16
    x, y = shown.point("axial", 0.2, 0.18)
    send("touchStart", (x - 20, y), (x + 20, y))
    for spread in (30, 40, 60):
        send("touchMove", (x - spread, y), (x + spread, y))
    send("touchEnd")
    assert shown.slice("axial") == 16
    assert shown.grey("axial", 0.26, 0.18) == 255, "the cube is larger now"


def test_labels_tint_and_are_named(show) -> None:
    drawn = np.zeros(SHAPE, np.uint8)
    drawn[CUBE] = 7
    shown = show(labels=LabelMap(drawn, _volume().affine, {7: "left atrium"}))
    shown.press("b", *["ArrowUp"] * 5)
    assert shown.grey("axial", 0.2, 0.18) < 255
    shown.page.mouse.move(*shown.point("axial", 0.2, 0.18))
    shown.settle()
    assert shown.pane("axial").locator(".viewer-pane-reading").inner_text() == "3000 HU left atrium"
    shown.press("o")
    assert shown.grey("axial", 0.2, 0.18) == 255


def test_each_slider_is_a_named_control_of_its_own(show) -> None:
    shown = show()
    slider = shown.page.get_by_role("slider", name="coronal slice")
    slider.focus()
    shown.press("ArrowUp")
    assert shown.slice("coronal") == 18
    assert slider.get_attribute("aria-valuetext") == "18 of 32"
    slider.fill("3")
    assert shown.slice("coronal") == 3


def test_the_toolbar_is_one_stop_and_arrows_lead_through_it(show) -> None:
    shown = show()
    shown.page.get_by_role("button", name="Crosshair", exact=True).focus()
    shown.press("ArrowRight", "ArrowRight", "Enter")
    assert shown.page.evaluate("document.activeElement.getAttribute('aria-label')") == "Window"
    shown.page.wait_for_selector("button[aria-label='Window'][aria-pressed='true']")
    shown.press("Tab")
    assert shown.page.evaluate("document.activeElement.getAttribute('aria-label')") == "axial slice"


def test_every_key_is_listed(show) -> None:
    shown = show()
    shown.page.get_by_text("Keys", exact=True).click()
    listed = {text.replace("\n", "") for text in shown.page.locator(".viewer-keys dt").all_inner_texts()}
    assert listed == {
        *("↑", "↓", "Page up", "Page down", "Home", "End", "A", "C", "S", "L", "M", "B", "V", "F", "[", "]", ",", "."),
        *("+=", "-", "Shift←", "Shift→", "Shift↑", "Shift↓", "R", "X", "T", "D"),
    }


def test_double_click_or_a_planes_title_shows_it_large(show) -> None:
    shown = show()
    shown.page.mouse.dblclick(*shown.point("coronal", 0.5, 0.5))
    assert shown.pane("coronal").bounding_box()["width"] > 1.5 * shown.pane("axial").bounding_box()["width"]
    shown.page.get_by_role("button", name="Sagittal").click()
    assert shown.pane("sagittal").bounding_box()["width"] > 1.5 * shown.pane("coronal").bounding_box()["width"]


def test_the_viewer_is_accessible(show, accessible) -> None:
    accessible(show(count=2).page)
