"""Losses of the two discriminators; their networks are in test_vqgan.py."""

import torch

from medbench_models.med_lsdm.discriminators import Discriminators, feature_loss, hinge_loss


def test_sure_verdicts_cost_nothing_and_wrong_ones_their_distance() -> None:
    assert hinge_loss(torch.tensor([1.5]), torch.tensor([-3.0])) == 0.0
    assert hinge_loss(torch.tensor([-1.0]), torch.tensor([1.0])) == 2.0


def test_features_of_real_images_get_no_gradient() -> None:
    real, fake = ([torch.ones(2, requires_grad=True)] * 2 for _ in range(2))
    feature_loss(real, [one * 2 for one in fake]).backward()
    assert real[0].grad is None
    assert fake[0].grad is not None


def test_each_crop_is_judged_whole_and_by_the_slice_that_was_drawn() -> None:
    torch.manual_seed(0)
    both, crops = Discriminators(4, 1).eval(), torch.randn(2, 1, 4, 16, 16)
    slices, volumes = both(crops, torch.tensor([3, 0]))
    alone = both.image_discriminator(torch.stack([crops[0, :, 3], crops[1, :, 0]]))
    torch.testing.assert_close(slices[-1], alone[-1])
    assert volumes[-1].ndim == 5
