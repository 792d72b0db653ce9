from pathlib import Path

import numpy as np
import torch
from monai.networks.layers.vector_quantizer import EMAQuantizer

from medbench_models.medlord.presets import PRESETS
from medbench_models.shared.nearest import nearest_codes
from medbench_models.shared.quantiser import EmaQuantiser
from medbench_models.shared.vqvae import Vqvae

DATA = Path(__file__).parents[2] / "data" / "medlord"


def ours(codes: int = 64, **changes: float) -> EmaQuantiser:
    options = {"commitment": 0.25, "decay": 0.95, "epsilon": 1e-5, **changes}
    return EmaQuantiser(codes, 8, **options)


def pair() -> tuple[EmaQuantiser, EMAQuantizer]:
    torch.manual_seed(0)
    theirs = EMAQuantizer(3, 64, 8, commitment_cost=0.25, decay=0.95, epsilon=1e-5, ddp_sync=False)
    quantiser = ours()
    quantiser.load_state_dict(theirs.state_dict())
    return quantiser, theirs


def golden() -> dict[str, torch.Tensor]:
    with np.load(DATA / "quantiser_io.npz") as stored:
        return {name: torch.from_numpy(stored[name]) for name in stored.files}


def test_codes_loss_and_one_training_step_are_upstreams() -> None:
    wanted = golden()
    quantiser = ours(decay=0.95)
    quantiser.embedding.weight.data.copy_(wanted["codebook"])
    quantiser.ema_cluster_size.copy_(wanted["ema_cluster_size_before"])
    quantiser.ema_w.copy_(wanted["ema_w_before"])
    quantised, loss, indices = quantiser.eval()(wanted["inputs"])
    assert torch.equal(indices, wanted["indices"])
    torch.testing.assert_close(quantised, wanted["quantised"], atol=1e-5, rtol=0)
    torch.testing.assert_close(loss, wanted["loss"], atol=1e-5, rtol=0)
    quantiser.train()(wanted["inputs"])
    for name, value in (("ema_cluster_size", quantiser.ema_cluster_size), ("ema_w", quantiser.ema_w)):
        torch.testing.assert_close(value, wanted[f"{name}_after"], atol=1e-5, rtol=1e-6)
    torch.testing.assert_close(quantiser.embedding.weight, wanted["embedding_after"], atol=1e-5, rtol=1e-6)


def test_results_and_moving_averages_are_monais() -> None:
    quantiser, theirs = pair()
    for _ in range(3):
        latent = torch.randn(2, 8, 5, 6, 7)
        found, wanted = quantiser(latent), theirs(latent)
        assert torch.equal(found[2], wanted[2])
        torch.testing.assert_close(found[0], wanted[0], atol=1e-6, rtol=0)
        torch.testing.assert_close(found[1], wanted[1], atol=1e-6, rtol=0)
        for name, value in theirs.state_dict().items():
            torch.testing.assert_close(quantiser.state_dict()[name], value, atol=1e-5, rtol=1e-5)


def test_evaluation_leaves_the_codebook_alone() -> None:
    quantiser, _ = pair()
    before = {name: value.clone() for name, value in quantiser.state_dict().items()}
    quantiser.eval()(torch.randn(1, 8, 4, 4, 4))
    assert all(torch.equal(before[name], value) for name, value in quantiser.state_dict().items())


def test_gradient_passes_straight_through() -> None:
    quantiser, _ = pair()
    latent = torch.randn(1, 8, 2, 2, 2, requires_grad=True)
    quantiser.eval()(latent)[0].sum().backward()
    assert latent.grad is not None
    assert torch.equal(latent.grad, torch.ones_like(latent))


def test_distances_stay_float32_under_autocast() -> None:
    quantiser, _ = pair()
    quantiser.eval()
    latent = torch.randn(1, 8, 8, 8, 8)
    wanted = quantiser(latent)[2]
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(quantiser(latent)[2], wanted)


def test_the_search_is_given_float32_and_no_autocast() -> None:
    quantiser, _ = pair()
    search, seen = quantiser.search, []

    def spied(rows: torch.Tensor, codebook: torch.Tensor) -> torch.Tensor:
        seen.append((rows.dtype, codebook.dtype, torch.is_autocast_enabled("cpu")))
        return search(rows, codebook)

    quantiser.search = spied
    with torch.autocast("cpu", torch.bfloat16):
        quantised, loss, _ = quantiser(torch.randn(1, 8, 4, 4, 4, dtype=torch.bfloat16))
    assert seen == [(torch.float32, torch.float32, False)]
    assert quantised.dtype == loss.dtype == torch.float32


def test_bypass_passes_the_latent_and_rests_the_codebook() -> None:
    quantiser, _ = pair()
    before = quantiser.embedding.weight.clone()
    quantiser.bypass = True
    latent = torch.randn(1, 8, 4, 4, 4)
    found, loss, _ = quantiser(latent)
    assert torch.equal(found, latent)
    assert float(loss) == 0.0
    assert torch.equal(before, quantiser.embedding.weight)


def test_k_means_finds_separate_clusters() -> None:
    chance = torch.Generator().manual_seed(0)
    centres = 10.0 * torch.eye(8)[:4]
    rows = (centres[:, None] + 0.01 * torch.randn(4, 50, 8, generator=chance)).flatten(0, 1)
    quantiser = ours(codes=16)
    quantiser.start_from(rows, chance)
    error = (rows - quantiser.embedding.weight[nearest_codes(rows, quantiser.embedding.weight)]).norm(dim=1)
    assert float(error.max()) < 0.1
    assert torch.equal(quantiser.ema_w, quantiser.embedding.weight)
    assert torch.equal(quantiser.ema_cluster_size, torch.ones(16))


def test_dead_codes_and_only_they_are_restarted() -> None:
    quantiser = ours(codes=4)
    quantiser.ema_cluster_size.copy_(torch.tensor([5.0, 0.0, 2.0, 0.01]))
    before = quantiser.embedding.weight.clone()
    rows = torch.full((3, 8), 9.0)
    assert quantiser.restart_dead(rows, torch.Generator().manual_seed(0), below=0.03) == 2
    assert torch.equal(quantiser.embedding.weight[[0, 2]], before[[0, 2]])
    assert bool((quantiser.embedding.weight[[1, 3]] == 9.0).all())


def test_state_dict_names_are_monais() -> None:
    from monai.networks.nets import VQVAE

    config = PRESETS["tiny"].network.vqvae
    stock = VQVAE(
        spatial_dims=3,
        in_channels=1,
        out_channels=1,
        channels=config.channels,
        num_res_channels=config.channels,
        num_res_layers=1,
        downsample_parameters=((2, 4, 1, 1),) * 2,
        upsample_parameters=((2, 4, 1, 1, 0),) * 2,
        num_embeddings=config.codebook_size,
        embedding_dim=8,
    )
    found = {name: value.shape for name, value in Vqvae(config).state_dict().items()}
    assert found == {name: value.shape for name, value in stock.state_dict().items()}
