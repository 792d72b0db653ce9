"""A denoising step as medbench takes it against the plain one: same weights, float32 under autocast, nothing hoisted.

pytest -m benchmark -s tests/benchmarks/test_medlord_sampling.py

It prints; it decides nothing. Weights are random: neither time nor traffic depends on them.
"""

import copy
import time
from collections.abc import Callable

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from medbench.budget.prediction import as_on_cuda
from medbench.training.attention import best_backend
from medbench_models.medlord.controlnet import Steered
from medbench_models.medlord.memory import denoisers
from medbench_models.medlord.networks import build_controlnet, build_unet
from medbench_models.medlord.presets import PRESETS
from medbench_models.shared.attention import use_attention

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]
FULL = (512, 512, 256)
HALF = {"cuda": torch.float16, "cpu": torch.bfloat16}
_FREE = {"_unsafe_view", "alias", "as_strided", "detach", "empty", "expand", "permute", "select", "slice", "split", "t"}
_FREE |= {"device", "reshape", "squeeze", "transpose", "unsqueeze", "view"}


class Traffic(TorchDispatchMode):
    """Counts kernels and the bytes that they read and write."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels = self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        if func.overloadpacket.__name__ not in _FREE:
            tensors = [one for one in pytree.tree_leaves((args, kwargs, found)) if isinstance(one, torch.Tensor)]
            self.bytes += sum(one.numel() * one.element_size() for one in tensors)
            self.kernels += 1
        return found


@pytest.mark.parametrize("steered", [False, True])
@pytest.mark.parametrize("name", ["luna-ds8", "paper"])
@torch.no_grad()
def test_what_a_step_reads_and_writes(name: str, steered: bool) -> None:
    """Predicted: the networks run on tensors without contents, by CUDA's rules of mixed precision."""
    network = PRESETS[name].network
    latent_shape = (1, 8, *(size // network.vqvae.factor for size in FULL))
    masks_shape = (1, len(network.controlnet.regions), *FULL)
    counts = []
    with FakeTensorMode(allow_non_fake_inputs=True), as_on_cuda():
        steps = torch.zeros(1, dtype=torch.int64)
        unet = build_unet(network.unet, 8)
        plain = Steered(build_controlnet(network), unet) if steered else unet
        inputs = [torch.empty(latent_shape), steps, *([torch.empty(masks_shape)] if steered else [])]
        with torch.autocast("cpu", dtype=torch.float16):
            plain(*inputs)  # casts of weights that autocast keeps
            with Traffic() as traffic:
                plain(*inputs)
        counts.append(traffic)
        unet, controlnet = denoisers(network)
        latent = torch.empty(latent_shape, dtype=torch.float16)
        if steered:
            embedded = controlnet.embedding(torch.empty(masks_shape, dtype=torch.float16))
        with Traffic() as traffic:
            if steered:
                Steered(controlnet, unet).velocity(latent, steps, embedded)
            else:
                unet(latent, steps)
        counts.append(traffic)
    plain_bytes, bytes_ = (traffic.bytes / 2**30 for traffic in counts)
    print(
        f"\n{name}{', steered' if steered else ''}: plain {plain_bytes:.1f} GiB in {counts[0].kernels} kernels,"
        f" medbench {bytes_:.1f} GiB in {counts[1].kernels}: {plain_bytes / bytes_:.2f} times less traffic"
    )


@pytest.mark.parametrize("steered", [False, True])
@pytest.mark.parametrize("name", ["luna-ds8", "paper"])
@torch.no_grad()
def test_seconds_of_a_step(name: str, steered: bool) -> None:
    """Measured: at full size on a GPU; on a CPU an eighth of it along each axis, in bfloat16."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    number, network = HALF[device], PRESETS[name].network
    shape = FULL if device == "cuda" else (128, 128, 64)
    unet, controlnet = (one.eval().to(device) for one in (build_unet(network.unet, 8), build_controlnet(network)))
    for one in (unet, controlnet):
        use_attention(one, best_backend(device))
    halved = [copy.deepcopy(one).to(number) for one in (unet, controlnet)]
    steps = torch.full((1,), 100, device=device)
    latent = torch.randn(1, 8, *(size // network.vqvae.factor for size in shape), device=device)
    masks = torch.zeros(1, len(network.controlnet.regions), *shape, device=device)
    embedded = halved[1].embedding(masks.to(number))

    def plain() -> torch.Tensor:
        return Steered(controlnet, unet)(latent, steps, masks) if steered else unet(latent, steps)

    def ours() -> torch.Tensor:
        if steered:
            return Steered(halved[1], halved[0]).velocity(latent.to(number), steps, embedded)
        return halved[0](latent.to(number), steps)

    with torch.autocast(device, dtype=number):
        before = seconds(plain, device)
    after = seconds(ours, device)
    print(f"\n{name}{', steered' if steered else ''}: {before:.3f} s and {after:.3f} s a step, {before / after:.2f}")


def seconds(step: Callable[[], object], device: str) -> float:
    """Return the median seconds of a step after three that warm up."""
    times = []
    for _ in range(13):
        started = time.perf_counter()
        step()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return sorted(times[3:])[5]
