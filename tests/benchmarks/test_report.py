"""How long a report of full size takes to appear and to turn a slice, in headless Chromium without a GPU.

pytest -m benchmark -s tests/benchmarks/test_report.py

Volumes of 512 x 512 x 256 with noise, so that the page is as long as it may be. The times print; they decide nothing.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medbench.imaging.formats.nifti import write_nifti
from medbench.records.gallery import Gallery, Pair, stored
from medbench.records.results import Budget, Report
from medbench.records.run import RunFolder, RunRecord
from medbench.records.samples import StoredVolume
from medbench.report.html import write_report
from medbench.spec import fingerprint
from medbench.storage.files import sha256_of

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]

SHAPE = (512, 512, 256)
PAIRS = 3
TURNS = 30

PAINTED = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
SHOWN = """async () => {
    const grey = (one) => one.getContext("2d").getImageData(one.width / 2, one.height / 3, 1, 1).data[0];
    const lit = () => [...document.querySelectorAll(".viewer-pane.main canvas")];
    while (lit().filter((one) => one.width > 100 && grey(one) > 0).length < 2) await new Promise(requestAnimationFrame);
    return performance.now();
}"""
TURN = """async (times) => {
    const waited = [];
    const slider = document.querySelector(".viewer-slider");
    for (let time = 0; time < times; time += 1) {
        const from = performance.now();
        slider.dispatchEvent(new KeyboardEvent("keydown", { key: time % 2 ? "PageUp" : "PageDown", bubbles: true }));
        await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
        waited.push(performance.now() - from);
    }
    return waited;
}"""


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("big")
    spec = {"model": "m"}
    record = RunRecord(kind="run", id="big", spec=spec, fingerprint=fingerprint(spec), versions={})
    RunFolder(run).write(record)
    budget = Budget(limit_bytes=1, kind="absent", card="none", within=None)
    Report(run="big", model="m", model_version=None, dataset="d", track="d/0", budget=budget, results=()).save(run)
    x, y = np.meshgrid(np.linspace(-1, 1, SHAPE[0]), np.linspace(-1, 1, SHAPE[1]), indexing="ij")
    body = np.where(x**2 + (1.4 * y) ** 2 < 0.8, 40, -1000).astype(np.int16)[..., None]
    shown = []
    for index in range(2 * PAIRS):
        voxels = body + np.random.default_rng(index).integers(-50, 50, SHAPE, dtype=np.int16)
        path = run / "samples" / f"{index}.nii.gz"
        write_nifti(path, voxels, np.diag([0.7, 0.7, 1.0, 1.0]), stored=True)
        item = StoredVolume(str(index), str(index), path, sha256_of(path))
        shown.append(stored(item, run, "sample", labels="none"))
    pairs = zip(shown[::2], shown[1::2])
    Gallery(pairs=tuple(Pair(first=a, beside=b, relation="next") for a, b in pairs)).save(run)
    began = time.monotonic()
    page = write_report(run)
    print(f"\nwritten in {time.monotonic() - began:.0f} s, {page.stat().st_size / 1e6:.1f} MB")
    return page


def test_how_long_a_reader_waits(page_file: Path, visit: Any) -> None:
    page = visit(page_file.as_uri(), width=1400, height=900)
    shown = page.evaluate(SHOWN)
    print(f"first paint {page.evaluate(PAINTED):.0f} ms, first pair of volumes shown {shown:.0f} ms")
    print(page.locator("#volumes ~ p.small").first.inner_text())
    page.locator(".viewer-slider").first.focus()
    waited = np.array(page.evaluate(TURN, TURNS))
    print(f"a slice: median {np.median(waited):.0f} ms, longest {waited.max():.0f} ms")
