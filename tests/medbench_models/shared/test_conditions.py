import torch

from medbench_models.shared.conditions import one_hot


def test_masks_are_one_channel_a_region() -> None:
    masks = one_hot(torch.tensor([[[[0, 1], [2, 2]]]], dtype=torch.uint8), 2)
    assert masks.shape == (1, 2, 1, 2, 2)
    assert masks.sum(dim=1).tolist() == [[[[0.0, 1.0], [1.0, 1.0]]]]
