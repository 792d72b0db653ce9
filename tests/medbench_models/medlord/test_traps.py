"""Traps of the public code and of MONAI's counterparts that no golden output shows.

Elsewhere: projections that are stored and never applied, the activation that is missing before the last convolution
(test_upstream), quantising again before decoding (test_upstream), raw and averaged weights (test_convert), time steps
(test_schedule), the scale factor that no file holds (test_convert), missing tensors (test_upstream, test_convert).
"""

import numpy as np
import pytest
import torch
from monai.networks.schedulers import DDPMScheduler

from medbench.budget.prediction import predict_peak
from medbench.imaging.volume import LabelMap
from medbench.spec import Window
from medbench.training.chance import Chance
from medbench_models.shared.arrays import scaled
from medbench_models.shared.codes import Latents
from medbench_models.shared.conditions import one_hot, region_numbers
from medbench_models.shared.nearest import MOST_EXTRA_BYTES, by_chunks
from medbench_models.shared.quantiser import EmaQuantiser
from medbench_models.shared.samplers import SAMPLERS, Predict, times_for
from medbench_models.shared.schedules import Discrete, cosine_alphas

SCHEDULE = Discrete(cosine_alphas(50))

ROWS, CODES = 131_072, 16_384  # a 512x512x256 volume at compression 8


def sampled(sampler: str, predict: Predict, noise: torch.Tensor) -> torch.Tensor:
    times = times_for(sampler, SCHEDULE, 5)
    return SAMPLERS[sampler](SCHEDULE, predict, noise, times, torch.Generator().manual_seed(0))


def test_hu_are_scaled_by_the_window_and_not_by_the_volumes_own_range() -> None:
    soft_tissue = np.full((1, 2, 2, 2), 300, np.int16)
    soft_tissue[0, 0, 0, 0] = -200
    found = scaled(soft_tissue, Window(low=-1000, high=1000))
    assert float(found.max()) == pytest.approx(0.3)
    assert float(found.min()) == pytest.approx(-0.2)


def test_the_noisiest_steps_are_not_monais() -> None:
    """MONAI clips betas at 0.999 and upstream at 0.9999: at the last step the images differ in what is left of them."""
    ours = cosine_alphas(300)
    monais = DDPMScheduler(num_train_timesteps=300, schedule="cosine").alphas_cumprod
    assert float(monais[-1] / ours[-1]) > 5
    torch.testing.assert_close(monais[:290].double(), ours[:290], rtol=1e-2, atol=1e-6)


def test_ddpm_takes_every_step_one_after_the_other() -> None:
    """With fewer, as in the public code's sampler, whose posterior leads one step back all the same, noise is left."""
    steps = []

    def predict(latent: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        steps.append(int(at))
        return torch.zeros_like(latent)

    sampled("ddpm", predict, torch.zeros(1, 8, 2, 2, 2))
    assert steps == list(reversed(range(50)))


def test_clean_latents_are_not_clipped() -> None:
    far = torch.full((1, 8, 2, 2, 2), 7.0)

    def oracle(noisy: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        level = SCHEDULE.alphas_cumprod[steps].view(-1, 1, 1, 1, 1)
        return ((level.sqrt() * noisy - far) / (1 - level).sqrt()).float()

    found = sampled("ddim", oracle, torch.zeros_like(far))
    torch.testing.assert_close(found, far, atol=1e-3, rtol=0)


def test_the_nearest_codes_of_a_whole_volume_need_little_memory() -> None:
    def search() -> torch.Tensor:
        return by_chunks(torch.empty(ROWS, 8), torch.empty(CODES, 8))

    held = 4 * 8 * (ROWS + CODES) + 8 * ROWS  # what goes in and comes out
    assert predict_peak(search).tensor_bytes - held <= 2 * MOST_EXTRA_BYTES


def test_learning_the_codebook_needs_no_matrix_of_rows_and_codes() -> None:
    def learn() -> None:
        quantiser = EmaQuantiser(CODES, 8, commitment=0.25, decay=0.95, epsilon=1e-5).train()
        quantiser.search = lambda rows, codebook: torch.zeros(len(rows), dtype=torch.int64)
        quantiser(torch.empty(1, 8, 64, 64, 32))

    one_hot = ROWS * CODES  # at a byte each
    assert predict_peak(learn).tensor_bytes < one_hot / 20


def test_masks_hold_zero_and_one_whatever_the_labels_values() -> None:
    """The public code uses masks as stored; here label 30 of a case is region 2 of the model."""
    labels = LabelMap(np.array([[[0, 30, 7]]], np.uint8), np.eye(4), {30: "right", 7: "left"})
    numbers = region_numbers(labels, ("left", "right"))
    masks = one_hot(torch.from_numpy(numbers)[None], 2)
    assert masks[0, :, 0, 0].tolist() == [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]


def test_masks_drop_out_one_by_one_and_in_the_whole_batch() -> None:
    """As in the public code; a condition that drops out as a whole would train the model for guidance."""
    labels = np.array([[[[1, 2]]], [[[2, 1]]]], np.uint8)
    examples = Latents(np.zeros((2, 1, 1, 2), np.uint8), torch.zeros(1, 8), labels, regions=2, dropout=0.5)
    seen = set()
    for seed in range(40):
        [masks] = examples.told(*examples.conditions(torch.arange(2), Chance(seed, 0).batches(2)[0]))
        first, second = masks.flatten(2).amax(dim=2).tolist()
        assert first == second
        seen.add(tuple(first))
    assert seen == {(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)}
