"""MedLoRD at 512x512x256 on a GPU capped to 24 GiB: what PyTorch measures beside what is predicted.

pytest -m "benchmark and gpu" -s tests/benchmarks/test_medlord_memory.py

It prints; it decides nothing but that the stages run. Weights are random: memory does not depend on them.
"""

import time
from collections.abc import Callable

import pytest
import torch

from medbench.training.attention import best_backend
from medbench.training.loop import launch
from medbench_models.medlord import memory
from medbench_models.medlord.config import MedLoRDConfig
from medbench_models.medlord.controlnet import Steered
from medbench_models.medlord.networks import build_controlnet, build_unet
from medbench_models.medlord.presets import PRESETS
from medbench_models.shared.attention import use_attention
from medbench_models.shared.precision import decoding_autocast, sampling_dtype
from medbench_models.shared.vqgan import step_vqgan
from medbench_models.shared.vqvae import Vqvae, decode, encode, through
from medbench_models.shared.vqvae_memory import predict_decoding, predict_encoding

pytestmark = [pytest.mark.benchmark, pytest.mark.gpu, pytest.mark.timeout(3600)]
GIB = 2**30
LIMIT = 24 * GIB
SHAPE = (512, 512, 256)
DEVICE = "cuda"


@pytest.fixture(autouse=True)
def _capped() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, LIMIT / total))


def measured(what: str, predicted: int, call: Callable[[], object]) -> None:
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    started = time.monotonic()
    call()
    torch.cuda.synchronize()
    allocated, reserved = torch.cuda.max_memory_allocated() / GIB, torch.cuda.max_memory_reserved() / GIB
    seconds = time.monotonic() - started
    print(
        f"\n{what}: tensors predicted {predicted / GIB:.2f} GiB, allocated {allocated:.2f}, reserved {reserved:.2f};"
        f" {seconds:.1f} s"
    )


def latent_of(config: MedLoRDConfig) -> torch.Tensor:
    factor = config.network.vqvae.factor
    return torch.randn(1, 8, *(size // factor for size in SHAPE), device=DEVICE)


@pytest.mark.parametrize("name", ["luna-ds8", "paper"])
@torch.no_grad()
def test_sampling(name: str) -> None:
    config = PRESETS[name]
    predicted = memory.predict_sampling(config.network, SHAPE, limit_bytes=LIMIT)

    def denoise() -> None:
        kept = Vqvae(config.network.vqvae).to(DEVICE)
        number = sampling_dtype(DEVICE)
        unet = build_unet(config.network.unet, 8).eval().to(DEVICE, number)
        controlnet = build_controlnet(config.network).eval().to(DEVICE, number)
        for network in (unet, controlnet):
            use_attention(network, best_backend(DEVICE))
        masks = torch.zeros(1, len(config.network.controlnet.regions), *SHAPE, device=DEVICE, dtype=number)
        steps = torch.zeros(1, dtype=torch.int64, device=DEVICE)
        Steered(controlnet, unet)(latent_of(config).to(number), steps, masks)
        del kept

    measured(f"{name}, U-Net with ControlNet", predicted["denoise"].tensor_bytes, denoise)


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("name", ["luna-ds8", "paper"])
@torch.no_grad()
def test_decoding_and_encoding(name: str, count: int) -> None:
    config = PRESETS[name]
    vqvae = Vqvae(config.network.vqvae).eval().to(DEVICE)

    def decoding() -> None:
        quantised, _ = vqvae.quantize(latent_of(config))
        with decoding_autocast(DEVICE):
            decode(vqvae, quantised, count=count)

    def encoding() -> None:
        vqvae.codebook(encode(vqvae, torch.zeros(1, 1, *SHAPE), count=count))

    network = config.network
    predicted = [
        predict_decoding(network.vqvae, SHAPE, count=count, beside=lambda: memory.denoisers(network)),
        predict_encoding(network.vqvae, SHAPE, count=count),
    ]
    measured(f"{name}, decode in {count} slabs", predicted[0].tensor_bytes, decoding)
    measured(f"{name}, encode in {count} slabs", predicted[1].tensor_bytes, encoding)


@pytest.mark.parametrize("stage", ["stage1", "stage2", "stage3"])
@pytest.mark.parametrize("name", ["luna-ds8", "paper"])
def test_training_steps(name: str, stage: str) -> None:
    """The rehearsed step on the GPU itself, with Fabric and AdamW; stage 1 with its validation on a whole volume."""
    config = PRESETS[name]
    settings = getattr(config, stage)
    predicted = memory.predict_fitting(config, SHAPE, limit_bytes=LIMIT)[stage].tensor_bytes

    def step() -> None:
        fabric = launch(DEVICE, settings.precision)
        if stage == "stage1":
            task = step_vqgan(config.network.vqvae, settings, fabric)
            with torch.no_grad():
                through(task.vqvae.eval(), torch.zeros(1, 1, *SHAPE), count=1)
        else:
            memory.step_denoiser(config.network, settings, SHAPE, fabric, steered=stage == "stage3")

    measured(f"{name}, {stage}", predicted, step)
