"""One HTML file with volumes inside: what it holds, and that it works from disk under its own policy."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest

from medbench.datasets.phantom.dataset import generate
from medbench.errors import GeometryError
from medbench.imaging.volume import LabelMap, Volume
from medbench.viewer.page import embedded, viewer_page


def test_a_block_keeps_voxels_labels_and_names() -> None:
    volume, labels = generate(1, (32, 24, 8))
    block = embedded("one", volume, labels, title="</script><b>")
    grid, voxels, drawn = re.fullmatch(
        r'<script type="application/x-medbench-volume" id="one">\n(.*)\n(.*)\n(.*)\n</script>', block
    ).groups()
    about = json.loads(grid)
    assert about["shape"] == [32, 24, 8]
    assert about["spacing"] == pytest.approx(volume.spacing_mm)
    assert about["name"] == "</script><b>"
    assert about["regions"]["1"] == labels.names[1]
    assert gzip.decompress(base64.b64decode(voxels)) == volume.voxels.astype("<i2").tobytes(order="F")
    assert gzip.decompress(base64.b64decode(drawn)) == labels.voxels.tobytes(order="F")


def test_labels_of_another_grid_are_refused() -> None:
    volume, _ = generate(1, (16, 16, 8))
    labels = LabelMap(np.zeros((16, 16, 4), np.uint8), volume.affine)
    with pytest.raises(GeometryError, match="another grid"):
        embedded("one", volume, labels, title="sample 3")


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
