"""The files of the page: a fixed list, nothing inline, nothing from elsewhere."""

from __future__ import annotations

import re

import pytest

from medbench.reader_study.server.pages import STATIC

MODULES = sorted(STATIC.glob("*.js"))
MOST_LINES = 300


def test_files_have_their_types_and_need_no_link(served) -> None:
    kinds = {
        "/": "text/html; charset=utf-8",
        "/study/study.css": "text/css; charset=utf-8",
        "/study/main.js": "text/javascript; charset=utf-8",
        "/viewer/viewer.js": "text/javascript; charset=utf-8",
        "/study/icon.svg": "image/svg+xml",
    }
    for address, kind in kinds.items():
        answer = served.ask("GET", address, reader=None)
        assert (answer.status, answer.headers["content-type"]) == (200, kind)
        assert answer.body


def test_the_page_has_no_script_or_style_of_its_own_and_loads_nothing_else(served) -> None:
    html = served.ask("GET", "/").body.decode()
    assert not re.search(r"<style|style=|\son\w+=|javascript:", html)
    assert all(re.match(r"/(study|viewer)/", address) for address in re.findall(r'(?:src|href)="([^"]+)"', html))
    assert re.findall(r"<script[^>]*>(.*?)</script>", html) == [""]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_modules_are_short_and_say_what_they_are(module) -> None:
    text = module.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    assert text.startswith("/**")
    assert not re.search(r"\beval\(|new Function|innerHTML|outerHTML|document\.write|console\.|https?:", text)


def test_every_import_leads_to_a_file(served) -> None:
    for module in MODULES:
        for address in re.findall(r'^import .* from "([^"]+)";', module.read_text(encoding="utf-8"), re.MULTILINE):
            assert served.ask("GET", address.replace("./", "/study/"), reader=None).status == 200, address
