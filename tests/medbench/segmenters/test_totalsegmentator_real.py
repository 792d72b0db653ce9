"""The real TotalSegmentator: minutes, hence not in the default run.

Its models are those of ``write_total_model``, which read a voxel's class off its intensity.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medbench.imaging.volume import Volume
from medbench.segmenters import total_models
from medbench.segmenters.total_process import process_for
from medbench.segmenters.total_worker import REFUSED
from medbench.segmenters.totalsegmentator import TotalSegmentator, TotalSegmentatorHeartChambers

AIR, STEP = -1000, 100  # the staircase of write_total_model

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def blocks(levels: list[int]) -> tuple[np.ndarray, dict[int, tuple[slice, ...]]]:
    """Return a field of cuboids with these levels, and the inside of each, clear of resampling."""
    field = np.zeros((60, 36, 30), int)
    insides = {}
    for place, level in enumerate(levels):
        x, y = divmod(place, 3)
        field[2 + 12 * x : 12 + 12 * x, 2 + 11 * y : 11 + 11 * y, 4:26] = level
        insides[level] = (slice(4 + 12 * x, 10 + 12 * x), slice(5 + 11 * y, 9 + 11 * y), slice(7, 23))
    return field, insides


def test_total_end_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, oblique: np.ndarray, write_total_model: Callable[..., None]
) -> None:
    from totalsegmentator.map_to_binary import class_map_5_parts, map_taskid_to_partname_ct

    wanted = {
        291: {"lung_upper_lobe_left": "lung_left", "lung_middle_lobe_right": "lung_right"},
        292: {"vertebrae_T5": "spine"},
        293: {"heart": "heart", "aorta": "aorta"},
        294: {"humerus_left": "humerus_left"},
        295: {"rib_left_3": "ribs"},
    }
    results, regions = tmp_path / "results", {}
    for model, structures in wanted.items():
        part = {name: value for value, name in class_map_5_parts[map_taskid_to_partname_ct[model]].items()}
        centres = {0: float(len(regions))}
        for structure, region in structures.items():
            regions[len(regions) + 1] = region
            centres[part[structure]] = float(len(regions))
        folder = total_models._folder_name(model)
        trainer = "nnUNetTrainerNoMirroring"
        write_total_model(results, folder, trainer=trainer, classes=len(part) + 1, centres=centres, spacing=1.5)
    monkeypatch.setenv("TOTALSEG_WEIGHTS_PATH", str(results))
    field, insides = blocks(list(regions))
    volume = staircase(field, oblique)
    found = TotalSegmentator(device="cpu").segment(volume)
    log = process_for(results, None).log()
    assert found.shape == volume.shape
    assert np.array_equal(found.affine, volume.affine)
    seen = {
        level: {found.names.get(int(value)) for value in np.unique(found.voxels[insides[level]])} for level in regions
    }
    assert seen == {level: {region} for level, region in regions.items()}
    assert not found.voxels[:, :, :2].any()
    assert REFUSED not in log


def test_heart_chambers_end_to_end(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    licensed: Path,
    oblique: np.ndarray,
    write_total_model: Callable[..., None],
) -> None:
    """On a grid whose axes run Left, Posterior and Superior; TotalSegmentator drops what lies far from the heart."""
    results, before = tmp_path / "results", licensed.read_bytes()
    around = {"trainer": "nnUNetTrainer_4000epochs_NoMirroring", "classes": 118, "spacing": 3.0}
    write_total_model(results, total_models._folder_name(297), centres={0: 1.0, 51: 4.0}, **around)
    chambers = {"trainer": "nnUNetTrainer", "classes": 8, "spacing": 1.5}
    centres = {0: 0.0, 6: 1.0, 1: 3.0, 2: 4.0, 3: 5.0, 4: 6.0, 5: 7.0, 7: 8.0}
    write_total_model(results, total_models._folder_name(301), centres=centres, **chambers)
    monkeypatch.setenv("TOTALSEG_WEIGHTS_PATH", str(results))
    field, insides = blocks([3, 4, 5, 6, 7, 8])
    field[46:58, 10:24, 4:26] = 1  # an aorta by its intensity, where the 3 mm model sees no heart
    insides[1] = (slice(46, 58), slice(0, 36), slice(0, 30))
    volume = staircase(field, oblique @ np.diag([-1.0, -1.0, 1.0, 1.0]))
    found = TotalSegmentatorHeartChambers(device="cpu").segment(volume)
    log = process_for(results, json.loads(before)["license_number"]).log()
    assert np.array_equal(found.affine, volume.affine)
    seen = {level: set(np.unique(found.voxels[inside])) for level, inside in insides.items()}
    assert seen == {3: {1}, 4: {2}, 5: {3}, 6: {4}, 7: {5}, 8: {7}, 1: {0}}
    assert found.names[3] == "heart_ventricle_left"
    assert licensed.read_bytes() == before
    assert REFUSED not in log


def staircase(levels: np.ndarray, affine: np.ndarray) -> Volume:
    """Return a volume of levels (x, y, z); level 0 is air."""
    return Volume((AIR + STEP * levels).astype(np.int16), affine)
