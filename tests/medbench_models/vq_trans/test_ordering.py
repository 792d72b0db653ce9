import torch
from monai.utils import OrderingType
from monai.utils.ordering import Ordering

from medbench_models.vq_trans.ordering import inputs_of, to_latent, to_sequence

SHAPE = (3, 4, 2)  # no two axes alike: a wrong order cannot hide behind an equal product


def latent() -> torch.Tensor:
    return torch.arange(2 * 24).reshape(2, *SHAPE)


def test_the_order_is_monais_raster_scan_and_is_undone() -> None:
    theirs = Ordering(OrderingType.RASTER_SCAN.value, 3, (1, *SHAPE))
    sequence = to_sequence(latent())
    assert torch.equal(sequence, latent().reshape(2, -1)[:, theirs.get_sequence_ordering()])
    assert torch.equal(to_latent(sequence, SHAPE), latent())
    assert torch.equal(to_latent(sequence[:, theirs.get_revert_sequence_ordering()], SHAPE), latent())


def test_another_shape_of_the_same_product_scrambles() -> None:
    assert not torch.equal(to_latent(to_sequence(latent()), (4, 3, 2)).reshape(2, *SHAPE).movedim(1, 2), latent())


def test_each_token_is_predicted_from_those_before_it() -> None:
    sequence = to_sequence(latent())
    inputs = inputs_of(sequence, begin=99)
    assert inputs.shape == sequence.shape  # the beginning takes the place of the last: positions suffice for both
    assert inputs[:, 0].tolist() == [99, 99]
    assert torch.equal(inputs[:, 1:], sequence[:, :-1])
