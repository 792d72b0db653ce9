import numpy as np
import pytest
import torch

from medbench.training.chance import Chance
from medbench_models.shared.codes import Latents
from medbench_models.voldit.masks import Labelled, numbered

MASKS = (("left", "right"), ("heart",))


def examples(dropout: float) -> Labelled:
    labels = np.random.default_rng(0).integers(1, 4, (40, 4, 4, 4)).astype(np.uint8)
    return Labelled(Latents(np.zeros((40, 1, 1, 1), np.uint8), torch.zeros(1, 8)), labels, MASKS, dropout)


def masks_of(examples: Labelled, count: int, seed: int = 0) -> torch.Tensor:
    """What the network is told of the first examples."""
    conditions = examples.conditions(torch.arange(count), Chance(seed, 0).batches(count)[0])
    [masks] = examples.told(*conditions)
    return masks


def test_each_mask_counts_its_own_regions_from_one() -> None:
    found = numbered(torch.tensor([[[[0, 1, 2, 3]]]], dtype=torch.uint8), MASKS)
    assert found.tolist() == [[[[[0.0, 1.0, 2.0, 0.0]]], [[[0.0, 0.0, 0.0, 1.0]]]]]


def test_label_maps_enter_as_numbers() -> None:
    """No one-hot channels: the second region of a mask is twice the first."""
    one = numbered(torch.tensor([[[[1, 2, 3]]]]), (("a", "b", "c"),))
    assert one.shape == (1, 1, 1, 1, 3)
    assert one.flatten().tolist() == [1.0, 2.0, 3.0]


def test_masks_drop_out_one_by_one_and_all_together() -> None:
    masks = masks_of(examples(0.3), 40)
    full = masks.flatten(2).amax(dim=2) > 0
    assert {tuple(one) for one in full.tolist()} == {(True, True), (True, False), (False, True), (False, False)}
    whole = masks_of(examples(0.0), 40)
    assert (whole.flatten(2).amax(dim=2) > 0).all()


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_the_same_chance_gives_the_same_masks(dropout: float) -> None:
    one, other = (masks_of(examples(dropout), 8, seed=4) for _ in range(2))
    assert torch.equal(one, other)
