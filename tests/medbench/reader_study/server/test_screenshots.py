"""The pictures of docs/reader-study.md: ``pytest --write-screenshots`` on this file writes them anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from medbench.imaging.formats.nifti import write_nifti
from medbench.imaging.volume import Volume
from medbench.reader_study.packet import Packet
from medbench.storage.files import sha256_of

ROOT = Path(__file__).parents[4]
SCAN = ROOT / "tests" / "data" / "ct_abdomen_pelvis.nii.gz"


@pytest.fixture
def scans(packet_of: Callable[..., Packet]) -> Callable[..., Packet]:
    """A packet whose cases are a real scan and, as every second one, a smoothed copy of it."""
    volume = Volume.read(SCAN)
    smooth = np.rint(ndimage.gaussian_filter(volume.voxels.astype(np.float32), 1.0)).astype(np.int16)
    voxels = [np.rint(volume.voxels).astype(np.int16), smooth]
    spacing = [round(step, 3) for step in volume.spacing_mm]

    def build(names: tuple[str, ...], **changes: Any) -> Packet:
        packet = packet_of(names)
        for index, case in enumerate(names):
            write_nifti(packet.case_path(case), voxels[index % 2], np.diag([*spacing, 1.0]), stored=True)
        checksums = {case: sha256_of(packet.case_path(case)) for case in names}
        about = {"shape": list(volume.shape), "spacing_mm": spacing, "checksums": checksums, "title": "Abdominal CT"}
        # Another description needs no other files: they are written over.
        study = packet.path / "study.json"
        document = {**packet.study.model_dump(mode="json", by_alias=True), **about, **changes}
        study.write_text(packet.study.model_validate(document).model_dump_json(by_alias=True))
        return Packet.open(packet.path)

    return build


@pytest.fixture
def shoot(request: pytest.FixtureRequest) -> Callable[[Any, str], None]:
    if not request.config.getoption("--write-screenshots"):
        pytest.skip("writes into docs/: ask for it by --write-screenshots")
    return lambda page, name: page.screenshot(path=ROOT / "docs" / f"reader-study-{name}.png")


def _begin(page: Any) -> None:
    page.locator(".sheet .primary").click()
    page.get_by_role("button", name="Mediastinum").click()
    page.wait_for_timeout(1500)  # all slices


@pytest.mark.parametrize(("name", "width", "height"), [("rating", 1280, 800), ("tablet", 820, 1180)])
def test_rating(scans, live, visit, shoot, name: str, width: int, height: int) -> None:
    names = tuple(f"C{number:03}" for number in range(1, 13))
    page = visit(live(scans(names))["ann"], width=width, height=height)
    _begin(page)
    for case in range(4):
        for key in ("1", "4", "5", "4", "4", "Enter")[: 3 if case == 3 else 6]:
            page.keyboard.press(key)
    page.get_by_role("status").get_by_text("Saved", exact=True).wait_for()
    page.wait_for_timeout(1500)
    box = page.locator(".viewer-pane canvas").first.bounding_box()
    page.get_by_role("button", name="Ruler").click()
    x, y = box["x"] + box["width"] * 0.47, box["y"] + box["height"] * 0.58
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 70, y - 12, steps=3)
    page.mouse.up()
    page.wait_for_timeout(300)
    shoot(page, name)


def test_keys(scans, live, visit, shoot) -> None:
    page = visit(live(scans(("C001", "C002")))["ann"])
    _begin(page)
    page.keyboard.press("h")
    page.wait_for_timeout(300)
    shoot(page, "keys")


def test_pairs(scans, pairs_packet, live, visit, shoot) -> None:
    names = tuple(pairs_packet.study.checksums)
    changes = pairs_packet.study.model_dump(
        mode="json", include={"design", "criteria", "pairs", "training", "orders", "cases"}
    )
    page = visit(live(scans(names, **changes))["ann"])
    _begin(page)
    for key in ("1", "Enter", "2"):
        page.keyboard.press(key)
    page.wait_for_timeout(1500)
    shoot(page, "pairs")
