import functools
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from medbench.budget.prediction import Prediction, predict_peak
from medbench.errors import DataError
from medbench.generators.base import Predicts, SampleRequest
from medbench.training.loop import launch
from medbench.training.rehearsal import Rehearsal
from medbench_models.medlord import memory
from medbench_models.medlord.checkpoint import MODEL, Description
from medbench_models.medlord.config import MedLoRDConfig
from medbench_models.medlord.generator import MedLoRD
from medbench_models.medlord.memory import predict, predict_fitting, predict_sampling, step_denoiser
from medbench_models.medlord.networks import build_controlnet, build_unet
from medbench_models.medlord.presets import PRESETS
from medbench_models.shared import vqvae
from medbench_models.shared.checkpoint import save
from medbench_models.shared.vqgan import step_vqgan
from medbench_models.shared.vqvae import TRAINING_ONLY, Vqvae
from medbench_models.shared.vqvae_memory import predict_encoding

GIB = 2**30

FULL = (512, 512, 256)


@functools.cache
def sampling_at_full_size(name: str) -> dict[str, Prediction]:
    return predict_sampling(PRESETS[name].network, FULL)


@pytest.mark.parametrize("name", ["luna-ds8", "paper"])
def test_full_size_is_sampled_and_encoded_within_24_gib(name: str) -> None:
    parts = [*sampling_at_full_size(name).values(), predict_encoding(PRESETS[name].network.vqvae, FULL)]
    assert max(part.peak_bytes for part in parts) <= 24 * GIB


@pytest.mark.slow
@pytest.mark.parametrize("name", ["luna-ds8", "paper"])
def test_every_stage_trains_within_24_gib(name: str) -> None:
    for stage, prediction in predict_fitting(PRESETS[name], FULL).items():
        assert prediction.peak_bytes <= 24 * GIB, stage


def test_decoding_holds_three_of_its_widest_activations_in_half_precision() -> None:
    found = sampling_at_full_size("luna-ds8")["decode"]
    widest = [one for one in found.largest_tensors if one.bytes == 2 * GIB]
    assert [one.shape for one in widest] == [(1, 128, 256, 256, 128)] * 3
    assert {one.dtype for one in widest} == {"float16"}


def test_a_lower_limit_costs_slabs_instead_of_memory() -> None:
    network = PRESETS["luna-ds8"].network
    for limit in (8 * GIB, 7 * GIB):
        assert predict_sampling(network, FULL, limit_bytes=limit)["decode"].peak_bytes <= limit
    assert predict_encoding(network.vqvae, FULL, limit_bytes=12 * GIB).peak_bytes <= 12 * GIB


def test_activation_checkpointing_is_seen() -> None:
    config = PRESETS["tiny"]
    found = []
    for checkpointing in (False, True):
        settings = config.stage2.model_copy(update={"checkpointing": checkpointing})
        step = functools.partial(
            step_denoiser, config.network, settings, (64, 64, 32), Rehearsal("16-mixed"), steered=False
        )
        found.append(predict_peak(step).tensor_bytes)
    assert found[1] < 0.7 * found[0]


def test_the_controlnet_counts() -> None:
    network = PRESETS["tiny"].network
    without = network.model_copy(update={"controlnet": None})
    shape = (128, 128, 64)
    parts = [predict_sampling(one, shape)["denoise"].tensor_bytes for one in (network, without)]
    masks = 2 * len(network.controlnet.regions) * math.prod(shape)  # in float16
    assert parts[0] > max(parts[1], masks)


def test_a_step_of_the_whole_preset_is_rehearsed_with_all_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = predict_fitting(PRESETS["tiny"], (64, 64, 32))
    assert set(parts) == {"stage1", "encode", "stage2", "stage3"}
    monkeypatch.setattr(memory, "predict_fitting", lambda *asked, **limit: parts)  # rehearsing them again takes seconds
    assert predict(PRESETS["tiny"], "fit", (64, 64, 32)) == max(parts.values(), key=lambda part: part.tensor_bytes)


def test_the_rehearsed_steps_run_with_numbers_too(small: MedLoRDConfig) -> None:
    """What the benchmark measures on a GPU is the code that is rehearsed; here Fabric runs it on the CPU."""
    fabric = launch("cpu", "32-true")
    step_vqgan(small.network.vqvae, small.stage1, fabric)
    step_denoiser(small.network, small.stage2, (16, 16, 16), fabric, steered=False)
    step_denoiser(small.network, small.stage3, (16, 16, 16), fabric, steered=True)


@pytest.mark.parametrize(
    ("stage", "shape", "words"),
    [("sample", (500, 512, 256), "multiple of 64"), ("fit", (64, 64, 64), "crops are 256x256x128")],
)
def test_shapes_that_do_not_suit_are_refused(stage: str, shape: tuple[int, int, int], words: str) -> None:
    model = MedLoRD("luna-ds8", device="cpu")
    assert isinstance(model, Predicts)
    with pytest.raises(DataError, match=words):
        model.predict(stage, shape, limit_bytes=math.inf)


@pytest.fixture
def model(small: MedLoRDConfig, small_preset: str, tmp_path: Path) -> MedLoRD:
    """The small networks with random weights, loaded from a checkpoint."""
    network = small.network
    torch.manual_seed(0)
    states = {
        "vqvae": Vqvae(network.vqvae).state_dict(),
        "unet": build_unet(network.unet, network.vqvae.codebook_dim).state_dict(),
        "controlnet": build_controlnet(network).state_dict(),
    }
    description = Description(
        model=MODEL,
        preset=small_preset,
        network=network,
        scale_factor=1.0,
        shape=(64, 16, 16),
        affine=tuple(tuple(row) for row in np.eye(4).tolist()),
        seed=0,
        steps={},
        scores={},
        trained_on=0,
    )
    save(tmp_path / "random.safetensors", states, description, leave_out=TRAINING_ONLY)
    loaded = MedLoRD(small_preset, device="cpu")
    loaded.load(tmp_path / "random.safetensors")
    return loaded


def test_samples_in_slabs_are_the_same_samples(model: MedLoRD, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = next(model.sample(SampleRequest(seeds=[5])))
    restored = model.reconstruct(whole)
    assert np.unique(whole.voxels).size > 3
    monkeypatch.setattr(vqvae, "slabs_needed", lambda *args, **named: 4)
    found = next(model.sample(SampleRequest(seeds=[5])))
    again = model.reconstruct(whole)
    for one, other in ((whole, found), (restored, again)):
        difference = np.abs(one.voxels.astype(int) - other.voxels.astype(int))
        assert difference.max() <= 1
        assert np.mean(difference > 0) < 1e-3
