import pytest

from medbench_models.med_lsdm.generator import MedLsdm
from medbench_models.med_lsdm.presets import PRESETS


@pytest.mark.parametrize("name", PRESETS)
def test_windows_and_shapes_suit_the_networks(name: str) -> None:
    network, shape = PRESETS[name].network, MedLsdm.info.shape_of(name)
    assert shape is not None
    assert PRESETS[name].stage1.crop == network.autoencoder.window  # norms see in samples what they saw in training
    assert all(size % 4 == 0 for size in network.autoencoder.window)
    assert all(size % multiple == 0 for size, multiple in zip(shape, network.multiples))


def test_the_published_size_is_published_in_both_presets() -> None:
    assert PRESETS["slab"].network == PRESETS["paper"].network
    assert PRESETS["slab"].sampling == PRESETS["paper"].sampling
