"""How long a reader waits at 512 x 512 x 256, in headless Chromium without a GPU. They print; they decide nothing.

pytest -m benchmark -s tests/benchmarks/test_viewer.py

The times run from the key press to the second frame after it: what was drawn is on the screen by then.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from medbench.imaging.formats.nifti import write_nifti
from medbench.reader_study.criteria import load_criteria
from medbench.reader_study.packet import Packet
from medbench.reader_study.server.serve import prepare
from medbench.reader_study.study import Study
from medbench.storage.files import sha256_of

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]

SHAPE = (512, 512, 256)
SPACING = (0.7, 0.7, 1.0)
TIMES = 30

FIRST_PICTURE = """async () => {
    document.querySelector(".sheet .primary").click();
    for (;;) {
        await new Promise(requestAnimationFrame);
        const canvases = [...document.querySelectorAll(".viewer-pane.main canvas")];
        const lit = (canvas) => {
            const { data } = canvas.getContext("2d").getImageData(canvas.width / 2 - 60, canvas.height / 2 - 60, 1, 1);
            return data[0] > 20;
        };
        if (canvases.length > 0 && canvases.every((canvas) => canvas.width > 300 && lit(canvas))) break;
    }
    return performance.now();  // since the address was opened
}"""
ALL_SLICES = """async (count) => {
    const from = performance.now();
    const slabs = () => performance.getEntriesByType("resource").filter(({ name }) => name.includes("/slices/"));
    while (slabs().length < count) await new Promise((done) => setTimeout(done, 20));
    return performance.now() - from;
}"""
KEYS = """async ([keys, times]) => {
    const waited = [];
    for (let time = 0; time < times; time += 1) {
        const from = performance.now();
        document.body.dispatchEvent(new KeyboardEvent("keydown", { key: keys[time % keys.length], bubbles: true }));
        await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        waited.push(performance.now() - from);
    }
    return waited;
}"""


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four noisy cylinders."""
    folder = tmp_path_factory.mktemp("big")
    x, y = np.meshgrid(np.linspace(-1, 1, SHAPE[0]), np.linspace(-1, 1, SHAPE[1]), indexing="ij")
    body = np.where(x**2 + (1.4 * y) ** 2 < 0.8, 40, -1000).astype(np.int16)[..., None]
    rng = np.random.default_rng(0)
    for case in ("C001", "C002", "C003", "C004"):
        voxels = body + rng.integers(-50, 50, SHAPE, dtype=np.int16)
        write_nifti(folder / "cases" / f"{case}.nii.gz", voxels, np.diag([*SPACING, 1.0]), stored=True)
    return folder


@pytest.fixture
def open_study(cases: Path) -> Iterator[Callable[[str], str]]:
    running = []

    def serve(design: str) -> str:
        files = sorted((cases / "cases").iterdir())
        names = [file.name.removesuffix(".nii.gz") for file in files]
        pairs = {"P001": {"left": "C001", "right": "C002"}, "P002": {"left": "C003", "right": "C004"}}
        criteria = load_criteria(design)
        study = Study(
            title="Benchmark",
            design=criteria.design,
            format="nifti",
            cases=len(names),
            shape=SHAPE,
            spacing_mm=SPACING,
            criteria=criteria.criteria,
            pairs=pairs if design == "2afc" else {},
            orders=(tuple(pairs if design == "2afc" else names),),
            checksums={name: sha256_of(file) for name, file in zip(names, files)},
            commitment="0" * 64,
        )
        (cases / "study.json").write_text(study.model_dump_json(by_alias=True), encoding="utf-8")
        shutil.rmtree(cases / "ratings", ignore_errors=True)  # of the other design
        service = prepare(Packet.open(cases), [], "127.0.0.1", 0)
        thread = threading.Thread(target=service.run)
        thread.start()
        running.append((service, thread))
        (link,) = service.links.values()
        return link

    yield serve
    for service, thread in running:
        service.server.should_exit = service.server.force_exit = True
        thread.join()


def _wait(page: Any, what: str, keys: list[str]) -> None:
    waited = np.array(page.evaluate(KEYS, [keys, TIMES]))
    print(f"{what:24} median {np.median(waited):5.0f} ms, longest {waited.max():5.0f} ms")


@pytest.mark.parametrize("design", ["rating", "2afc"])
def test_how_long_a_reader_waits(open_study, visit, design: str) -> None:
    page = visit(open_study(design))
    page.wait_for_selector(".sheet .primary")
    volumes = 2 if design == "2afc" else 1
    print(f"\n{design}, {volumes} x {SHAPE}")
    print(f"{'first picture':24} {page.evaluate(FIRST_PICTURE):12.0f} ms")
    print(f"{'then all slices':24} {page.evaluate(ALL_SLICES, 32 * volumes):12.0f} ms")
    page.evaluate(ALL_SLICES, 64 * volumes)  # the next trial, too
    _wait(page, "window", ["l", "m", "b", "v"])
    for plane in ("axial", "coronal", "sagittal"):
        page.keyboard.press(plane[0])
        _wait(page, f"{plane} slice", ["ArrowUp"])
    print(f"{'page, voxels and all':24} {page.evaluate('performance.memory.usedJSHeapSize') / 2**20:12.0f} MiB")
    print(f"{'server and this test':24} {psutil.Process().memory_info().rss / 2**20:12.0f} MiB")
