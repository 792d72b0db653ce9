"""What the training of the VQ-GAN promises."""

import numpy as np
import pytest
import torch

from medbench.spec import Window
from medbench.training.chance import Chance
from medbench.training.loop import launch
from medbench_models.med_lsdm.autoencoding import AutoencoderTask
from medbench_models.med_lsdm.config import MedLsdmConfig


@pytest.fixture
def task(small: MedLsdmConfig) -> AutoencoderTask:
    chance = np.random.default_rng(0)
    volumes = np.cumsum(chance.normal(0, 120, (4, 16, 16, 16)), axis=1).clip(-1000, 1000).astype(np.int16)
    task = AutoencoderTask(
        small.network.autoencoder, small.stage1, window=Window(), train=volumes, select=volumes[:1], seed=0
    )
    task.setup(launch("cpu"))
    return task


def test_every_loss_is_logged_in_its_phase(task: AutoencoderTask) -> None:
    logged = [set(task.step(index, task.load(index, Chance(0, index)))) for index in range(8)]
    always = {"l1", "mse", "spectral", "commitment"}
    adversarial = {"slice_verdict", "volume_verdict", "features", "discriminator"}
    assert logged[0] == always
    assert logged[7] == always | adversarial


def test_the_codebook_begins_with_what_the_encoder_makes(task: AutoencoderTask) -> None:
    """From k-means of data, at a step of the training: loading weights can never begin it anew."""
    before = task.codebook.embedding.weight.clone()
    for index in range(4):
        task.step(index, task.load(index, Chance(0, index)))
        assert torch.equal(task.codebook.embedding.weight, before) == (index < 3)
    trained = {name: value.clone() for name, value in task.weights().items()}
    task.vqgan.load_state_dict(trained)
    task.vqgan.train()
    assert all(torch.equal(value, trained[name]) for name, value in task.weights().items())


def test_codes_that_are_rarely_met_begin_anew(task: AutoencoderTask) -> None:
    task.codebook.ema_cluster_size.fill_(5.0)
    task.codebook.ema_cluster_size[3] = task.config.restart_below / 2
    before = task.codebook.embedding.weight.clone()
    task.codebook.bypass = False
    task.tend(5, task.batch(Chance(0, 5).batches(1)[0]), Chance(0, 6))
    changed = (task.codebook.embedding.weight != before).any(dim=1)
    assert changed.nonzero().flatten().tolist() == [3]
