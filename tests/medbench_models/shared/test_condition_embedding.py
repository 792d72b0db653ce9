import pytest
import torch

from medbench_models.shared.condition_embedding import ConditionEmbedding


@pytest.mark.parametrize(("stride", "factor"), [(1, 4), (2, 8)])
def test_masks_shrink_by_the_strides_and_add_nothing_at_first(stride: int, factor: int) -> None:
    found = ConditionEmbedding(2, (3, 4, 5), 7, stride=stride)(torch.rand(1, 2, 16, 8, 8))
    assert found.shape == (1, 7, 16 // factor, 8 // factor, 8 // factor)
    assert not found.any()
