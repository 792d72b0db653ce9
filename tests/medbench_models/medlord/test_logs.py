"""What TensorBoard shows of each stage's training, a killed and resumed one too."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medbench.progress import silent
from medbench.spec import Window
from medbench.training.chance import Samples
from medbench.training.loop import Plan, Task, launch, train
from medbench_models.medlord.config import MedLoRDConfig
from medbench_models.medlord.controlnet import Steered
from medbench_models.medlord.networks import build_controlnet, build_unet
from medbench_models.shared.codes import Latents
from medbench_models.shared.diffusion import DiffusionTask
from medbench_models.shared.schedules import Discrete, cosine_alphas
from medbench_models.shared.vqgan import VqganTask

SCHEDULE = Discrete(cosine_alphas(50))
ALL, ADVERSARIAL, SELECT = [2, 4, 6, 8, 10], [8, 10], [5, 10]  # of the ten steps, seven have no discriminator


class Difference(torch.nn.Module):
    """Takes the place of the perceptual loss, whose weights are not here."""

    def forward(self, reconstruction: torch.Tensor, image: torch.Tensor, chance: Samples) -> torch.Tensor:
        del chance
        return (reconstruction - image).abs().mean()


def task_of(stage: str, small: MedLoRDConfig) -> Task:
    chance = np.random.default_rng(0)
    if stage == "stage1":
        volumes = np.cumsum(chance.normal(0, 120, (4, 16, 16, 16)), axis=1).clip(-1000, 1000).astype(np.int16)
        weighted = small.stage1.model_copy(update={"perceptual_weight": 0.1})
        return VqganTask(
            small.network.vqvae,
            weighted,
            window=Window(),
            train=volumes,
            select=volumes[:1],
            seed=0,
            perceptual=Difference(),
        )
    torch.manual_seed(0)
    unet = build_unet(small.network.unet, 8)
    latents = Latents(chance.integers(0, 16, (6, 4, 4, 4)).astype(np.uint16), torch.randn(16, 8))
    if stage == "stage2":
        config = small.stage2.model_copy(update={"steps": 10})
        return DiffusionTask(unet, config, train=latents, select=latents, schedule=SCHEDULE, seed=0)
    labels = chance.integers(0, 3, (6, 16, 16, 16)).astype(np.uint8)
    examples = replace(latents, labels=labels, regions=2, dropout=0.1)
    network = Steered(build_controlnet(small.network), unet)
    assert small.stage3 is not None
    config = small.stage3.model_copy(update={"steps": 10})
    return DiffusionTask(network, config, train=examples, select=examples, schedule=SCHEDULE, seed=0)


def logged(folder: Path) -> dict[str, list[int]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = EventAccumulator(str(folder))
    log.Reload()
    return {name: [entry.step for entry in log.Scalars(name)] for name in log.Tags()["scalars"]}


STAGE1 = {f"train/{name}": ALL for name in ("l1", "mse", "spectral", "perceptual", "commitment")}
STAGE1 |= {f"train/{name}": ADVERSARIAL for name in ("adversarial", "discriminator")}
STAGE1 |= {"select/psnr": SELECT}


@pytest.mark.parametrize("stage", ["stage1", "stage2", "stage3"])
def test_every_loss_and_score_of_a_stage_is_there_once_after_a_kill(
    stage: str, small: MedLoRDConfig, tmp_path: Path, noting: Any
) -> None:
    plan = Plan(name=stage, steps=10, seed=0, save_every=3, validate_every=5, log_every=2)

    def trained(progress: Any) -> None:
        train(task_of(stage, small), plan, fabric=launch("cpu"), folder=tmp_path, resume=True, progress=progress)

    with pytest.raises(KeyboardInterrupt):
        trained(noting(stage, 8))  # after an entry for step 8; the last state is of step 6
    assert logged(tmp_path)["select/score"] == [5]
    trained(silent)
    config = {"stage1": None, "stage2": small.stage2, "stage3": small.stage3}[stage]
    wanted = STAGE1 if config is None else {f"train/{config.loss}": ALL}
    assert logged(tmp_path) == wanted | {"select/score": SELECT}
