"""What runs on a GPU gives what the CPU gives."""

import numpy as np
import pytest
import torch

from medbench.datasets.phantom.dataset import PhantomDataset
from medbench_models.vq_trans.config import SamplingConfig
from medbench_models.vq_trans.generator import VqTrans
from medbench_models.vq_trans.memory import predict_sampling
from medbench_models.vq_trans.networks import build_transformer
from medbench_models.vq_trans.presets import PRESETS
from medbench_models.vq_trans.sampling import sample_tokens
from medbench_models.vq_trans.transformer import Transformer

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]


@torch.inference_mode()
def test_the_same_noise_draws_the_same_tokens_in_float32() -> None:
    torch.manual_seed(0)
    transformer = Transformer(65, 64, dim=32, depth=2, heads=4).eval()
    found = [
        sample_tokens(transformer.to(device), 64, SamplingConfig(), torch.Generator().manual_seed(1)).cpu()
        for device in ("cpu", "cuda")
    ]
    assert torch.equal(*found)


def test_a_reconstruction_is_the_same() -> None:
    volume, found = PhantomDataset().cases("test")[0].read_volume(), []
    for device in ("cpu", "cuda"):
        model = VqTrans("tiny", device=device)
        model.load(None)
        found.append(model.reconstruct(volume).voxels.astype(float))
    assert np.abs(found[1] - found[0]).mean() < 5.0  # HU; the decoder runs in float16


@torch.inference_mode()
def test_the_last_token_of_paper_size_holds_what_is_predicted() -> None:
    network, shape = PRESETS["paper"].network, (448, 448, 256)
    predicted = predict_sampling(network, shape)["next token"].tensor_bytes
    transformer = build_transformer(network, shape).eval().to("cuda", torch.float16)
    torch.cuda.reset_peak_memory_stats()
    cache = transformer.new_cache(1)
    cache.filled = transformer.max_seq_len - 1
    transformer.forward_next(torch.zeros(1, dtype=torch.int64, device="cuda"), cache)
    assert torch.cuda.max_memory_allocated() <= predicted * 1.05
