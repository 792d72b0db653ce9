"""What the training of a denoiser promises, on a U-Net of a few channels."""

import numpy as np
import pytest
import torch

from medbench.training.chance import Chance
from medbench.training.loop import launch
from medbench_models.medlord.config import MedLoRDConfig
from medbench_models.medlord.networks import build_unet
from medbench_models.shared.codes import Latents
from medbench_models.shared.config import DiffusionConfig
from medbench_models.shared.diffusion import DiffusionTask
from medbench_models.shared.schedules import (
    Discrete,
    RectifiedFlow,
    Schedule,
    add_noise,
    cosine_alphas,
    scaled_linear_alphas,
    target,
)

SCHEDULE = Discrete(cosine_alphas(50))


def latents(count: int = 6) -> Latents:
    chance = np.random.default_rng(0)
    return Latents(chance.integers(0, 16, (count, 4, 4, 4)).astype(np.uint16), torch.randn(16, 8))


def test_passes_that_accumulate_have_the_gradient_of_one_pass_of_all(small: MedLoRDConfig) -> None:
    def task(accumulate: int) -> DiffusionTask:
        torch.manual_seed(0)
        unet = build_unet(small.network.unet, 8)
        torch.nn.init.normal_(unet.out[2].conv.weight)
        config = small.stage2.model_copy(update={"batch": 3, "accumulate": accumulate, "loss": "mse"})
        made = DiffusionTask(unet, config, train=examples, select=examples, schedule=SCHEDULE, seed=0)
        made.setup(launch("cpu"))
        made.fabric.clip_gradients = lambda *parts, **limit: None  # to a norm of 1, which would hide their scale
        return made

    examples = latents()
    stepped, by_hand = task(2), task(2)
    found: list[torch.Tensor] = []
    weights = list(stepped.network.parameters())
    stepped.optimiser.step = lambda: found.extend(p.grad.clone() for p in weights if p.grad is not None)
    stepped.step(0, stepped.load(0, Chance(0, 0)))
    [chance] = Chance(0, 0).batches(6)  # what both passes draw, as one
    rows, steps = chance.integers(len(examples)), by_hand.schedule.random_times(chance)
    noise, clean = chance.normal(8, 4, 4, 4), examples.clean(rows, chance)
    velocity = by_hand.net(add_noise(SCHEDULE, clean, noise, steps), steps)
    torch.nn.functional.mse_loss(velocity, target(SCHEDULE, clean, noise, steps)).backward()
    wanted = [p.grad for p in by_hand.network.parameters() if p.grad is not None]
    assert len(found) == len(wanted) > 0
    for a, b in zip(found, wanted):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-4)


class Shrink(torch.nn.Module):
    """A denoiser of one number, which is told the time."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = torch.nn.Parameter(torch.zeros(()))
        self.told: list[torch.Tensor] = []

    def forward(self, noisy: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        self.told.append(times)
        return self.factor * noisy


@pytest.mark.parametrize(
    ("schedule", "dtype"),
    [
        (SCHEDULE, torch.int64),
        (Discrete(scaled_linear_alphas(1000, 0.0015, 0.0195), "noise"), torch.int64),
        (RectifiedFlow(1000), torch.float32),
    ],
)
def test_any_schedule_trains_a_denoiser(schedule: Schedule, dtype: torch.dtype) -> None:
    config = DiffusionConfig(steps=60, batch=6, rate=0.1, loss="mse", ema_decay=0.5, precision="32-true")
    network, drawn = Shrink(), latents()
    examples = Latents(drawn.indices, 0.3 * drawn.codes)  # narrower than the noise, so that there is something to learn
    task = DiffusionTask(network, config, train=examples, select=examples, schedule=schedule, seed=0)
    task.setup(launch("cpu"))
    before = task.validate()["score"]
    for index in range(config.steps):
        task.step(index, task.load(index, Chance(0, index)))
    assert task.validate()["score"] < 0.95 * before
    assert {times.dtype for times in network.told} == {dtype}
