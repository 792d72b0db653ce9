"""From cases to a checkpoint: the three stages of MedLoRD, resumable at every point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from lightning_fabric import Fabric

from medbench.training.attention import best_backend
from medbench.training.averaging import seeded
from medbench.training.loop import Trained
from medbench_models.medlord.checkpoint import MODEL, Description
from medbench_models.medlord.config import MedLoRDConfig
from medbench_models.medlord.controlnet import Steered
from medbench_models.medlord.networks import build_denoiser, build_schedule, checkpoint_layers, parts_of
from medbench_models.shared.arrays import cache_labels, require_divisible
from medbench_models.shared.attention import use_attention
from medbench_models.shared.code_fitting import CodeFitting
from medbench_models.shared.codes import Latents
from medbench_models.shared.config import DiffusionConfig
from medbench_models.shared.diffusion import DiffusionTask
from medbench_models.shared.fitting import Weights


class MedLoRDFitting(CodeFitting[MedLoRDConfig]):
    """The VQ-VAE as a GAN, the U-Net on its codes, and the ControlNet where there are label maps."""

    model = MODEL
    stages = ("stage1", "stage2", "stage3")

    def train(self, fabric: Fabric) -> tuple[Weights, Description]:
        """Train all stages; see ``Fitting``."""
        volumes = self.volumes(fabric, smallest=self.config.stage1.crop)
        stage3 = self._planned(volumes["train"].shape[1:])
        stages = {"stage1": self.train_vqvae(self.config.stage1, volumes)}
        latents, factor = self.latents(fabric, stages["stage1"].weights, volumes)
        stages["stage2"] = self._denoiser(fabric, "stage2", self.config.stage2, latents)
        weights = {"vqvae": stages["stage1"].weights, "unet": stages["stage2"].weights}
        ignored: tuple[str, ...] = ()
        if stage3 is not None:
            latents, ignored = self._labelled(fabric, latents, stage3.mask_dropout)
            stages["stage3"] = self._denoiser(fabric, "stage3", stage3, latents, unet=weights["unet"])
            trained = stages["stage3"].weights.items()
            weights["controlnet"] = {name.removeprefix("controlnet."): value for name, value in trained}
        return weights, self._describe(stages, factor, ignored)

    def _planned(self, shape: Sequence[int]) -> DiffusionConfig | None:
        """Check that the training can be; return stage 3 where the preset has it and the cases have label maps."""
        require_divisible(shape, self.config.network.multiple)
        if self.config.stage3 is None or self.config.network.controlnet is None:
            return None
        if any(case.read_label_map is None for cases in self.cases.values() for case in cases):
            self.request.progress.note("no ControlNet is trained: not every case has a label map")
            return None
        return self.config.stage3

    def _labelled(
        self, fabric: Fabric, latents: Mapping[str, Latents], dropout: float
    ) -> tuple[dict[str, Latents], tuple[str, ...]]:
        assert self.config.network.controlnet is not None  # the caller asked
        regions, found, ignored = self.config.network.controlnet.regions, {}, ()
        with fabric.rank_zero_first():
            for name, cases in self.cases.items():
                path = self.request.workspace / f"labels-{name}.npy"
                labels, ignored = cache_labels(
                    cases, path, regions, self.request.progress, identity=self.request.identity
                )
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
        return self.stage(task, name, config, described)

    def _describe(self, stages: Mapping[str, Trained], factor: float, ignored: tuple[str, ...]) -> Description:
        network = self.config.network
        scores = {"select_psnr_db": stages["stage1"].scores["psnr"]}
        for name in list(stages)[1:]:
            scores[f"select_{name}_{getattr(self.config, name).loss}"] = stages[name].scores["score"]
        return Description(
            **self.facts(stages),
            network=network if "stage3" in stages else network.model_copy(update={"controlnet": None}),
            scale_factor=factor,
            scores=scores,
            ignored_regions=ignored,
        )
