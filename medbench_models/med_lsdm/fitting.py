"""From cases to a checkpoint: the two stages of Med-LSDM, resumable at every point."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from lightning_fabric import Fabric

from medbench.errors import DataError
from medbench.training.averaging import seeded
from medbench.training.loop import Trained
from medbench_models.med_lsdm.autoencoding import AutoencoderTask
from medbench_models.med_lsdm.checkpoint import MODEL, Description
from medbench_models.med_lsdm.config import MedLsdmConfig
from medbench_models.med_lsdm.latents import Latents, encode_volumes, share_outside
from medbench_models.med_lsdm.sampling import build_schedule
from medbench_models.med_lsdm.unet import Unet, checkpoint_layers
from medbench_models.med_lsdm.vqgan import TRAINING_ONLY, VqGan
from medbench_models.shared.arrays import cache_labels, require_multiples
from medbench_models.shared.diffusion import DiffusionTask
from medbench_models.shared.fitting import Fitting, Weights
from medbench_models.shared.losses import PerceptualLoss


class MedLsdmFitting(Fitting[MedLsdmConfig]):
    """The VQ-GAN, and the diffusion model on its latents, steered by the cases' label maps."""

    model = MODEL
    stages = ("stage1", "stage2")
    leave_out = TRAINING_ONLY

    def train(self, fabric: Fabric) -> tuple[Weights, Description]:
        """Train both stages; see ``Fitting``.

        Raises:
            DataError: a case has no label map.
        """
        self._require_label_maps()
        volumes = self.volumes(fabric, smallest=self.config.stage1.crop)
        require_multiples(volumes["train"].shape[1:], self.config.network.multiples)
        stages = {"stage1": self._stage1(volumes)}
        latents, ignored = self._latents(fabric, stages["stage1"], volumes)
        stages["stage2"] = self._stage2(latents)
        outside = share_outside(latents["train"].values)
        weights = {"vqgan": stages["stage1"].weights, "unet": stages["stage2"].weights}
        return weights, self._describe(stages, ignored, outside)

    def _require_label_maps(self) -> None:
        missing = [case.id for cases in self.cases.values() for case in cases if case.read_label_map is None]
        if missing:
            raise DataError(
                f"{MODEL} learns to draw label maps, and the case {missing[0]} has none: add them, or choose a model "
                "that needs none (medbench list models)"
            )

    def _stage1(self, volumes: Mapping[str, np.ndarray]) -> Trained:
        network, config = self.config.network, self.config.stage1
        perceptual = PerceptualLoss() if config.perceptual_weight > 0.0 else None
        task = AutoencoderTask(
            network.autoencoder, config, window=network.window, **volumes, seed=self.request.seed, perceptual=perceptual
        )
        return self.stage(task, "stage1", config, {"autoencoder": network.autoencoder, "window": network.window})

    def _latents(
        self, fabric: Fabric, stage1: Trained, volumes: Mapping[str, np.ndarray]
    ) -> tuple[dict[str, Latents], tuple[str, ...]]:
        network, workspace, progress = self.config.network, self.request.workspace, self.request.progress
        vqgan = VqGan(network.autoencoder, network.classes)
        vqgan.load_state_dict(stage1.weights)
        vqgan.to(fabric.device)
        found, ignored = {}, ()
        with fabric.rank_zero_first():
            for name, cases in self.cases.items():
                path = workspace / f"latents-{name}.npy"
                values = encode_volumes(vqgan, volumes[name], path, window=network.window, progress=progress)
                path = workspace / f"labels-{name}.npy"
                labels, ignored = cache_labels(cases, path, network.regions, progress, identity=self.request.identity)
                found[name] = Latents(values, labels, network.classes)
        return found, ignored

    def _stage2(self, latents: Mapping[str, Latents]) -> Trained:
        network, config = self.config.network, self.config.stage2
        with seeded(self.request.seed):
            unet = Unet(network.unet, network.autoencoder.code_channels, network.classes)
        if config.checkpointing:
            checkpoint_layers(unet)
        task = DiffusionTask(unet, config, **latents, schedule=build_schedule(network.unet), seed=self.request.seed)
        return self.stage(task, "stage2", config, {"network": network})

    def _describe(self, stages: Mapping[str, Trained], ignored: tuple[str, ...], outside: float) -> Description:
        scores = {
            "select_psnr_db": stages["stage1"].scores["psnr"],
            f"select_stage2_{self.config.stage2.loss}": stages["stage2"].scores["score"],
            "latents_outside": outside,
        }
        return Description(**self.facts(stages), network=self.config.network, scores=scores, ignored_regions=ignored)
