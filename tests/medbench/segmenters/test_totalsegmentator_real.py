"""The real TotalSegmentator: minutes, hence not in the default run.

Its models are written with nnU-Net's own classes and read a voxel's class off its intensity.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medbench.imaging.volume import Volume
from medbench.segmenters import total_models
from medbench.segmenters.total_process import process_for
from medbench.segmenters.total_worker import REFUSED
from medbench.segmenters.totalsegmentator import TotalSegmentator, TotalSegmentatorHeartChambers

AIR, STEP = -1000, 100

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


LAYERS = {
    "conv_op": "torch.nn.modules.conv.Conv3d",
    "norm_op": None,
    "dropout_op": None,
    "nonlin": "torch.nn.LeakyReLU",
}
OPTIONS = {"conv_bias": True, "norm_op_kwargs": {}, "dropout_op_kwargs": None, "nonlin_kwargs": {"inplace": True}}
BLOCKS = {"n_stages": 2, "features_per_stage": [2, 2], "n_conv_per_stage": [1, 1], "n_conv_per_stage_decoder": [1]}
ARCHITECTURE = {
    "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
    "arch_kwargs": LAYERS | OPTIONS | BLOCKS | {"kernel_sizes": [[1] * 3] * 2, "strides": [[1] * 3, [2] * 3]},
    "_kw_requires_import": [*LAYERS],
}


def blocks(levels: list[int]) -> tuple[np.ndarray, dict[int, tuple[slice, ...]]]:
    """Return a field of cuboids with these levels, and the inside of each, clear of resampling."""
    field = np.zeros((60, 36, 30), int)
    insides = {}
    for place, level in enumerate(levels):
        x, y = divmod(place, 3)
        field[2 + 12 * x : 12 + 12 * x, 2 + 11 * y : 11 + 11 * y, 4:26] = level
        insides[level] = (slice(4 + 12 * x, 10 + 12 * x), slice(5 + 11 * y, 9 + 11 * y), slice(7, 23))
    return field, insides


def test_total_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, oblique: np.ndarray) -> None:
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
        write_model(results, folder, trainer=trainer, classes=len(part) + 1, centres=centres, spacing=1.5)
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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, licensed: Path, oblique: np.ndarray
) -> None:
    """On a grid whose axes run Left, Posterior and Superior; TotalSegmentator drops what lies far from the heart."""
    results, before = tmp_path / "results", licensed.read_bytes()
    around = {"trainer": "nnUNetTrainer_4000epochs_NoMirroring", "classes": 118, "spacing": 3.0}
    write_model(results, total_models._folder_name(297), centres={0: 1.0, 51: 4.0}, **around)
    chambers = {"trainer": "nnUNetTrainer", "classes": 8, "spacing": 1.5}
    centres = {0: 0.0, 6: 1.0, 1: 3.0, 2: 4.0, 3: 5.0, 4: 6.0, 5: 7.0, 7: 8.0}
    write_model(results, total_models._folder_name(301), centres=centres, **chambers)
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


def write_model(
    results: Path, folder: str, *, trainer: str, classes: int, centres: Mapping[int, float], spacing: float
) -> None:
    """Write a model with nnU-Net's own classes, in the layout of TotalSegmentator's downloads.

    A voxel gets the class with the nearest of the ``centres``, which are levels of the staircase.
    """
    import torch
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    network = get_network_from_plans(*ARCHITECTURE.values(), 1, classes, deep_supervision=False)
    _read_classes_off_the_intensity(network, centres)
    model = results / folder / f"{trainer}__nnUNetPlans__3d_fullres"
    (model / "fold_0").mkdir(parents=True)
    labels = {"background": 0} | {f"class_{value}": value for value in range(1, classes)}
    dataset = {"channel_names": {"0": "CT"}, "labels": labels, "numTraining": 1, "file_ending": ".nii.gz"}
    (model / "dataset.json").write_text(json.dumps(dataset), encoding="utf-8")
    (model / "plans.json").write_text(json.dumps(_plans(folder, spacing)), encoding="utf-8")
    checkpoint = {
        "network_weights": network.state_dict(),
        "init_args": {"configuration": "3d_fullres"},
        "trainer_name": trainer,
        "inference_allowed_mirroring_axes": None,
    }
    torch.save(checkpoint, model / "fold_0" / "checkpoint_final.pth")


def _plans(name: str, spacing: float) -> dict[str, Any]:
    configuration = {
        "data_identifier": "nnUNetPlans_3d_fullres",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": [32, 32, 32],
        "spacing": [spacing] * 3,
        "normalization_schemes": ["CTNormalization"],
        "use_mask_for_norm": [False],
        "architecture": ARCHITECTURE,
    }
    for kind, order in (("data", 3), ("seg", 1), ("probabilities", 1)):
        options = {"is_seg": kind == "seg", "order": order, "order_z": 0, "force_separate_z": None}
        configuration[f"resampling_fn_{kind}"] = "resample_data_or_seg_to_shape"
        configuration[f"resampling_fn_{kind}_kwargs"] = options
    # So normalised, the intensity is the level of the staircase, and never negative.
    intensity = {"mean": AIR, "std": STEP, "percentile_00_5": AIR, "percentile_99_5": 2000}
    return {
        "dataset_name": name,
        "plans_name": "nnUNetPlans",
        "image_reader_writer": "NibabelIOWithReorient",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {"3d_fullres": configuration},
        "foreground_intensity_properties_per_channel": {"0": intensity},
        "label_manager": "LabelManager",
    }


def _read_classes_off_the_intensity(network: Any, centres: Mapping[int, float]) -> None:
    """Set weights so that the class with the nearest level wins: -(x - c)^2 is linear in x but for a common term."""
    import torch

    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    first, last = network.encoder.stages[0][0].convs[0].conv, network.decoder.stages[0].convs[0].conv
    classes = network.decoder.seg_layers[0]
    with torch.no_grad():
        first.weight[0, 0] = 1.0
        last.weight[0, first.out_channels] = 1.0  # the skip connection comes behind the upsampled channels
        classes.bias.fill_(-500.0)
        for value, centre in centres.items():
            classes.weight[value, 0] = 2.0 * centre
            classes.bias[value] = -centre * centre
