"""One HTML file with volumes inside: what it holds, and that it works from disk under its own policy."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from medbench.datasets.phantom.dataset import generate
from medbench.imaging.volume import Volume
from medbench.viewer.packing import pack
from medbench.viewer.page import block, viewer_page


def test_a_block_keeps_the_grid_and_the_names_and_no_text_ends_it() -> None:
    volume, labels = generate(1, (32, 24, 8))
    packed = pack(volume, labels)
    grid, voxels, drawn = re.fullmatch(
        r'<script type="application/x-medbench-volume" id="one">\n(.*)\n(.*)\n(.*)\n</script>',
        block("one", packed, title="</script><b>"),
    ).groups()
    about = json.loads(grid)
    assert about["shape"] == [32, 24, 8]
    assert about["spacing"] == pytest.approx(volume.spacing_mm)
    assert about["name"] == "</script><b>"
    assert about["regions"]["1"] == labels.names[1]
    assert (voxels, drawn) == (packed.voxels, packed.labels)


def test_a_page_opens_from_disk_and_runs_nothing_but_its_own_script(tmp_path: Path, visit) -> None:
    volume, labels = generate(1, (64, 64, 32))
    shown = [("</script><script>alert(1)</script>", volume, labels), ("nearest", volume, None)]
    page_file = tmp_path / "page.html"
    page_file.write_text(viewer_page("<i>two</i>", shown), encoding="utf-8")
    page = visit(page_file.as_uri())
    page.wait_for_selector(".viewer-pane")
    titles = page.locator(".viewer-volume-title").all_inner_texts()
    assert titles == ["</script><script>alert(1)</script>", "nearest"]
    assert page.locator("h1").inner_text() == "<i>two</i>"
    assert page.locator(".viewer-pane").count() == 6
    assert page.locator("text=Axial 17 / 32").count() == 2


def test_another_script_is_blocked(tmp_path: Path, chromium) -> None:
    volume, _ = generate(1, (16, 16, 8))
    text = viewer_page("page", [("one", volume, None)]).replace(
        "</html>", "<script>document.title = 'run'</script></html>"
    )
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    page = chromium.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    page.wait_for_selector(".viewer-pane")
    assert page.title() == "page"
    page.close()


def test_equal_volumes_make_equal_pages() -> None:
    volume = Volume(np.zeros((8, 8, 4), np.int16))
    assert viewer_page("page", [("one", volume, None)]) == viewer_page("page", [("one", volume, None)])
