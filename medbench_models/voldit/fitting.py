"""From cases to a checkpoint: the three stages of VolDiT, resumable at every point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from lightning_fabric import Fabric

from medbench.training.attention import best_backend
from medbench.training.averaging import seeded
from medbench.training.loop import Trained
from medbench_models.shared.arrays import cache_labels, require_divisible
from medbench_models.shared.attention import use_attention
from medbench_models.shared.code_fitting import CodeFitting
from medbench_models.shared.codes import Latents
from medbench_models.shared.config import DiffusionConfig
from medbench_models.shared.diffusion import Examples
from medbench_models.shared.fitting import Weights
from medbench_models.voldit.adapter import Steered
from medbench_models.voldit.checkpoint import MODEL, Description, frozen_vqvae
from medbench_models.voldit.config import VolDiTConfig
from medbench_models.voldit.denoising import DropoutTask
from medbench_models.voldit.masks import Labelled
from medbench_models.voldit.networks import build_denoiser, build_schedule, checkpoint_blocks, dit_of
from medbench_models.voldit.published import FROZEN, FROZEN_SAW

State = Mapping[str, torch.Tensor]


class VolDiTFitting(CodeFitting[VolDiTConfig]):
    """The VQ-VAE as a GAN unless it is a frozen one, the transformer on its codes, and the adapter for label maps."""

    model = MODEL
    stages = ("stage1", "stage2", "stage3")

    def train(self, fabric: Fabric) -> tuple[Weights, Description]:
        """Train all stages; see ``Fitting``."""
        stage1 = self.config.stage1
        volumes = self.volumes(fabric, smallest=stage1.crop if stage1 is not None else (1, 1, 1))
        shape = volumes["train"].shape[1:]
        require_divisible(shape, self.config.network.multiple)
        labelled = self._labelled()
        self._trained: dict[str, Trained] = {}
        weights: dict[str, State] = {"vqvae": self._vqvae(volumes)}
        latents, factor = self.latents(fabric, weights["vqvae"], volumes)
        weights |= self._denoiser(fabric, "stage2", self.config.stage2, shape, latents)
        ignored: tuple[str, ...] = ()
        if labelled:
            examples, ignored = self._with_labels(fabric, latents)
            weights |= self._denoiser(fabric, "stage3", self.config.stage3, shape, examples, dit=weights["dit"])
        return weights, self._describe(factor, ignored)

    def _labelled(self) -> bool:
        """Say whether there is an adapter to train."""
        if all(case.read_label_map is not None for cases in self.cases.values() for case in cases):
            return self.config.network.adapter is not None
        self.request.progress.note("no adapter is trained: not every case has a label map")
        return False

    def _vqvae(self, volumes: Mapping[str, np.ndarray]) -> State:
        if self.config.stage1 is None:
            return frozen_vqvae(FROZEN[self.preset].locate(), self.config.network.vqvae)
        self._trained["stage1"] = self.train_vqvae(self.config.stage1, volumes)
        return self._trained["stage1"].weights

    def _with_labels(
        self, fabric: Fabric, latents: Mapping[str, Latents]
    ) -> tuple[dict[str, Labelled], tuple[str, ...]]:
        config, found, ignored = self.config.network.adapter, {}, ()
        assert config is not None  # the caller asked
        with fabric.rank_zero_first():
            for name, cases in self.cases.items():
                path = self.request.workspace / f"labels-{name}.npy"
                labels, ignored = cache_labels(
                    cases, path, config.regions, self.request.progress, identity=self.request.identity
                )
                dropout = self.config.stage3.mask_dropout if name == "train" else 0.0
                found[name] = Labelled(latents[name], labels, config.masks, dropout)
        return found, ignored

    def _denoiser(
        self,
        fabric: Fabric,
        name: str,
        config: DiffusionConfig,
        shape: Sequence[int],
        examples: Mapping[str, Examples],
        *,
        dit: State | None = None,
    ) -> dict[str, State]:
        """Train the transformer, or the adapter that steers the one whose weights are given; return their states."""
        network = self.config.network
        with seeded(self.request.seed):
            denoiser = build_denoiser(network, shape, steered=dit is not None)
        if isinstance(denoiser, Steered):
            denoiser.dit.load_state_dict(dit)
            fabric.to_device(denoiser.dit)
        use_attention(dit_of(denoiser), best_backend(self.device))
        if config.checkpointing:
            checkpoint_blocks(denoiser)
        schedule = build_schedule(network.dit)
        task = DropoutTask(denoiser, config, **examples, schedule=schedule, seed=self.request.seed)
        described = {"vqvae": network.vqvae, "dit": network.dit} if dit is None else {"network": network}
        self._trained[name] = self.stage(task, name, config, described)
        trained = self._trained[name].weights
        return denoiser.states(trained) if isinstance(denoiser, Steered) else {"dit": trained}

    def _describe(self, factor: float, ignored: tuple[str, ...]) -> Description:
        network, scores = self.config.network, {}
        for name, trained in self._trained.items():
            if name == "stage1":
                scores["select_psnr_db"] = trained.scores["psnr"]
            else:
                scores[f"select_{name}_{getattr(self.config, name).loss}"] = trained.scores["score"]
        facts = self.facts(self._trained)
        return Description(
            **facts | {"saw": (*facts["saw"], *FROZEN_SAW.get(self.preset, ()))},
            network=network if "stage3" in self._trained else network.model_copy(update={"adapter": None}),
            scale_factor=factor,
            scores=scores,
            ignored_regions=ignored,
        )
