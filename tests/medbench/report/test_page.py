"""The report in a real browser: its viewer, a phone's width, a printer, those who hear it, and no script at all."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medbench.report.html import write_report

Visit = Callable[..., Any]


@pytest.fixture
def page_file(gallery_run: Path) -> Path:
    return write_report(gallery_run)


def titles(page: Any) -> list[str]:
    page.wait_for_selector(".viewer-volume-title")
    return page.locator(".viewer-volume-title").all_inner_texts()


def test_a_sample_stands_beside_its_nearest_real_volume(page_file: Path, visit: Visit) -> None:
    page = visit(page_file.as_uri())
    assert titles(page) == ["sample 000000", "real case-0"]
    assert page.locator(".viewer-pane").count() == 6
    page.get_by_role("button", name="Next").click()
    page.wait_for_selector(".viewer-volume-title:text('sample 000001')")
    assert titles(page) == ["sample 000001", "real case-1"]
    page.get_by_role("button", name="Previous").click()
    page.get_by_role("button", name="Previous").click()
    page.wait_for_selector(".viewer-volume-title:text('case-0, reconstructed')")
    assert titles(page) == ["real case-0", "case-0, reconstructed"]
    page.get_by_role("checkbox").uncheck()
    page.wait_for_function("document.querySelectorAll('.viewer-pane').length == 3")


def test_the_window_stays_from_case_to_case_and_regions_come_when_asked_for(page_file: Path, visit: Visit) -> None:
    page = visit(page_file.as_uri())
    titles(page)
    labels = page.get_by_role("button", name="Labels")
    assert labels.get_attribute("aria-pressed") == "false"
    labels.click()
    page.get_by_role("button", name="Bone").click()
    page.get_by_role("button", name="Next").click()
    page.wait_for_selector(".viewer-volume-title:text('sample 000001')")
    page.wait_for_selector("button[aria-label=Labels][aria-pressed=true]")
    assert page.locator("output[aria-label=Window]").inner_text() == "C 400  W 1800"
    assert {"Lung", "Mediastinum", "Bone", "Vessel", "Full"} <= {
        text.capitalize() for text in page.locator(".viewer-preset").all_inner_texts()
    }


def test_the_wheel_is_the_pages_until_a_picture_was_clicked(page_file: Path, visit: Visit) -> None:
    page = visit(page_file.as_uri())
    titles(page)
    pane = page.locator(".viewer-pane").first
    pane.scroll_into_view_if_needed()
    before = pane.locator(".viewer-pane-title").inner_text()
    pane.hover()
    page.mouse.wheel(0, 1)
    page.wait_for_timeout(100)
    assert pane.locator(".viewer-pane-title").inner_text() == before
    pane.locator("canvas").click()
    page.mouse.wheel(0, -120)
    page.wait_for_function("text => document.querySelector('.viewer-pane-title').textContent != text", arg=before)


def test_a_finger_scrolls_the_page_until_a_picture_was_tapped(page_file: Path, visit: Visit) -> None:
    page = visit(page_file.as_uri(), width=390, height=844, has_touch=True)
    titles(page)
    canvas = page.locator(".viewer-pane canvas").first
    assert canvas.evaluate("canvas => getComputedStyle(canvas).touchAction") == "pan-y"
    canvas.tap()
    page.wait_for_function("getComputedStyle(document.querySelector('.viewer-pane canvas')).touchAction == 'none'")


def test_no_other_script_runs(page_file: Path, chromium: Any) -> None:
    text = page_file.read_text(encoding="utf-8").replace("</body>", "<script>document.title = 'run'</script></body>")
    page_file.write_text(text, encoding="utf-8")
    page = chromium.new_page()
    page.goto(page_file.as_uri())
    titles(page)
    assert "medbench" in page.title()
    page.close()


def test_without_scripts_the_pictures_and_the_table_of_cases_remain(page_file: Path, visit: Visit) -> None:
    page = visit(page_file.as_uri(), java_script_enabled=False)
    assert page.get_by_text("The viewer needs JavaScript").is_visible()
    assert page.locator("figure img").first.is_visible()
    assert page.get_by_text("nearest of 0").is_visible()


def test_on_a_phone_nothing_of_a_result_lies_beyond_the_edge(page_file: Path, visit: Visit) -> None:
    page = visit(page_file.as_uri(), width=390, height=844)
    titles(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    row = page.locator("table.results tbody tr").first
    for name in ("Value", "95 % interval", "At a glance", "Floor", "Verdict"):
        cell = row.locator(f"td[data-label='{name}']")
        box = cell.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390, name
    assert row.locator("svg.glance").bounding_box()["width"] >= 100
    figure = page.locator("figure img").first
    assert figure.bounding_box()["width"] >= 640, "its letters can be read; the frame around it scrolls"


@pytest.mark.parametrize("width", [1400, 390])
def test_the_report_is_accessible(page_file: Path, visit: Visit, accessible: Callable[[Any], None], width: int) -> None:
    page = visit(page_file.as_uri(), width=width, height=900)
    titles(page)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    accessible(page)


def test_print_cuts_no_table_off(page_file: Path, tmp_path: Path, chromium: Any) -> None:
    if shutil.which("pdftotext") is None:
        pytest.skip("needs pdftotext: apt-get install poppler-utils")
    page = chromium.new_page()
    page.goto(page_file.as_uri())
    titles(page)
    page.pdf(path=tmp_path / "report.pdf", format="A4")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 700, "height": 1000})  # less than what A4 leaves between its margins
    tables = page.locator("table").all()
    assert len(tables) >= 5
    for table in tables:
        box = table.bounding_box()
        assert box is None or box["x"] + box["width"] <= 700
    page.close()
    text = subprocess.run(
        ["pdftotext", "-raw", tmp_path / "report.pdf", "-"], capture_output=True, text=True, check=True
    ).stdout
    flat = re.sub(r"\s+", "", text)
    for told in ("differsfromrealvolumes", "0.235", "Volumesinthispage", "nearestof0", "Glossary"):
        assert told in flat, told
    assert "Previous" not in text
