import pytest

from medbench_models.vq_trans.presets import PRESETS


@pytest.mark.parametrize("name", PRESETS)
def test_crops_and_shapes_suit_the_compression(name: str) -> None:
    network, crop = PRESETS[name].network, PRESETS[name].stage1.crop
    assert all(size % network.vqvae.factor == 0 for size in (*crop, *(network.shape or ())))
    assert network.transformer.dim % network.transformer.heads == 0


def test_the_compression_is_the_papers_in_its_presets_alone() -> None:
    factors = {name: preset.network.vqvae.factor for name, preset in PRESETS.items()}
    assert factors == {"tiny": 4, "paper": 16, "paper-full": 16, "paper-ds8": 8}
    assert PRESETS["paper"].network.latent((448, 448, 256)) == (28, 28, 16)
    assert PRESETS["paper-full"].network.latent((512, 512, 256)) == (32, 32, 16)
