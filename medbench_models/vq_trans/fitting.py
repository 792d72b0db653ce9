"""From cases to a checkpoint: the VQ-VAE, the volumes' codes, and the transformer on them; resumable at every point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from lightning_fabric import Fabric

from medbench.datasets.base import Case
from medbench.generators.base import FitRequest
from medbench.imaging.grid import to_grid
from medbench.imaging.volume import Volume
from medbench.spec import Grid
from medbench.training.averaging import seeded
from medbench.training.loop import Trained
from medbench_models.shared.arrays import require_divisible
from medbench_models.shared.code_fitting import CodeFitting
from medbench_models.shared.fitting import Weights
from medbench_models.vq_trans.autoregression import Codes, SequenceTask
from medbench_models.vq_trans.checkpoint import MODEL, Description
from medbench_models.vq_trans.config import VqTransConfig
from medbench_models.vq_trans.networks import build_transformer

_FEW_CODES = 0.1  # share of the codebook


class VqTransFitting(CodeFitting[VqTransConfig]):
    """The VQ-VAE as a GAN, and the transformer on its codes."""

    model = MODEL
    stages = ("stage1", "stage2")

    def train(self, fabric: Fabric) -> tuple[Weights, Description]:
        """Train both stages; see ``Fitting``."""
        volumes = self.volumes(fabric, smallest=self.config.stage1.crop)
        shape = volumes["train"].shape[1:]
        require_divisible(shape, self.config.network.vqvae.factor)
        stages = {"stage1": self.train_vqvae(self.config.stage1, volumes)}
        numbers, _ = self.codes(fabric, stages["stage1"].weights, volumes)
        codes = {name: Codes(part) for name, part in numbers.items()}
        used = self.share_used(codes["train"])
        stages["stage2"] = self._stage2(codes, shape)
        weights = {"vqvae": stages["stage1"].weights, "transformer": stages["stage2"].weights}
        scores = {
            "select_psnr_db": stages["stage1"].scores["psnr"],
            "select_nats_per_token": stages["stage2"].scores["score"],
        }
        described = Description(**self.facts(stages), network=self.config.network, scores=scores, codes_used=used)
        return weights, described

    def share_used(self, codes: Codes) -> float:
        """Return the share of the codebook that an epoch uses; say so where it is little."""
        size = self.config.network.vqvae.codebook_size
        share = codes.used() / size
        if share < _FEW_CODES:
            self.request.progress.note(
                f"the training volumes use {codes.used()} of {size} codes, less than a tenth: take a smaller codebook,"
                " restart dead codes (restart_until) or train stage 1 longer"
            )
        return share

    def _stage2(self, codes: Mapping[str, Codes], shape: Sequence[int]) -> Trained:
        network, config = self.config.network, self.config.stage2
        with seeded(self.request.seed):
            transformer = build_transformer(network, shape)
        task = SequenceTask(transformer, config, **codes, seed=self.request.seed, begin=network.begin)
        return self.stage(task, "stage2", config, {"network": network})


def resampled(request: FitRequest, shape: tuple[int, int, int]) -> FitRequest:
    """Return a request whose volumes are stretched to a shape over their field of view, so that spacing follows.

    Args:
        request: what to train on.
        shape: voxels (x, y, z).
    """
    grid = Grid(shape=shape, fit="resize")
    request.progress.note(f"volumes are resampled to {'x'.join(map(str, shape))} voxels over their field of view")

    def on_grid(case: Case) -> Case:
        return replace(case, read_volume=partial(_read, case, grid), read_label_map=None)

    return replace(request, train=[*map(on_grid, request.train)], select=[*map(on_grid, request.select)])


def _read(case: Case, grid: Grid) -> Volume:
    return to_grid(case.read_volume(), grid)
