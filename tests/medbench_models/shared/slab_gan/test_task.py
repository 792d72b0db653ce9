"""What the training of every GAN on slabs promises."""

import numpy as np
import pytest
import torch

from medbench.training.chance import Chance
from medbench.training.loop import launch
from medbench_models.ha_gan.adversarial import HaganTask
from medbench_models.ha_gan.config import NetworkConfig
from medbench_models.shared.config import SlabTrainingConfig
from medbench_models.shared.slab_gan.networks import pyramid
from medbench_models.shared.slab_gan.task import reduced

NETWORK = NetworkConfig(
    latent=4, widths=(8, 8, 8, 8, 32, 8), doublings=1, slabs=2, critic_width=32, small_critic_width=16, code_width=16
)
SHAPE = (16, 16, 24)


@pytest.fixture
def task() -> HaganTask:
    chance = np.random.default_rng(0)
    volumes = np.cumsum(chance.normal(0, 120, (4, *SHAPE)), axis=1).clip(-1000, 600).astype(np.int16)
    config = SlabTrainingConfig(steps=10, batch=2, rate=1e-3, ema_decay=0.9)
    made = HaganTask(NETWORK, config, grids=pyramid(NETWORK, SHAPE), train=volumes, select=volumes[:3], seed=0)
    made.setup(launch("cpu"))
    return made


def test_real_and_generated_slabs_begin_at_the_same_place(task: HaganTask) -> None:
    firsts = set()
    for index in range(40):
        drawn = task.placed(index, task.load(index, Chance(0, index)))
        assert torch.equal(task.slab(drawn), drawn.voxels[:, :, drawn.first : drawn.first + 12])
        firsts.add(drawn.first)
    assert firsts == {0, 4, 8, 12}


def test_volumes_are_seen_depth_first(task: HaganTask) -> None:
    drawn = task.placed(0, task.load(0, Chance(0, 0)))
    given = NETWORK.window.scale(task.train.astype(np.float32))
    assert drawn.voxels.shape == (2, 1, 24, 16, 16)
    assert any(np.allclose(drawn.voxels[0, 0].numpy().transpose(2, 1, 0), one, atol=1e-6) for one in given)


def test_a_turn_changes_one_network(task: HaganTask) -> None:
    drawn = task.placed(0, task.load(0, Chance(0, 0)))
    for name in ("discriminator", "generator", "encoder", "code_encoder"):
        before = {key: torch.cat([one.flatten() for one in net.parameters()]) for key, net in task.networks.items()}
        task.turn(name, drawn)
        changed = {
            key
            for key, net in task.networks.items()
            if not torch.equal(before[key], torch.cat([one.flatten() for one in net.parameters()]))
        }
        assert changed == {name}


def test_the_score_sees_samples_without_variety(task: HaganTask) -> None:
    volume = task.samples(1).expand(3, -1)
    real = task.select
    task.samples = lambda count: real + 0.01 * torch.randn(count, real.shape[1])
    near = task.validate()["score"]
    task.samples = lambda count: volume
    assert near < task.validate()["score"]


def test_validation_is_the_same_every_time(task: HaganTask) -> None:
    assert task.validate() == task.validate()


def test_images_are_reduced_to_means_of_blocks() -> None:
    torch.testing.assert_close(reduced(torch.arange(128.0).view(1, 1, 8, 4, 4)), torch.tensor([[31.5, 95.5]]))
