"""From cases to a checkpoint: what the trainings of all generators do alike in their workspace."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np
import torch
from lightning_fabric import Fabric

from medbench.generators.base import FitRequest
from medbench.spec import Spec
from medbench.storage.files import make_folder
from medbench.training import Precision
from medbench.training.loop import Plan, Task, Trained, launch, precision_on, train
from medbench_models.shared.arrays import cache_volumes, require_cases
from medbench_models.shared.checkpoint import Description, save

Config = TypeVar("Config", bound=Spec)
Weights = Mapping[str, Mapping[str, torch.Tensor]]

_VALIDATE_EVERY = 1000


class StageConfig(Protocol):
    """What every stage's settings hold."""

    @property
    def steps(self) -> int:
        """Optimiser steps."""

    @property
    def precision(self) -> Precision:
        """Of the networks' arithmetic."""

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        """Return the settings as JSON."""


class Fitting(ABC, Generic[Config]):
    """One training in a workspace, which holds volumes, what is made of them, the stages' states and the checkpoint.

    A subclass trains its stages one after the other, in ``train``.

    Args:
        preset: the preset's name, for the checkpoint.
        config: the preset.
        request: cases, workspace and seed.
        device: torch device.
    """

    model: ClassVar[str]
    stages: ClassVar[tuple[str, ...]]  # names, in order
    leave_out: ClassVar[tuple[str, ...]] = ()  # tensors that only training needs

    def __init__(self, preset: str, config: Config, request: FitRequest, *, device: str) -> None:
        self.preset = preset
        self.config = config
        self.request = request
        self.device = device
        self.cases = {"train": request.train, "select": request.select}

    def run(self) -> Path:
        """Train all stages and return the checkpoint.

        Raises:
            DataError: a split has no cases, or the cases do not suit the preset.
        """
        require_cases(**self.cases)
        asked = {getattr(self.config, name).precision for name in self.stages if getattr(self.config, name)}
        if any(precision_on(self.device, precision) != precision for precision in asked):
            self.request.progress.note(
                "a CPU mixes bfloat16 where this preset mixes float16: the weights will differ a little"
            )
        fabric = launch(self.device)
        weights, description = self.train(fabric)
        path = self.request.workspace / f"{self.model}-{self.preset}.safetensors"
        if fabric.is_global_zero:
            save(path, weights, description, leave_out=self.leave_out)
        fabric.barrier()
        return path

    @abstractmethod
    def train(self, fabric: Fabric) -> tuple[Weights, Description[Any]]:
        """Train the stages; return the networks' states and what the checkpoint says about itself."""

    def volumes(self, fabric: Fabric, *, smallest: tuple[int, int, int]) -> dict[str, np.ndarray]:
        """Return the volumes (n, x, y, z) int16 HU of each split; where nothing is resumed, the workspace is emptied.

        Args:
            fabric: from ``launch``.
            smallest: voxels that a training volume must have along each axis.

        Raises:
            DataError: the shapes differ, or the volumes are smaller.
        """
        workspace = make_folder(self.request.workspace)
        least = {"train": smallest, "select": (1, 1, 1)}
        with fabric.rank_zero_first():
            if fabric.is_global_zero and not self.request.resume:
                for name in self.stages:
                    shutil.rmtree(workspace / name, ignore_errors=True)
                for path in (*workspace.glob("*-*.npy*"), *workspace.glob("*.safetensors")):
                    path.unlink()
            return {
                name: cache_volumes(
                    cases,
                    workspace / f"volumes-{name}.npy",
                    self.request.progress,
                    smallest=least[name],
                    identity=self.request.identity,
                )
                for name, cases in self.cases.items()
            }

    def stage(self, task: Task, name: str, config: StageConfig, described: Mapping[str, Spec]) -> Trained:
        """Train one stage on the shared loop.

        Args:
            task: what is trained.
            name: of the stage.
            config: its settings.
            described: what else the weights depend on; a state that was left by other settings is not used.
        """
        told = {part: spec.model_dump(mode="json") for part, spec in described.items()}
        told["data"] = self.request.identity
        plan = Plan(
            name=f"train {name}",
            steps=config.steps,
            seed=self.request.seed,
            validate_every=_VALIDATE_EVERY,
            settings={"seed": self.request.seed, **told, **config.model_dump(mode="json")},
        )
        return train(
            task,
            plan,
            fabric=launch(self.device, config.precision),
            folder=self.request.workspace / name,
            resume=self.request.resume,
            progress=self.request.progress,
        )

    def facts(self, stages: Mapping[str, Trained]) -> dict[str, Any]:
        """Return what every description holds, of the stages that were trained."""
        volume = self.cases["train"][0].read_volume()
        return {
            "model": self.model,
            "preset": self.preset,
            "shape": volume.shape,
            "affine": tuple(tuple(map(float, row)) for row in volume.affine),
            "seed": self.request.seed,
            "steps": {name: getattr(self.config, name).steps for name in stages}
            | {f"{name}_kept": trained.step for name, trained in stages.items()},
            "trained_on": len(self.request.train),
            "saw": self.request.trained_on,
        }
