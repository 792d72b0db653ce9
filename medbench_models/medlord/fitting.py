"""From cases to a checkpoint: both stages of MedLoRD, resumable at every point."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from lightning_fabric import Fabric

from medbench.dataset import Case
from medbench.errors import CheckpointError
from medbench.files import make_folder
from medbench.progress import Progress
from medbench.training.loop import Plan, Trained, launch, train
from medbench_models.medlord.checkpoint import MODEL, Description, save
from medbench_models.medlord.config import MedLoRDConfig
from medbench_models.medlord.data import cache_volumes
from medbench_models.medlord.networks import build_vqvae
from medbench_models.medlord.stage1 import VqvaeTask
from medbench_models.medlord.stage2 import DiffusionTask, encode


class Fitting:
    """One training of MedLoRD in a workspace.

    Args:
        preset: the preset's name, for the checkpoint.
        config: the preset.
        workspace: holds volumes, both stages' states and the checkpoint.
        device: torch device.
        seed: of the whole training.
        resume: go on where an earlier training stopped.
        progress: reports the steps.
    """

    def __init__(
        self,
        preset: str,
        config: MedLoRDConfig,
        *,
        workspace: Path,
        device: str,
        seed: int,
        resume: bool,
        progress: Progress,
    ) -> None:
        self.preset = preset
        self.config = config
        self.workspace = workspace
        self.device = device
        self.seed = seed
        self.resume = resume
        self.progress = progress

    def run(self, train_cases: Sequence[Case], select_cases: Sequence[Case]) -> Path:
        """Train both stages and return the checkpoint."""
        make_folder(self.workspace)
        fabric = launch(self.device, self.config.stage1.precision)
        with fabric.rank_zero_first():
            self._clear(fabric)
            volumes = cache_volumes(
                train_cases, self.workspace / "volumes-train.npy", self.progress, smallest=self.config.stage1.crop
            )
            select = cache_volumes(select_cases, self.workspace / "volumes-select.npy", self.progress)
        task = VqvaeTask(self.config.network, self.config.stage1, train=volumes, select=select, seed=self.seed)
        stage1 = self._train(task, "stage1", self.config.stage1, fabric)

        vqvae = build_vqvae(self.config.network.vqvae)
        vqvae.load_state_dict(stage1.weights)
        vqvae.to(fabric.device)
        window = self.config.network.window
        latents, held_out = (
            encode(vqvae, part, window=window, device=fabric.device, progress=self.progress)
            for part in (volumes, select)
        )
        factor = scale_factor(latents)
        diffusion = DiffusionTask(
            self.config.network, self.config.stage2, train=latents * factor, select=held_out * factor, seed=self.seed
        )
        stage2 = self._train(diffusion, "stage2", self.config.stage2, launch(self.device, self.config.stage2.precision))

        path = self.workspace / f"{MODEL}-{self.preset}.safetensors"
        if fabric.is_global_zero:
            description = self._describe(train_cases, stage1, stage2, factor)
            save(path, vqvae=stage1.weights, unet=stage2.weights, description=description)
        fabric.barrier()
        return path

    def _clear(self, fabric: Fabric) -> None:
        if fabric.is_global_zero and not self.resume:
            for name in ("stage1", "stage2"):
                shutil.rmtree(self.workspace / name, ignore_errors=True)
            for path in (*self.workspace.glob("volumes-*.npy"), *self.workspace.glob("*.safetensors")):
                path.unlink()

    def _train(self, task, name: str, config, fabric: Fabric) -> Trained:
        plan = Plan(
            name=f"train {name}",
            steps=config.steps,
            seed=self.seed,
            validate_every=1000,
            settings={
                "seed": self.seed,
                "network": self.config.network.model_dump(mode="json"),
                **config.model_dump(mode="json"),
            },
        )
        return train(
            task, plan, fabric=fabric, folder=self.workspace / name, resume=self.resume, progress=self.progress
        )

    def _describe(self, cases: Sequence[Case], stage1: Trained, stage2: Trained, factor: float) -> Description:
        volume = cases[0].read_volume()
        return Description(
            model=MODEL,
            preset=self.preset,
            network=self.config.network,
            scale_factor=factor,
            shape=volume.shape,
            affine=tuple(tuple(map(float, row)) for row in volume.affine),
            seed=self.seed,
            steps={
                "stage1": self.config.stage1.steps,
                "stage1_kept": stage1.step,
                "stage2": self.config.stage2.steps,
                "stage2_kept": stage2.step,
            },
            scores={"select_psnr_db": stage1.scores["psnr"], "select_diffusion_mse": stage2.scores["score"]},
            trained_on=len(cases),
        )


def scale_factor(latents: torch.Tensor) -> float:
    """Return 1 / standard deviation of all latents, which brings them to the noise's scale.

    Raises:
        CheckpointError: the latents do not vary.
    """
    deviation = float(latents.double().std())
    if not deviation > 0.0:
        raise CheckpointError("stage 1 encodes every volume alike: train it longer or anew with --no-resume")
    return 1.0 / deviation
