"""Dropout takes its chance from the step, and rests in the validation."""

import numpy as np
import torch

from medbench.training.chance import Chance
from medbench.training.loop import launch
from medbench_models.shared.codes import Latents
from medbench_models.voldit.config import VolDiTConfig
from medbench_models.voldit.denoising import DropoutTask
from medbench_models.voldit.networks import build_dit, build_schedule


def task(config: VolDiTConfig) -> DropoutTask:
    latents = Latents(np.random.default_rng(0).integers(0, 16, (6, 4, 4, 4)).astype(np.uint16), torch.randn(16, 8))
    torch.manual_seed(0)
    dit = build_dit(config.network, (16, 16, 16))
    torch.nn.init.normal_(dit.out.weight)
    made = DropoutTask(
        dit, config.stage2, train=latents, select=latents, schedule=build_schedule(config.network.dit), seed=0
    )
    made.setup(launch("cpu"))
    return made


def test_a_step_depends_on_its_own_chance_alone(small_voldit: VolDiTConfig) -> None:
    """Whatever the process has drawn before: else a resumed training would go another way."""
    assert small_voldit.network.dit.dropout > 0.0
    torch.manual_seed(7)
    codes = torch.randn(16, 8)
    losses = []
    for noise in (0, 1):
        one = task(small_voldit)
        one.train = Latents(one.train.indices, codes)
        torch.manual_seed(noise)
        losses.append(float(one.step(0, one.load(0, Chance(0, 0)))["mse"]))
    assert losses[0] == losses[1]


def test_the_validation_drops_nothing(small_voldit: VolDiTConfig) -> None:
    one = task(small_voldit)
    assert one.validate() == one.validate()
    assert one.network.training
