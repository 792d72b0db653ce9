"""Sizes and names of the public networks, without any memory for them."""

import pytest
import torch
from monai.networks.nets import DecoderOnlyTransformer

from medbench_models.shared.vqvae import Vqvae
from medbench_models.vq_trans.networks import axis_waves, build_transformer
from medbench_models.vq_trans.presets import PRESETS

PAPER = PRESETS["paper"].network


def parameters(network: torch.nn.Module) -> int:
    """Count them; the codebook is one of MONAI's parameters, though no gradient moves it."""
    return sum(value.numel() for value in network.parameters())


@pytest.mark.parametrize(
    ("shape", "tokens", "wanted"),
    [
        ((128, 128, 128), 512, 18_551_297),
        ((448, 448, 256), 12_544, 21_631_489),
        ((512, 512, 256), 16_384, 22_614_529),
    ],
)
def test_the_transformer_has_the_public_ones_size(shape: tuple[int, int, int], tokens: int, wanted: int) -> None:
    with torch.device("meta"):
        transformer = build_transformer(PAPER, shape)
    assert transformer.max_seq_len == PAPER.max_seq_len(shape) == tokens
    assert parameters(transformer) == wanted


def test_the_transformers_names_are_monais_at_full_depth() -> None:
    with torch.device("meta"):
        theirs = DecoderOnlyTransformer(2049, 8, 256, 22, 8).state_dict()
        ours = build_transformer(PAPER, (32, 32, 32)).state_dict()
    assert {name: value.shape for name, value in ours.items()} == {
        name: value.shape for name, value in theirs.items() if not name.endswith("causal_mask")
    }


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({}, 112_179_329),  # the public README's command
        ({"channels": (128, 128, 128, 256), "codebook_size": 256, "codebook_dim": 256}, 49_177_601),  # its defaults
    ],
)
def test_the_vqvae_has_the_public_ones_size(changed: dict[str, object], wanted: int) -> None:
    with torch.device("meta"):
        vqvae = Vqvae(PAPER.vqvae.model_copy(update=changed))
    assert parameters(vqvae) == wanted


def test_there_is_one_token_more_than_codes() -> None:
    for preset in PRESETS.values():
        assert preset.network.begin == preset.network.vqvae.codebook_size == preset.network.num_tokens - 1


def test_the_codebooks_decay_is_not_monais_default() -> None:
    assert PAPER.vqvae.decay == 0.99


def test_paper_sequences_are_as_reported_and_the_full_fields_are_longer() -> None:
    full = (512, 512, 256)
    lengths = {name: preset.network.max_seq_len(preset.network.shape or full) for name, preset in PRESETS.items()}
    assert lengths | {"tiny": 0} == {"tiny": 0, "paper": 12_544, "paper-full": 16_384, "paper-ds8": 131_072}


def test_positions_begin_as_waves_that_tell_all_places_apart() -> None:
    waves = axis_waves((4, 6, 2), 24)
    assert waves.shape == (48, 24)
    assert torch.pdist(waves).min() > 0.1
    steps = waves.reshape(4, 6, 2, 24)
    along_x = steps[:, 0, 0] - steps[:, 5, 1]  # what the other axes add is the same all along x
    torch.testing.assert_close(along_x, along_x[:1].expand_as(along_x))
