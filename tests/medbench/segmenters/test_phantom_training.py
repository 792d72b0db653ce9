"""The loss and the augmentation."""

import pytest
import torch

from medbench.segmenters.phantom_training import augmented, soft_dice_loss


def test_soft_dice_is_zero_for_the_right_answer_and_large_for_a_wrong_one() -> None:
    label = torch.randint(0, 14, (1, 8, 8, 8), generator=torch.Generator().manual_seed(0))
    logits = 100.0 * torch.nn.functional.one_hot(label, 14).movedim(-1, 1).float()
    assert float(soft_dice_loss(logits, label)) == pytest.approx(0.0, abs=1e-5)
    assert float(soft_dice_loss(logits.roll(1, dims=1), label)) > 0.9


def test_augmentation_keeps_the_scale_and_differs_by_chance() -> None:
    image = torch.zeros(2, 1, 8, 8, 8)
    found = augmented(image, torch.Generator().manual_seed(0))
    assert float(found.abs().max()) < 0.3  # 300 HU
    assert not torch.equal(found, augmented(image, torch.Generator().manual_seed(1)))
