import numpy as np
import pytest
import torch

from medbench.training.chance import Chance
from medbench_models.shared.crops import augmented, random_crops


def test_crops_are_aligned_and_inside() -> None:
    volumes = np.arange(64 * 64 * 32, dtype=np.int32).reshape(1, 64, 64, 32)
    [chance] = Chance(0, 0).batches(400)
    crops = random_crops(volumes, (32, 32, 32), align=4, centred=True, chance=chance)
    first = np.stack(np.unravel_index(crops[:, 0, 0, 0], volumes.shape[1:]), axis=1)
    assert (first % 4 == 0).all()
    assert first[:, 0].min() == 0
    assert first[:, 0].max() == 32
    assert (first[:, 2] == 0).all()


def test_even_crops_reach_both_ends() -> None:
    volumes = np.arange(64, dtype=np.int32).reshape(1, 64, 1, 1)
    [chance] = Chance(0, 0).batches(2000)
    crops = random_crops(volumes, (32, 1, 1), align=4, centred=False, chance=chance)
    starts = crops[:, 0, 0, 0]
    assert starts.min() == 0 and starts.max() == 32
    assert np.mean((starts < 8) | (starts > 24)) > 0.35  # evenly, not about the middle


def test_augmentation_turns_a_little_and_flips_half(monkeypatch: pytest.MonkeyPatch) -> None:
    image = torch.zeros(400, 1, 16, 12, 8)
    image[..., :6, :] = 1.0  # one half along axis 1
    flipped = augmented(image, Chance(0, 0).batches(400)[0])[:, 0, 8, 1, 4]
    assert np.mean(flipped.numpy() < 0.5) == pytest.approx(0.5, abs=0.08)
