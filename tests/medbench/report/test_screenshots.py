"""The pictures of docs/report.md, of a real run: ``pytest --write-screenshots`` on this file writes them anew."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from cli.main import app

DOCS = Path(__file__).parents[3] / "docs"

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def page_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not request.config.getoption("--write-screenshots"):
        pytest.skip("writes into docs/: ask for it by --write-screenshots")
    out = tmp_path_factory.mktemp("phantom") / "phantom-medlord"
    command = f"run --model medlord --dataset phantom --leaderboard none --out {out}"
    result = CliRunner().invoke(app, command.split())
    assert result.exit_code == 0, result.output
    return out / "report.html"


def keep(picture: Image.Image, name: str) -> None:
    """Write a picture in 96 colours: what a page has, in a quarter of the bytes."""
    small = picture.convert("RGB").quantize(96, dither=Image.Dither.NONE)
    small.save(DOCS / f"report-{name}.png", optimize=True)


def shot(page: Any) -> Image.Image:
    return Image.open(io.BytesIO(page.screenshot()))


def at(page: Any, selector: str) -> Image.Image:
    page.wait_for_selector(".viewer-volume-title")
    page.evaluate("selector => document.querySelector(selector).scrollIntoView()", selector)
    page.wait_for_timeout(800)
    return shot(page)


def test_wide(page_file: Path, visit: Callable[..., Any]) -> None:
    page = visit(page_file.as_uri(), width=1400, height=960)
    keep(at(page, "h1"), "wide")
    page.get_by_role("button", name="Mediastinum").click()
    keep(at(page, "#volumes"), "viewer")


def test_phone(page_file: Path, visit: Callable[..., Any]) -> None:
    page = visit(page_file.as_uri(), width=390, height=844)
    both = [at(page, selector) for selector in ("table.results", "#volumes")]
    side = Image.new("RGB", (2 * 390 + 20, 844), "white")
    for place, picture in enumerate(both):
        side.paste(picture, (place * 410, 0))
    keep(side, "phone")


def test_print(page_file: Path, tmp_path: Path, chromium: Any) -> None:
    page = chromium.new_page()
    page.goto(page_file.as_uri())
    page.wait_for_selector(".viewer-volume-title")
    page.pdf(path=tmp_path / "report.pdf", format="A4")
    page.close()
    subprocess.run(["pdftoppm", "-r", "60", "-png", tmp_path / "report.pdf", tmp_path / "page"], check=True)
    pages = [Image.open(file) for file in sorted(tmp_path.glob("page-*.png"))[:5:2]]
    side = Image.new("RGB", (sum(one.width + 12 for one in pages), pages[0].height), "grey")
    for place, picture in enumerate(pages):
        side.paste(picture, (place * (picture.width + 12), 0))
    keep(side, "print")
