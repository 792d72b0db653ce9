"""nnU-Net trainers of the metric ``downstream``; nnU-Net finds them by its variable ``nnUNet_extTrainer``.

nnU-Net imports every module of this folder from its own process: nothing of medbench is imported here, and torch and
nnU-Net are. The schedule comes from the variable ``MEDBENCH_NNUNET`` (JSON, see ``presets.Preset``). ``__init__`` must
repeat the parent's signature: nnU-Net keeps the arguments by name in its checkpoints.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch  # noqa: TID253  # this module runs inside nnU-Net alone
from nnunetv2.training.dataloading.nnunet_dataset import infer_dataset_class  # noqa: TID253
from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler  # noqa: TID253
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer  # noqa: TID253

_SEED = 20250313
_MOST_WEIGHT = 20.0


class MedbenchTrainer(nnUNetTrainer):  # type: ignore[misc]  # nnU-Net has no types
    """nnU-Net's default trainer with a schedule from outside, seeded, without mirroring, with whole checkpoints.

    Mirroring is off because regions come in left and right pairs. The validation that nnU-Net runs after a training
    on all cases is left out: it would predict every training case and tell nothing.
    """

    def __init__(
        self,
        plans: dict[str, Any],
        configuration: str,
        fold: int,
        dataset_json: dict[str, Any],
        device: torch.device = torch.device("cuda"),  # noqa: B008  # the parent's signature
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        schedule = json.loads(os.environ["MEDBENCH_NNUNET"])
        self.num_epochs = schedule["epochs"]
        self.initial_lr = schedule["learning_rate"]
        self.num_iterations_per_epoch = schedule["iterations"]
        self.num_val_iterations_per_epoch = schedule["validation_iterations"]
        self.save_every = schedule["save_every"]
        # nnU-Net takes every core; a limit that the user has set holds.
        if device.type == "cpu" and "OMP_NUM_THREADS" in os.environ:
            torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))

    def initialize(self) -> None:
        """Seed the first weights."""
        _seed(0)
        super().initialize()

    def on_epoch_start(self) -> None:
        """Seed each epoch by its number, so that a training that goes on draws what it would have drawn."""
        _seed(1 + self.current_epoch)
        super().on_epoch_start()

    def configure_rotation_dummyDA_mirroring_and_inital_patch_size(self) -> tuple[Any, ...]:
        """Switch mirroring off, in training and in prediction."""
        configured = super().configure_rotation_dummyDA_mirroring_and_inital_patch_size()
        self.inference_allowed_mirroring_axes = None
        return (*configured[:3], None)

    def save_checkpoint(self, filename: str) -> None:
        """Write a checkpoint whole or not at all: a training that is killed meanwhile goes on from the one before."""
        part = Path(f"{filename}.part")
        super().save_checkpoint(str(part))
        if part.is_file():
            part.replace(filename)

    def perform_actual_validation(self, save_probabilities: bool = False) -> None:
        """Leave out the validation on the training cases."""
        del save_probabilities


class MedbenchTrainerTiny(MedbenchTrainer):
    """For a few hundred steps: AdamW, rare labels weigh more in the cross-entropy, and no augmentation.

    With nnU-Net's slow momentum or equal weights some small regions are never predicted after so few steps.
    """

    def configure_optimizers(self) -> tuple[torch.optim.Optimizer, PolyLRScheduler]:
        """Return AdamW with nnU-Net's weight decay and its polynomial schedule."""
        optimizer = torch.optim.AdamW(self.network.parameters(), self.initial_lr, weight_decay=self.weight_decay)
        return optimizer, PolyLRScheduler(optimizer, self.initial_lr, self.num_epochs)

    def _build_loss(self) -> torch.nn.Module:
        """Return nnU-Net's loss, its cross-entropy weighted by one over the square root of each label's frequency."""
        loss: Any = super()._build_loss()
        self.dataset_class: Any = infer_dataset_class(self.preprocessed_dataset_folder)  # nnU-Net sets it a line later
        cases, _ = self.get_tr_and_val_datasets()
        count = len(self.label_manager.all_labels)
        counts = np.sum([_voxels(cases.load_case(name)[1], count) for name in cases.identifiers], axis=0)
        inner = loss.loss if self.enable_deep_supervision else loss
        inner.ce.weight = torch.tensor(_weights(counts), dtype=torch.float32, device=self.device)
        built: torch.nn.Module = loss
        return built

    def configure_rotation_dummyDA_mirroring_and_inital_patch_size(self) -> tuple[Any, ...]:
        """Load patches at the size that the network sees, since none is rotated."""
        rotation, dummy_2d, _, mirror_axes = super().configure_rotation_dummyDA_mirroring_and_inital_patch_size()
        return rotation, dummy_2d, self.configuration_manager.patch_size, mirror_axes

    @staticmethod
    def get_training_transforms(  # the parent's signature
        patch_size: Any,
        rotation_for_DA: Any,
        deep_supervision_scales: Any,
        mirror_axes: Any,
        do_dummy_2d_data_aug: bool,
        use_mask_for_norm: Any = None,
        is_cascaded: bool = False,
        foreground_labels: Any = None,
        regions: Any = None,
        ignore_label: Any = None,
    ) -> Any:
        """Return the transforms of validation: none that draws by chance."""
        del patch_size, rotation_for_DA, mirror_axes, do_dummy_2d_data_aug, use_mask_for_norm
        return nnUNetTrainer.get_validation_transforms(
            deep_supervision_scales, is_cascaded, foreground_labels, regions, ignore_label
        )


def _voxels(labels: Any, count: int) -> np.ndarray:
    """Return how many voxels each of the labels 0 to ``count`` - 1 has; -1 lies outside the volume."""
    values = np.asarray(labels).astype(np.int64).ravel()
    return np.bincount(values[values >= 0], minlength=count)


def _weights(counts: np.ndarray) -> np.ndarray:
    """Return the labels' weights, 1 on average, none more than 20 times the least."""
    weights = 1.0 / np.sqrt(np.maximum(counts, 1) / counts.sum())
    weights = np.minimum(weights, _MOST_WEIGHT * weights.min())
    return np.asarray(weights / weights.mean())


def _seed(offset: int) -> None:
    """Seed the global generators, which nnU-Net's loader and augmentation draw from."""
    random.seed(_SEED + offset)
    np.random.seed(_SEED + offset)  # noqa: NPY002
    torch.manual_seed(_SEED + offset)
