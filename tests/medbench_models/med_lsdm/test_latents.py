"""Latents and label maps as the diffusion model is trained on them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from medbench.errors import CheckpointError
from medbench.progress import silent
from medbench.spec import Window
from medbench.training.chance import Chance
from medbench_models.med_lsdm.config import MedLsdmConfig
from medbench_models.med_lsdm.latents import Latents, encode_volumes, one_hot_map
from medbench_models.med_lsdm.vqgan import VqGan


def test_latents_are_scaled_by_the_codebooks_range(small: MedLsdmConfig, tmp_path: Path) -> None:
    torch.manual_seed(0)
    vqgan = VqGan(small.network.autoencoder, 3).eval()
    volumes = np.random.default_rng(0).integers(-1000, 1000, (2, 16, 16, 8)).astype(np.int16)
    found = encode_volumes(vqgan, volumes, tmp_path / "a.npy", window=Window(), progress=silent)
    assert found.shape == (2, 8, 2, 4, 4)
    codes = vqgan.codebook.embedding.weight
    low, high = float(codes.min()), float(codes.max())
    with torch.no_grad():
        latent = vqgan.encode(Window().scale(torch.from_numpy(volumes[:1]).float())[:, None].movedim(-1, 2))
    np.testing.assert_allclose(found[:1], 2 * (latent - low) / (high - low) - 1, atol=2e-3)


def test_one_code_alone_is_refused(small: MedLsdmConfig, tmp_path: Path) -> None:
    vqgan = VqGan(small.network.autoencoder, 3)
    vqgan.codebook.embedding.weight.data.fill_(0.5)
    with pytest.raises(CheckpointError, match="one code alone: train it longer"):
        encode_volumes(vqgan, np.zeros((1, 16, 16, 8), np.int16), tmp_path / "a.npy", window=Window(), progress=silent)


def test_maps_have_a_channel_for_the_background_and_the_depth_first() -> None:
    numbers = torch.zeros(1, 2, 3, 4, dtype=torch.uint8)
    numbers[0, 1, 2, 3] = 2
    found = one_hot_map(numbers, 3)
    assert found.shape == (1, 3, 4, 2, 3)
    assert bool((found.sum(dim=1) == 1).all())
    assert found[0, :, 3, 1, 2].tolist() == [0, 0, 1]


def test_examples_are_rows_of_both() -> None:
    values = np.arange(2 * 8 * 1 * 1 * 1, dtype=np.float16).reshape(2, 8, 1, 1, 1)
    latents = Latents(values, np.ones((2, 4, 4, 4), np.uint8), 2)
    rows, chance = torch.tensor([1]), Chance(0, 0).batches(1)[0]
    assert len(latents) == 2
    assert latents.clean(rows, chance).flatten().tolist() == values[1].flatten().tolist()
    (label_map,) = latents.told(*latents.conditions(rows, chance))
    assert label_map.shape == (1, 2, 4, 4, 4)
    assert bool((label_map[:, 1] == 1).all())
