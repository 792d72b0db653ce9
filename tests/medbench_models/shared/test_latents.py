from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from medbench.errors import CheckpointError
from medbench.progress import silent
from medbench.spec import Window
from medbench.training.chance import Chance
from medbench_models.shared.latents import Latents, encode_moments, scale_factor


@pytest.fixture
def moments() -> np.ndarray:
    """Latents (6, 2, 3, 4, 4, 4) whose deviation is a good part of what varies."""
    chance = np.random.default_rng(0)
    mean = chance.normal(1.0, 2.0, (6, 1, 3, 4, 4, 4))
    return np.concatenate([mean, np.full_like(mean, 1.5)], axis=1).astype(np.float16)


def test_volumes_are_encoded_in_the_autoencoders_range(tmp_path: Path) -> None:
    volumes = np.array([-2000, -1000, 0, 1000], np.int16)[:, None, None, None] + np.zeros((4, 2, 2, 2), np.int16)
    found = encode_moments(
        lambda image: (image, image / 2), volumes, tmp_path / "moments.npy", window=Window(), progress=silent
    )
    assert found.shape == (4, 2, 1, 2, 2, 2)
    assert found.dtype == np.float16
    assert found[:, 0, 0, 0, 0, 0].tolist() == [0.0, 0.0, 0.5, 1.0]
    assert found[3, 1, 0, 0, 0, 0] == 0.5


def test_scaled_latents_have_the_deviation_one(moments: np.ndarray) -> None:
    latents, [chance] = Latents(moments, scale_factor(moments)), Chance(0, 0).batches(6)
    drawn = torch.stack([latents.clean(torch.arange(6), chance) for _ in range(50)])
    assert float(drawn.std()) == pytest.approx(1.0, abs=0.02)


def test_each_time_is_another_draw(moments: np.ndarray) -> None:
    latents, [chance], rows = Latents(moments, 2.0), Chance(0, 0).batches(2), torch.tensor([4, 0])
    draws = torch.stack([latents.clean(rows, chance) for _ in range(400)])
    assert draws.shape == (400, 2, 3, 4, 4, 4)
    means = torch.from_numpy(moments[[4, 0], 0].astype(np.float32))
    assert float((draws.mean(dim=0) - 2.0 * means).abs().max()) < 1.0
    assert float(draws.std(dim=0).mean()) == pytest.approx(3.0, abs=0.05)


def test_latents_that_do_not_vary_are_refused() -> None:
    with pytest.raises(CheckpointError, match="encodes every volume alike"):
        scale_factor(np.zeros((2, 2, 1, 2, 2, 2), np.float16))
