from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from medbench.datasets.phantom.dataset import generate
from medbench.drawing import montage as figures
from medbench.imaging.volume import Volume
from medbench.records.gallery import Gallery, Pair, Shown, kept, stored
from medbench.records.results import Budget, Definition, Report, Result, Skipped, StageMemory, StoredFigure
from medbench.records.run import RunFolder, RunRecord, StageRecord
from medbench.records.samples import StoredVolume
from medbench.spec import Window, fingerprint
from medbench.storage.files import sha256_of

PROTOCOL = {"metric": "m", "version": "1", "n_real": 8, "n_synthetic": 4, "window": {"low": -1000.0, "high": 1000.0}}


@pytest.fixture
def ratios() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        [
            {
                "side": side,
                "id": f"{side}-{index}",
                "region": region,
                "voxels": int(1000 * share),
                "ratio": share,
                "ml": share,
            }
            for side, count in (("real", 8), ("synthetic", 4), ("held_out", 4))
            for region, centre in (("lung_left", 0.1), ("aorta", 0.01))
            for index, share in enumerate(rng.normal(centre, centre / 10, count))
        ]
    )


@pytest.fixture
def fid() -> Result:
    return Result(
        metric="fid25d",
        summary="how far features lie apart",
        value=3.14159,
        ci95=(2.71828, 3.60555),
        ci_method="delete-one-subject jackknife",
        floor=0.41421,
        floor_note="4 held-out real volumes in place of the samples",
        floor_values=(0.41421,),
        floor_counts="same",
        better="lower",
        unit=None,
        n_real=8,
        n_synthetic=4,
        parts={"xy": 2.23607, "yz": 3.31662},
        floor_parts={"xy": 0.31831},
        definitions={"xy": Definition("of axial slices alone", "arbitrary units")},
        notes=("few slices",),
        fingerprint="0123456789ab",
        protocol=PROTOCOL,
        stand_ins=("seeded-resnet",),
        seconds=12.3,
        table=None,
        figures=(StoredFigure(file="figures/planes.png", caption="Each plane.", alt="Dots by plane"),),
    )


@pytest.fixture
def report(fid: Result) -> Report:
    figures_of_regions = {"wasserstein": 0.12345, "ks": 0.23456, "missing_rate": 0.0}
    rvr = fid.model_copy(
        update={
            "metric": "rvr",
            "value": 0.57721,
            "parts": {"lung_left": figures_of_regions, "aorta": {"wasserstein": 0.34567, "ks": 0.45678}},
            "floor_parts": {"lung_left": {"wasserstein": 0.05678}},
            "definitions": {"ks": Definition("largest difference", "0 to 1")},
            "fingerprint": "ba9876543210",
            "stand_ins": (),
            "figures": (),
            "table": "tables/rvr.csv",
        }
    )
    reconstruction = fid.model_copy(
        update={
            "metric": "reconstruction",
            "figures": (),
            "value": 31.4159,
            "ci95": None,
            "ci_method": "absent: one subject",
            "floor": None,
            "floor_note": None,
            "better": "higher",
            "unit": "dB",
            "parts": {},
            "fingerprint": "77aa77aa77aa",
        }
    )
    memory = StageMemory(
        allocated_bytes=None, reserved_bytes=None, process_bytes=None, rss_bytes=3 * 2**30, seconds=93.2
    )
    return Report(
        run="trial",
        model="medlord",
        model_version="1",
        dataset="phantom",
        track="phantom/1f2e3d4c5b6a",
        budget=Budget(limit_bytes=24 * 2**30, kind="absent", card="none", within=None, stages={"sample": memory}),
        leaks=("its encoder saw LIDC",),
        results=(fid, rvr, reconstruction),
        skipped=(Skipped(metric="downstream", reason="nnU-Net is not installed"),),
    )


SPEC = {"model": "medlord", "seed": 7}


@pytest.fixture
def make_run(tmp_path: Path, report: Report, ratios: pd.DataFrame) -> Callable[..., Path]:
    """Make a finished run of a name, with anything in its records changed."""

    def make(name: str = "trial", **evaluation: object) -> Path:
        folder = tmp_path / name
        record = RunRecord(
            kind="run",
            id=name,
            spec=SPEC,
            fingerprint=fingerprint(SPEC),
            versions={"medbench": "0.1.0", "torch": "2.10.0"},
            device="cpu",
            stages={"evaluate": StageRecord(status="done", started=1769868300.0, seconds=5.0)},
            evaluation=evaluation,
        )
        RunFolder(folder).write(record)
        report.model_copy(update={"run": name}).save(folder)
        (folder / "tables").mkdir()
        ratios.to_csv(folder / "tables" / "rvr.csv", index=False)
        volume = Volume(np.full((8, 8, 4), -1000, np.int16))
        for figure in ("montage", "planes", "mine"):
            figures.montage([volume], [volume], folder / "figures" / f"{figure}.png", window=Window(low=-1000, high=0))
        return folder

    return make


GALLERY_SHAPE = (32, 32, 16)


@pytest.fixture
def gallery_run(make_run: Callable[..., Path], tmp_path: Path) -> Path:
    """A run with a gallery: three samples, each beside one real volume of its own, and a reconstruction."""
    folder = make_run()

    def write(path: Path, seed: int) -> StoredVolume:
        generate(seed, GALLERY_SHAPE)[0].write(path)
        return StoredVolume(path.name.removesuffix(".nii.gz"), "x", path, sha256_of(path))

    pairs = []
    for index in range(3):
        sample = write(folder / "samples" / f"00000{index}.nii.gz", index)
        real = write(tmp_path / "real" / f"case-{index}.nii.gz", 10 + index)
        label_map = kept(generate(10 + index, GALLERY_SHAPE)[1], folder, f"{index}-labels")
        first = stored(sample, folder, "sample", labels="none: nobody drew any")
        beside = stored(real, folder, "real", labels="as given", label_map=label_map, regions={1: "<b>lung"})
        pairs.append(Pair(first=first, beside=beside, relation=f"nearest of {index}"))
    made = kept(generate(30, GALLERY_SHAPE)[0], folder, "again")
    again = Shown(kind="made", name="case-0, reconstructed", volume=made, labels="none")
    pairs.append(Pair(first=pairs[0].beside, beside=again, relation="what became of it"))
    Gallery(pairs=tuple(pairs)).save(folder)
    return folder
