"""The page in a browser: it loads nothing, sorts, filters, opens, compares; on a phone and on paper."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leaderboard.ranking.board import open_board
from leaderboard.store.store import Store
from leaderboard.views.page import page as pages

HOSTILE = '=1+<img src=x onerror="window.broken=1">'


def names(page: Any) -> list[str]:
    return [text for text in page.locator("tbody tr:not([hidden]) .open").all_text_contents() if text]


def test_the_page_loads_nothing_and_runs_one_script(written: Callable[[], Path]) -> None:
    text = written().read_text(encoding="utf-8")
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy.startswith("default-src 'none'")
    (scripts,) = (part.split()[1:] for part in policy.split(";") if part.split()[0] == "script-src")
    assert [source[:8] for source in scripts] == ["'sha256-"]
    assert not re.findall(r'(?:src|href)="(?!data:|#|\.\./)', text.partition('id="data"')[0])
    assert HOSTILE not in text


def test_rows_are_sorted_filtered_and_opened(written: Callable[[], Path], visit: Any, accessible: Any) -> None:
    page = visit(written().as_uri())
    assert names(page)[0] == "medlord"
    accessible(page)
    page.get_by_role("button", name="fid25d").click()
    assert names(page) == ["huge", "medlord", "ha-gan", "vq-trans", HOSTILE]
    page.get_by_role("button", name="hu ↓").click()
    page.get_by_role("button", name="hu ↓").click()
    assert names(page) == ["ha-gan", "vq-trans", "medlord", "huge", HOSTILE], "without a value last, either way"
    page.get_by_label("within the budget").check()
    page.get_by_label("without leaks").check()
    assert set(names(page)) == {"vq-trans", "medlord", HOSTILE}
    page.get_by_label("Filter").fill("MEDLORD luna")
    assert names(page) == ["medlord"]
    assert page.get_by_text("1 of 5 runs").is_visible()
    page.get_by_role("button", name="medlord").click()
    dialog = page.get_by_role("dialog")
    assert dialog.get_by_role("img").evaluate("image => image.decode().then(() => image.naturalWidth > 0)")
    assert dialog.get_by_role("link", name="The run's report").get_attribute("href") == "../run0/report.html"
    dialog.get_by_text("fid25d (").click()
    assert dialog.get_by_text("8 real and 6 synthetic volumes are compared").first.is_visible()
    accessible(page)
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert page.evaluate("window.broken") is None


def test_two_runs_are_laid_side_by_side(written: Callable[[], Path], visit: Any, accessible: Any) -> None:
    page = visit(written().as_uri())
    button = page.get_by_role("button", name="Two side by side")
    assert button.is_disabled()
    for name in ("vq-trans", "ha-gan", "medlord"):  # a third choice takes the place of the first
        page.get_by_label(f"Choose {name} ").check()
    button.click()
    dialog = page.get_by_role("dialog")
    lines = {
        row.locator("th").text_content(): row.locator("td").last.text_content()
        for row in dialog.locator("tbody tr").all()
    }
    assert lines["fid25d ↓"] == "tie"
    assert lines["rvr ↓"] == "medlord is better"
    assert dialog.get_by_text("Leak: ha-gan: encoder saw LIDC-IDRI").is_visible()
    accessible(page)


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_nothing_runs_over_the_edge(written: Callable[[], Path], visit: Any, width: int, height: int) -> None:
    page = visit(written().as_uri(), width=width, height=height)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.get_by_text("over budget").first.is_visible()


def test_a_phone_shows_each_run_as_a_card(written: Callable[[], Path], visit: Any, accessible: Any) -> None:
    page = visit(written().as_uri(), width=390, height=844)
    first, second = (page.locator("tbody tr").nth(place).bounding_box() for place in (0, 1))
    assert first["x"] == second["x"] and second["y"] >= first["y"] + first["height"]
    accessible(page)


def test_paper_shows_the_table_alone(written: Callable[[], Path], visit: Any) -> None:
    page = visit(written().as_uri())
    page.emulate_media(media="print")
    assert not page.get_by_label("Filter").is_visible()
    assert page.get_by_text("medlord").first.is_visible()
    assert page.pdf(format="A4", landscape=True).startswith(b"%PDF")


def test_what_others_published_stands_apart(written: Callable[[], Path], visit: Any) -> None:
    page = visit(written().as_uri())
    page.get_by_text("What others published on luna").click()
    assert page.get_by_text("reported, not measured here").is_visible()
    table = page.get_by_role("table", name="LUNA: FID_2.5D_RadImageNet")
    assert table.get_by_role("row", name="MedLoRD 3.62 MedLoRD paper, Table 1").is_visible()
    assert "3.62" not in page.locator("table.board").text_content()


def test_without_a_script_the_tables_are_whole(written: Callable[[], Path], visit: Any) -> None:
    page = visit(written().as_uri(), java_script_enabled=False)
    assert page.locator("tbody tr .open").count() == 5
    assert not page.get_by_label("Filter").is_visible()


def test_an_empty_board_says_so(shown_store: Store, tmp_path: Path) -> None:
    assert "No run has been added" in pages.page(shown_store, [], tmp_path / "board.html")


def test_a_long_board_carries_the_pictures_of_its_first_rows(
    shown_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "MOST_PICTURES", 2)
    text = pages.page(shown_store, [open_board(shown_store, "luna/0123456789ab")], tmp_path / "board.html")
    assert "It carries the montages of the first 2 of 5 runs." in text
