"""From cases to a checkpoint: the three stages of MedLoRD, resumable at every point."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric

from medbench.dataset import Case
from medbench.errors import DataError
from medbench.files import make_folder
from medbench.generator import FitRequest
from medbench.training.attention import best_backend
from medbench.training.averaging import seeded
from medbench.training.checkpointing import checkpoint_activations
from medbench.training.loop import Plan, Task, Trained, launch, precision_on, train
from medbench_models.medlord.checkpoint import MODEL, Description, save
from medbench_models.medlord.config import DiffusionConfig, MedLoRDConfig, Stage1Config
from medbench_models.medlord.data import cache_labels, cache_volumes, require_divisible
from medbench_models.medlord.diffusion import DiffusionTask, Examples, Latents, Steered, SteeredLatents
from medbench_models.medlord.encoding import encode, scale_factor
from medbench_models.medlord.memory import require_memory
from medbench_models.medlord.networks import (
    build_controlnet,
    build_schedule,
    build_unet,
    build_vqvae,
    codebook_of,
    layers_of_unet,
)
from medbench_models.medlord.stage1 import VqvaeTask
from medbench_models.shared.attention import use_attention


class Fitting:
    """One training of MedLoRD in a workspace.

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

    def run(self) -> Path:
        """Train all stages and return the checkpoint.

        Raises:
            DataError: a split has no cases, or the cases do not suit the preset.
        """
        train_cases, select_cases = self.request.train, self.request.select
        _require_cases(train=train_cases, select=select_cases)
        make_folder(self.request.workspace)
        network = self.config.network
        fabric = launch(self.device, self.config.stage1.precision)
        with fabric.rank_zero_first():
            self._clear(fabric)
            volumes = cache_volumes(
                train_cases,
                self.request.workspace / "volumes-train.npy",
                self.request.progress,
                smallest=self.config.stage1.crop,
            )
            select = cache_volumes(select_cases, self.request.workspace / "volumes-select.npy", self.request.progress)
        require_divisible(volumes.shape[1:], network)
        masked = all(case.read_label_map is not None for case in (*train_cases, *select_cases))
        configs = (self.config.stage1, self.config.stage2, self.config.stage3)
        if any(one is not None and precision_on(self.device, one.precision) != one.precision for one in configs):
            self.request.progress.note(
                "a CPU mixes bfloat16 where this preset mixes float16: the weights will differ a little"
            )
        planned = self.config if masked else self.config.model_copy(update={"stage3": None})
        require_memory(planned, "fit", volumes.shape[1:], device=fabric.device)
        stage1 = self._stage1(fabric, volumes, select)
        train, held_out, factor = self._latents(fabric, stage1, volumes, select)
        stage2 = self._stage2(train, held_out)
        stage3, ignored = self._stage3(fabric, stage2, (train, train_cases), (held_out, select_cases))

        path = self.request.workspace / f"{MODEL}-{self.preset}.safetensors"
        if fabric.is_global_zero:
            stages = {"stage1": stage1, "stage2": stage2} | ({} if stage3 is None else {"stage3": stage3})
            weights = {"vqvae": stage1.weights, "unet": stage2.weights}
            if stage3 is not None:
                weights["controlnet"] = _inner(stage3.weights)
            save(path, weights, self._describe(train_cases, stages, factor, ignored))
        fabric.barrier()
        return path

    def _stage1(self, fabric: Fabric, volumes: np.ndarray, select: np.ndarray) -> Trained:
        network = self.config.network
        task = VqvaeTask(network, self.config.stage1, train=volumes, select=select, seed=self.request.seed)
        described = {"vqvae": network.vqvae.model_dump(mode="json"), "window": network.window.model_dump(mode="json")}
        return self._train(task, "stage1", self.config.stage1, described)

    def _latents(
        self, fabric: Fabric, stage1: Trained, volumes: np.ndarray, select: np.ndarray
    ) -> tuple[Latents, Latents, float]:
        vqvae = build_vqvae(self.config.network.vqvae)
        vqvae.load_state_dict(stage1.weights)
        vqvae.to(fabric.device)
        with fabric.rank_zero_first():
            train, held_out = (
                encode(
                    vqvae,
                    part,
                    self.request.workspace / f"codes-{name}.npy",
                    window=self.config.network.window,
                    progress=self.request.progress,
                )
                for name, part in (("train", volumes), ("select", select))
            )
        codes = codebook_of(vqvae).embedding.weight.detach().cpu()
        factor = scale_factor(train, codes)
        return Latents(train, codes * factor), Latents(held_out, codes * factor), factor

    def _stage2(self, train: Latents, held_out: Latents) -> Trained:
        network, config = self.config.network, self.config.stage2
        with seeded(self.request.seed):
            unet = build_unet(network.unet, network.vqvae.codebook_dim)
        use_attention(unet, best_backend(self.device))
        if config.checkpointing:
            checkpoint_activations(layers_of_unet(unet))
        task = self._diffusion(unet, config, train, held_out)
        described = {"vqvae": network.vqvae.model_dump(mode="json"), "unet": network.unet.model_dump(mode="json")}
        return self._train(task, "stage2", config, described)

    def _stage3(
        self,
        fabric: Fabric,
        stage2: Trained,
        train: tuple[Latents, Sequence[Case]],
        held_out: tuple[Latents, Sequence[Case]],
    ) -> tuple[Trained | None, tuple[str, ...]]:
        """Train the ControlNet where the preset has one and the cases have label maps."""
        network, config = self.config.network, self.config.stage3
        if config is None or network.controlnet is None:
            return None, ()
        if any(case.read_label_map is None for case in (*train[1], *held_out[1])):
            self.request.progress.note("no ControlNet is trained: not every case has a label map")
            return None, ()
        regions = network.controlnet.regions
        examples = []
        for name, (latents, cases) in (("train", train), ("select", held_out)):
            with fabric.rank_zero_first():
                labels, ignored = cache_labels(
                    cases, self.request.workspace / f"labels-{name}.npy", regions, self.request.progress
                )
            dropout = config.mask_dropout if name == "train" else 0.0
            examples.append(SteeredLatents(latents, labels, len(regions), dropout))
        unet = build_unet(network.unet, network.vqvae.codebook_dim)
        unet.load_state_dict(stage2.weights)
        with seeded(self.request.seed):
            controlnet = build_controlnet(network)
        for part in (controlnet, unet):
            use_attention(part, best_backend(self.device))
        if config.checkpointing:
            checkpoint_activations([*layers_of_unet(controlnet), *layers_of_unet(unet)])
        task = self._diffusion(Steered(controlnet, unet.to(fabric.device)), config, *examples)
        trained = self._train(task, "stage3", config, {"network": network.model_dump(mode="json")})
        return trained, ignored

    def _diffusion(
        self, network: torch.nn.Module, config: DiffusionConfig, train: Examples, select: Examples
    ) -> DiffusionTask:
        schedule = build_schedule(self.config.network.unet)
        return DiffusionTask(network, config, train=train, select=select, schedule=schedule, seed=self.request.seed)

    def _clear(self, fabric: Fabric) -> None:
        if fabric.is_global_zero and not self.request.resume:
            for name in ("stage1", "stage2", "stage3"):
                shutil.rmtree(self.request.workspace / name, ignore_errors=True)
            for path in (*self.request.workspace.glob("*-*.npy"), *self.request.workspace.glob("*.safetensors")):
                path.unlink()

    def _train(
        self, task: Task, name: str, config: Stage1Config | DiffusionConfig, described: Mapping[str, Any]
    ) -> Trained:
        plan = Plan(
            name=f"train {name}",
            steps=config.steps,
            seed=self.request.seed,
            validate_every=1000,
            settings={"seed": self.request.seed, **described, **config.model_dump(mode="json")},
        )
        return train(
            task,
            plan,
            fabric=launch(self.device, config.precision),
            folder=self.request.workspace / name,
            resume=self.request.resume,
            progress=self.request.progress,
        )

    def _describe(
        self, cases: Sequence[Case], stages: Mapping[str, Trained], factor: float, ignored: tuple[str, ...]
    ) -> Description:
        volume = cases[0].read_volume()
        network = self.config.network
        configs = {"stage1": self.config.stage1, "stage2": self.config.stage2, "stage3": self.config.stage3}
        steps = {name: configs[name].steps for name in stages}
        scores = {"select_psnr_db": stages["stage1"].scores["psnr"]}
        for name in ("stage2", "stage3"):
            if name in stages:
                scores[f"select_{name}_{configs[name].loss}"] = stages[name].scores["score"]
        return Description(
            model=MODEL,
            preset=self.preset,
            network=network if "stage3" in stages else network.model_copy(update={"controlnet": None}),
            scale_factor=factor,
            shape=volume.shape,
            affine=tuple(tuple(map(float, row)) for row in volume.affine),
            seed=self.request.seed,
            steps=steps | {f"{name}_kept": trained.step for name, trained in stages.items()},
            scores=scores,
            trained_on=len(cases),
            ignored_regions=ignored,
        )


def _require_cases(**splits: Sequence[Case]) -> None:
    missing = [name for name, cases in splits.items() if not cases]
    if missing:
        raise DataError(
            f"no cases in the split {' and '.join(missing)}: a training needs cases to learn from (train) and others to"
            " choose the weights by (select); a folder's splits.json or splits.csv names them"
        )


def _inner(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix("controlnet."): value for name, value in weights.items()}
