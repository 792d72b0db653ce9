"""The VQ-GAN is the published one: same names, same shapes, same outputs."""

import numpy as np
import pytest
import torch

from medbench_models.med_lsdm.config import AutoencoderConfig
from medbench_models.med_lsdm.discriminators import PatchDiscriminator
from medbench_models.med_lsdm.vqgan import VqGan

SMALL = AutoencoderConfig(hidden=8, codes=64, norm_groups=8)
NETS = ("encoder", "decoder", "pre_vq_conv", "post_vq_conv")


def close(found: torch.Tensor, wanted: np.ndarray) -> None:
    np.testing.assert_allclose(found.detach().numpy(), wanted, atol=1e-4, rtol=0)


def filled(golden, config: AutoencoderConfig = SMALL) -> VqGan:
    """Return a VQ-GAN with the golden weights and codes."""
    vqgan = VqGan(config, 3).eval()
    for net in NETS:
        tag = "decoder_spade" if net == "decoder" and config.spade else net
        golden.fill(getattr(vqgan, net), f"med_lsdm/vqgan/{tag}")
    codes = torch.from_numpy(golden.vqgan["codebook"])
    vqgan.codebook.embedding.weight.data.copy_(codes)
    vqgan.codebook.ema_w.copy_(codes)
    vqgan.codebook.ema_cluster_size.fill_(1.0)
    return vqgan


@pytest.mark.parametrize("spade", [False, True])
def test_names_shapes_and_weights_are_the_published_ones(golden, spade: bool) -> None:
    vqgan = filled(golden, SMALL.model_copy(update={"spade": spade}))
    for net in NETS:
        stored = golden.states[f"vqgan.{'decoder_spade' if net == 'decoder' and spade else net}"]
        state = getattr(vqgan, net).state_dict()
        assert {key: list(value.shape) for key, value in state.items()} == {
            k: shape for k, (shape, _, _) in stored.items()
        }
        for key, (_, total, magnitude) in stored.items():
            assert float(state[key].double().sum()) == pytest.approx(total, rel=1e-5, abs=1e-4)
            assert float(state[key].double().abs().sum()) == pytest.approx(magnitude, rel=1e-5)


def test_the_published_size_has_the_published_parameters(golden) -> None:
    with torch.device("meta"):
        vqgan = VqGan(AutoencoderConfig(), 3)
    for net, parameters in (("encoder", 441_568), ("decoder", 948_417)):
        state = getattr(vqgan, net).state_dict()
        assert {k: list(v.shape) for k, v in state.items()} == golden.states[f"full_vqgan_nhid16.{net}"]
        assert sum(value.numel() for value in state.values()) == parameters


@torch.no_grad()
def test_outputs_are_the_published_ones(golden) -> None:
    vqgan, stored = filled(golden), golden.vqgan
    image = golden.uniform("med_lsdm/vqgan:input:x", 1, 1, 16, 32, 32)
    close(vqgan.encoder(image)[:, ::4], stored["enc_strided"])
    latent = vqgan.encode(image)
    close(latent, stored["z"])
    quantised, commitment, indices = vqgan.codebook(latent)
    assert np.array_equal(indices, stored["indices"])
    close(commitment, stored["commitment"])
    close(vqgan.decode(quantised), stored["recon"])
    scaled = vqgan.scaled(latent)
    close(scaled, stored["latent_normalised"])
    close(vqgan.decode(vqgan.quantised(scaled)), stored["decode_from_latent"])


@torch.no_grad()
def test_the_steered_decoder_is_the_published_one(golden, one_hot_map) -> None:
    vqgan, stored = filled(golden, SMALL.model_copy(update={"spade": True})), golden.vqgan
    quantised = vqgan.codebook(torch.from_numpy(stored["z"]))[0]
    close(vqgan.decode(quantised, one_hot_map(stored["label"], 3)), stored["recon_spade"])


@torch.no_grad()
def test_the_codebook_moves_as_published(golden) -> None:
    vqgan, stored = filled(golden), golden.vqgan
    codebook = vqgan.codebook.train()
    codebook(torch.from_numpy(stored["z"]))
    close(codebook.ema_cluster_size, stored["codebook_N_after"])
    close(codebook.ema_w, stored["codebook_zavg_after"])
    close(codebook.embedding.weight, stored["codebook_after_train_no_restart"])


@torch.no_grad()
def test_the_way_of_a_latent_through_scaling_and_requantisation_is_plain_reconstruction(golden) -> None:
    """Skipping the quantisation, or another range, gives noisy borders and blur in decoded samples."""
    vqgan = filled(golden)
    image = golden.uniform("a", 1, 1, 8, 16, 16)
    scaled = vqgan.scaled(vqgan.encode(image))
    torch.testing.assert_close(vqgan.decode(vqgan.quantised(scaled)), vqgan(image)[0], atol=1e-5, rtol=0)
    part = vqgan.scaled(vqgan.encode(image)[..., :2])  # the range is the codebook's, not the batch's
    torch.testing.assert_close(part, scaled[..., :2])


@torch.no_grad()
@pytest.mark.parametrize("dimensions, name", [(2, "image_discriminator"), (3, "video_discriminator")])
def test_discriminators_are_the_published_ones(golden, dimensions: int, name: str) -> None:
    network = PatchDiscriminator(dimensions, 8, 3).train()
    golden.fill(network, f"med_lsdm/vqgan/{name}")
    shapes = {key: list(value.shape) for key, value in network.state_dict().items()}
    assert shapes == {key: shape for key, (shape, _, _) in golden.states[f"vqgan.{name}"].items()}
    image = golden.uniform("med_lsdm/vqgan:input:x", 1, 1, 16, 32, 32)
    features = network(image[:, :, 3] if dimensions == 2 else image)
    close(features[-1], golden.vqgan["image_disc_train" if dimensions == 2 else "video_disc_train"])
