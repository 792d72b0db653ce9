"""From cases to a checkpoint: the three stages of MedLoRD, resumable at every point."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric

from medbench.generators.base import FitRequest
from medbench.spec import Spec
from medbench.storage.files import make_folder
from medbench.training.attention import best_backend
from medbench.training.averaging import seeded
from medbench.training.loop import Plan, Task, Trained, launch, precision_on, train
from medbench_models.medlord.checkpoint import MODEL, Description, save
from medbench_models.medlord.config import MedLoRDConfig
from medbench_models.medlord.controlnet import Steered
from medbench_models.medlord.memory import require_memory
from medbench_models.medlord.networks import build_denoiser, build_schedule, checkpoint_layers, parts_of
from medbench_models.shared.arrays import cache_labels, cache_volumes, require_cases, require_divisible
from medbench_models.shared.attention import use_attention
from medbench_models.shared.codes import Latents, encode_volumes, scale_factor
from medbench_models.shared.config import DiffusionConfig, VqganConfig
from medbench_models.shared.diffusion import DiffusionTask
from medbench_models.shared.losses import PerceptualLoss
from medbench_models.shared.vqgan import VqganTask
from medbench_models.shared.vqvae import Vqvae


class Fitting:
    """One training of MedLoRD in a workspace, which holds volumes, codes, the stages' states and the checkpoint.

    Args:
        preset: the preset's name, for the checkpoint.
        config: the preset.
        request: cases, workspace and seed.
        device: torch device.
    """

    def __init__(self, preset: str, config: MedLoRDConfig, request: FitRequest, *, device: str) -> None:
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
        fabric = launch(self.device, self.config.stage1.precision)
        volumes = self._volumes(fabric)
        stage3 = self._planned(volumes["train"].shape[1:], fabric)
        stages = {"stage1": self._stage1(volumes)}
        latents, factor = self._latents(fabric, stages["stage1"], volumes)
        stages["stage2"] = self._denoiser(fabric, "stage2", self.config.stage2, latents)
        weights = {"vqvae": stages["stage1"].weights, "unet": stages["stage2"].weights}
        ignored: tuple[str, ...] = ()
        if stage3 is not None:
            latents, ignored = self._labelled(fabric, latents, stage3.mask_dropout)
            stages["stage3"] = self._denoiser(fabric, "stage3", stage3, latents, unet=weights["unet"])
            trained = stages["stage3"].weights.items()
            weights["controlnet"] = {name.removeprefix("controlnet."): value for name, value in trained}
        path = self.request.workspace / f"{MODEL}-{self.preset}.safetensors"
        if fabric.is_global_zero:
            save(path, weights, self._describe(stages, factor, ignored))
        fabric.barrier()
        return path

    def _volumes(self, fabric: Fabric) -> dict[str, np.ndarray]:
        workspace = make_folder(self.request.workspace)
        smallest = {"train": self.config.stage1.crop, "select": (1, 1, 1)}
        with fabric.rank_zero_first():
            if fabric.is_global_zero and not self.request.resume:
                for name in ("stage1", "stage2", "stage3"):
                    shutil.rmtree(workspace / name, ignore_errors=True)
                for path in (*workspace.glob("*-*.npy"), *workspace.glob("*.safetensors")):
                    path.unlink()
            return {
                name: cache_volumes(
                    cases, workspace / f"volumes-{name}.npy", self.request.progress, smallest=smallest[name]
                )
                for name, cases in self.cases.items()
            }

    def _planned(self, shape: Sequence[int], fabric: Fabric) -> DiffusionConfig | None:
        """Check that the training can be; return stage 3 where the preset has it and the cases have label maps."""
        config, note = self.config, self.request.progress.note
        require_divisible(shape, config.network.multiple)
        stages = (config.stage1, config.stage2, config.stage3)
        if any(one is not None and precision_on(self.device, one.precision) != one.precision for one in stages):
            note("a CPU mixes bfloat16 where this preset mixes float16: the weights will differ a little")
        steered = config.stage3 is not None and config.network.controlnet is not None
        if steered and any(case.read_label_map is None for cases in self.cases.values() for case in cases):
            note("no ControlNet is trained: not every case has a label map")
            steered = False
        planned = config.model_copy(update={} if steered else {"stage3": None})
        require_memory(planned, "fit", shape, device=fabric.device)
        return planned.stage3

    def _stage1(self, volumes: Mapping[str, np.ndarray]) -> Trained:
        network, config = self.config.network, self.config.stage1
        perceptual = PerceptualLoss() if config.perceptual_weight > 0.0 else None
        task = VqganTask(
            network.vqvae, config, window=network.window, **volumes, seed=self.request.seed, perceptual=perceptual
        )
        return self._train(task, "stage1", config, {"vqvae": network.vqvae, "window": network.window})

    def _latents(
        self, fabric: Fabric, stage1: Trained, volumes: Mapping[str, np.ndarray]
    ) -> tuple[dict[str, Latents], float]:
        vqvae = Vqvae(self.config.network.vqvae)
        vqvae.load_state_dict(stage1.weights)
        vqvae.to(fabric.device)
        workspace, window, progress = self.request.workspace, self.config.network.window, self.request.progress
        with fabric.rank_zero_first():
            found = {
                name: encode_volumes(vqvae, part, workspace / f"codes-{name}.npy", window=window, progress=progress)
                for name, part in volumes.items()
            }
        codes = vqvae.codebook.embedding.weight.detach().cpu()
        factor = scale_factor(found["train"], codes)
        return {name: Latents(indices, codes * factor) for name, indices in found.items()}, factor

    def _labelled(
        self, fabric: Fabric, latents: Mapping[str, Latents], dropout: float
    ) -> tuple[dict[str, Latents], tuple[str, ...]]:
        assert self.config.network.controlnet is not None  # the caller asked
        regions, found, ignored = self.config.network.controlnet.regions, {}, ()
        with fabric.rank_zero_first():
            for name, cases in self.cases.items():
                path = self.request.workspace / f"labels-{name}.npy"
                labels, ignored = cache_labels(cases, path, regions, self.request.progress)
                kept = dropout if name == "train" else 0.0
                found[name] = replace(latents[name], labels=labels, regions=len(regions), dropout=kept)
        return found, ignored

    def _denoiser(
        self,
        fabric: Fabric,
        name: str,
        config: DiffusionConfig,
        latents: Mapping[str, Latents],
        *,
        unet: Mapping[str, torch.Tensor] | None = None,
    ) -> Trained:
        """Train the U-Net, or the ControlNet that steers the one whose weights are given."""
        network = self.config.network
        with seeded(self.request.seed):
            denoiser = build_denoiser(network, steered=unet is not None)
        if isinstance(denoiser, Steered):
            denoiser.unet.load_state_dict(unet)
            fabric.to_device(denoiser.unet)
        for part in parts_of(denoiser):
            use_attention(part, best_backend(self.device))
        if config.checkpointing:
            checkpoint_layers(denoiser)
        schedule = build_schedule(network.unet)
        task = DiffusionTask(denoiser, config, **latents, schedule=schedule, seed=self.request.seed)
        described = {"vqvae": network.vqvae, "unet": network.unet} if unet is None else {"network": network}
        return self._train(task, name, config, described)

    def _train(
        self, task: Task, name: str, config: VqganConfig | DiffusionConfig, described: Mapping[str, Spec]
    ) -> Trained:
        told = {part: spec.model_dump(mode="json") for part, spec in described.items()}
        plan = Plan(
            name=f"train {name}",
            steps=config.steps,
            seed=self.request.seed,
            validate_every=1000,
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

    def _describe(self, stages: Mapping[str, Trained], factor: float, ignored: tuple[str, ...]) -> Description:
        volume = self.request.train[0].read_volume()
        network = self.config.network
        configs = {name: getattr(self.config, name) for name in stages}
        scores = {"select_psnr_db": stages["stage1"].scores["psnr"]}
        for name in list(stages)[1:]:
            scores[f"select_{name}_{configs[name].loss}"] = stages[name].scores["score"]
        return Description(
            model=MODEL,
            preset=self.preset,
            network=network if "stage3" in stages else network.model_copy(update={"controlnet": None}),
            scale_factor=factor,
            shape=volume.shape,
            affine=tuple(tuple(map(float, row)) for row in volume.affine),
            seed=self.request.seed,
            steps={name: config.steps for name, config in configs.items()}
            | {f"{name}_kept": trained.step for name, trained in stages.items()},
            scores=scores,
            trained_on=len(self.request.train),
            ignored_regions=ignored,
        )
