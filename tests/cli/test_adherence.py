"""``medbench evaluate SAMPLES --dataset phantom --masks DIR --metrics adherence``: masks against what is seen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from medbench.datasets.phantom.dataset import generate
from medbench.datasets.phantom.thorax import LABELS
from medbench.imaging.volume import LabelMap

# Held-out phantoms of the data set are 200000 to 200015: the first two samples share their masks with real volumes.
FEW = f"{Path(__file__).parents[1] / 'toys.py'}:FullSizeDataset"
SEEDS = (200_000, 200_001, 900_000, 900_001, 900_002, 900_003)


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Samples that are phantoms, with their own label maps, with shifted ones, and with ones that nobody named."""
    root = tmp_path_factory.mktemp("phantoms")
    for seed in SEEDS:
        volume, labels = generate(seed)
        volume.write(root / "samples" / f"{seed}.nii.gz")
        labels.write(root / "own" / f"{seed}.nii.gz")
        labels.write(root / "unnamed" / f"{seed}.nii.gz")
        moved = LabelMap(np.roll(labels.voxels, 3, axis=0), labels.affine, LABELS)
        moved.write(root / "shifted" / f"{seed}.nii.gz")
    for name in ("own", "shifted"):
        (root / name / "labels.json").write_text(json.dumps({str(value): name for value, name in LABELS.items()}))
    return root


def invoke(root: Path, out: Path, *more: str | Path, dataset: str = FEW) -> Result:
    arguments = ["evaluate", root / "samples", "--dataset", dataset, "--metrics", "adherence", "--out", out, "--json"]
    return CliRunner().invoke(app, [str(argument) for argument in (*arguments, *more)], env={"COLUMNS": "200"})


def evaluate(root: Path, out: Path, *more: str | Path, dataset: str = FEW) -> dict[str, object]:
    result = invoke(root, out, *more, dataset=dataset)
    assert result.exit_code == 0, result.stderr
    document: dict[str, object] = json.loads(result.stdout)
    return document


@pytest.fixture(scope="module")
def own(phantoms: Path) -> dict[str, object]:
    """The result of the samples with their own masks; it lies in ``own-out`` beside them."""
    found: dict[str, object] = evaluate(phantoms, phantoms / "own-out", "--masks", phantoms / "own")["results"][0]
    return found


def test_real_phantoms_reach_the_segmenters_dice_and_shifted_masks_do_not(
    own: dict[str, object], phantoms: Path, tmp_path: Path
) -> None:
    shifted = evaluate(phantoms, tmp_path, "--masks", phantoms / "shifted")["results"][0]
    assert own["value"] > 0.9
    assert own["value"] == pytest.approx(own["ceiling"], abs=0.03)
    assert "whose masks steered 2 of 6 samples" in own["ceiling_note"]
    assert own["floor"] < 0.7 and own["ci95"][0] < own["value"] < own["ci95"][1]
    assert shifted["value"] < 0.6
    assert shifted["parts"]["spine"]["hd95_median"] == pytest.approx(3 * 5.2, abs=5.2)
    assert set(own["parts"]) == {*LABELS.values(), "overall"} - {"body"}
    assert own["n_synthetic"] == own["parts"]["lung_left"]["n"] == len(SEEDS)
    assert own["stand_ins"] == ["phantom"]


def test_the_table_has_a_row_a_sample_and_region_and_the_report_its_figure(
    own: dict[str, object], phantoms: Path
) -> None:
    out = phantoms / "own-out"
    table = pd.read_csv(out / "tables" / "adherence.csv")
    assert {"id", "region", "dsc", "nsd", "hd95_mm", "mask"} <= set(table.columns)
    assert len(table) == len(SEEDS) * 12
    assert table.groupby("id")["mask"].nunique().eq(1).all() and table["mask"].nunique() == len(SEEDS)
    assert (out / "figures" / "region_overlap.png").is_file()
    assert "segmenter reaches on real images" in (out / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.timeout(1800)  # 80 phantoms are made first; other work on the machine stretches that
def test_the_embedded_track(phantoms: Path, tmp_path: Path) -> None:
    result = evaluate(phantoms, tmp_path, "--masks", phantoms / "own", dataset="phantom")["results"][0]
    assert result["value"] > 0.9
    assert result["n_real"] == 64


def test_what_is_missing_is_skipped_with_its_mend(phantoms: Path, tmp_path: Path) -> None:
    cases = {
        "give --masks": (),
        "labels.json beside the masks": ("--masks", phantoms / "unnamed"),
        "name a segmenter": ("--masks", phantoms / "own", "--segmenter", "precomputed"),
    }
    for words, more in cases.items():
        result = invoke(phantoms, tmp_path / words.split()[0], *more)
        assert result.exit_code == 2, "no number at all is a failure"
        assert words in result.stderr
