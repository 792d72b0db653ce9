"""A VQ-VAE's memory from its shapes alone; full sizes are in the tests of the generators."""

import pytest
import torch

from medbench_models.shared.config import VqvaeConfig
from medbench_models.shared.vqvae import Vqvae
from medbench_models.shared.vqvae_memory import bytes_of_vqvae, predict_decoding, predict_encoding, predict_vqgan
from medbench_models.vq_trans.presets import PRESETS

CONFIG = VqvaeConfig(channels=(8, 16), res_layers=1, codebook_size=32)
SHAPE = (256, 64, 64)


def test_weights_are_counted_without_being_made() -> None:
    vqvae = Vqvae(CONFIG)
    wanted = sum(value.nbytes for value in (*vqvae.parameters(), *vqvae.buffers()))
    assert bytes_of_vqvae(CONFIG) == wanted
    assert bytes_of_vqvae(CONFIG, torch.nn.Linear(10, 10, bias=False)) == wanted + 400


@pytest.mark.parametrize("part", ["decode", "encode"])
def test_slabs_take_less(part: str) -> None:
    found = [
        predict_decoding(CONFIG, SHAPE, count=count, beside=list)
        if part == "decode"
        else predict_encoding(CONFIG, SHAPE, count=count)
        for count in (1, 8)
    ]
    assert found[1].tensor_bytes < 0.8 * found[0].tensor_bytes


def test_what_stays_beside_is_counted() -> None:
    kept = [
        predict_decoding(CONFIG, SHAPE, count=1, beside=beside).tensor_bytes
        for beside in (list, lambda: torch.empty(2**20))
    ]
    assert kept[1] - kept[0] == 4 * 2**20


def test_passes_that_accumulate_hold_no_more_than_the_second() -> None:
    config, network = PRESETS["tiny"].stage1, PRESETS["tiny"].network.vqvae
    two, eight = (
        predict_vqgan(network, config.model_copy(update={"accumulate": count}), (64, 64, 32)).tensor_bytes
        for count in (2, 8)
    )
    assert two == eight
