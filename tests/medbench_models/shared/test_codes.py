from pathlib import Path

import numpy as np
import pytest
import torch

from medbench.errors import CheckpointError
from medbench.progress import silent
from medbench.training.chance import Chance
from medbench_models.medlord.config import MedLoRDConfig
from medbench_models.shared.arrays import scaled
from medbench_models.shared.codes import Latents, encode_volumes, sample_codes, scale_factor
from medbench_models.shared.schedules import Discrete, cosine_alphas
from medbench_models.shared.vqvae import Vqvae


def test_volumes_are_encoded_once_to_the_latents_of_the_vqvae(small: MedLoRDConfig, tmp_path: Path) -> None:
    torch.manual_seed(0)
    vqvae = Vqvae(small.network.vqvae).eval()
    volumes = np.random.default_rng(0).integers(-1000, 1000, (2, 16, 16, 16)).astype(np.int16)
    window = small.network.window
    indices = encode_volumes(vqvae, volumes, tmp_path / "codes.npy", window=window, progress=silent)
    found = Latents(indices, vqvae.codebook.embedding.weight).clean(torch.arange(2), Chance(0, 0).batches(2)[0])
    with torch.no_grad():
        wanted = vqvae.encode_stage_2_inputs(scaled(volumes, window))
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)
    before = (tmp_path / "codes.npy").stat().st_mtime_ns
    encode_volumes(vqvae, volumes, tmp_path / "codes.npy", window=window, progress=silent)
    assert (tmp_path / "codes.npy").stat().st_mtime_ns == before
    vqvae.codebook.embedding.weight.data.neg_()
    encode_volumes(vqvae, volumes, tmp_path / "codes.npy", window=window, progress=silent)
    assert (tmp_path / "codes.npy").stat().st_mtime_ns > before  # codes of other weights are not used


def test_dropout_empties_whole_channels_at_its_rate() -> None:
    labels = np.ones((1, 2, 2, 2), np.uint8)
    examples = Latents(np.zeros((1, 1, 1, 1), np.uint8), torch.zeros(16, 8), labels, regions=1, dropout=0.1)
    empty = [
        float(examples.told(*examples.conditions(torch.tensor([0]), Chance(seed, 0).batches(1)[0]))[0].max()) == 0.0
        for seed in range(2000)
    ]
    assert np.mean(empty) == pytest.approx(0.1, abs=0.02)


def test_scale_factor_is_the_inverse_deviation_of_all_latents() -> None:
    chance = np.random.default_rng(0)
    indices, codes = chance.integers(0, 16, (4, 5, 6, 7)).astype(np.uint16), torch.randn(16, 8)
    latents = codes[torch.from_numpy(indices.astype(np.int64))]
    assert scale_factor(indices, codes) == pytest.approx(1.0 / float(latents.double().std()), rel=1e-9)
    with pytest.raises(CheckpointError, match="encodes every volume alike"):
        scale_factor(np.zeros((2, 3, 3, 3), np.uint16), torch.ones(16, 8))


def test_a_sample_is_made_of_codes_and_depends_on_its_seed_alone(small: MedLoRDConfig) -> None:
    vqvae, schedule = Vqvae(small.network.vqvae).eval(), Discrete(cosine_alphas(50))
    found = [
        sample_codes(
            vqvae, lambda latent, steps: 0.1 * latent, schedule, small.sampling, shape=(16, 16, 8), scale_factor=0.5,
            seed=seed,
        )
        for seed in (1, 2, 1)
    ]  # fmt: skip
    assert found[0].shape == (1, 8, 4, 4, 2)
    assert torch.equal(found[0], found[2])
    assert not torch.equal(found[0], found[1])
    distances = torch.cdist(found[0].movedim(1, -1).reshape(-1, 8), vqvae.codebook.embedding.weight)
    assert distances.min(dim=1).values.max() < 1e-3
