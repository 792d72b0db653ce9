"""Models that TotalSegmentator runs as its own: nnU-Net networks whose classes are read off the intensity."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medbench.imaging.volume import Volume

AIR, STEP = -1000, 100


@pytest.fixture
def staircase() -> Callable[[np.ndarray, np.ndarray], Volume]:
    """Return a function from levels (x, y, z) and an affine to a volume; level 0 is air."""

    def volume(levels: np.ndarray, affine: np.ndarray) -> Volume:
        return Volume((AIR + STEP * levels).astype(np.int16), affine)

    return volume


@pytest.fixture
def write_model() -> Callable[..., None]:
    return _write_model


def _write_model(
    results: Path, folder: str, *, trainer: str, classes: int, centres: Mapping[int, float], spacing: float
) -> None:
    """Write a model in the layout that TotalSegmentator's downloads have, with nnU-Net's own classes.

    Args:
        results: TOTALSEG_WEIGHTS_PATH.
        folder: the model's name.
        trainer: nnU-Net trainer that TotalSegmentator asks for.
        classes: of the model, background included.
        centres: level of the staircase that a class stands for; a voxel gets the class with the nearest one.
        spacing: of the plan in mm.
    """
    import torch
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    architecture = _architecture()
    network = get_network_from_plans(
        architecture["network_class_name"],
        architecture["arch_kwargs"],
        architecture["_kw_requires_import"],
        1,
        classes,
        deep_supervision=False,
    )
    _read_classes_off_the_intensity(network, centres)
    model = results / folder / f"{trainer}__nnUNetPlans__3d_fullres"
    (model / "fold_0").mkdir(parents=True)
    labels = {"background": 0} | {f"class_{value}": value for value in range(1, classes)}
    dataset = {"channel_names": {"0": "CT"}, "labels": labels, "numTraining": 1, "file_ending": ".nii.gz"}
    (model / "dataset.json").write_text(json.dumps(dataset), encoding="utf-8")
    (model / "plans.json").write_text(json.dumps(_plans(folder, architecture, spacing)), encoding="utf-8")
    checkpoint = {
        "network_weights": network.state_dict(),
        "init_args": {"configuration": "3d_fullres"},
        "trainer_name": trainer,
        "inference_allowed_mirroring_axes": None,
    }
    torch.save(checkpoint, model / "fold_0" / "checkpoint_final.pth")


def _architecture() -> dict[str, Any]:
    return {
        "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
        "arch_kwargs": {
            "n_stages": 2,
            "features_per_stage": [2, 2],
            "conv_op": "torch.nn.modules.conv.Conv3d",
            "kernel_sizes": [[1, 1, 1], [1, 1, 1]],
            "strides": [[1, 1, 1], [2, 2, 2]],
            "n_conv_per_stage": [1, 1],
            "n_conv_per_stage_decoder": [1],
            "conv_bias": True,
            "norm_op": None,
            "norm_op_kwargs": {},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }


def _plans(name: str, architecture: Mapping[str, Any], spacing: float) -> dict[str, Any]:
    resampling = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    of_labels = resampling | {"is_seg": True, "order": 1}
    of_probabilities = resampling | {"order": 1}
    configuration = {
        "data_identifier": "nnUNetPlans_3d_fullres",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": [32, 32, 32],
        "spacing": [spacing] * 3,
        "normalization_schemes": ["CTNormalization"],
        "use_mask_for_norm": [False],
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": resampling,
        "resampling_fn_seg": "resample_data_or_seg_to_shape",
        "resampling_fn_seg_kwargs": of_labels,
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities_kwargs": of_probabilities,
        "architecture": architecture,
    }
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
