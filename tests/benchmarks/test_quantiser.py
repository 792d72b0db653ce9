"""Speed of the nearest code at the size of a 512x512x256 volume's latent. It prints; it decides nothing.

pytest -m benchmark -s tests/benchmarks/test_quantiser.py
"""

import time

import pytest
import torch

from medbench_models.shared.nearest import nearest_codes

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]
ROWS, CODES, DIM = 131_072, 16_384, 8
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def plain_loop(rows: torch.Tensor, codebook: torch.Tensor) -> torch.Tensor:
    norms = codebook.square().sum(dim=1)
    return torch.cat(
        [
            (chunk.square().sum(dim=1, keepdim=True) + norms - 2.0 * chunk @ codebook.T).argmin(dim=1)
            for chunk in rows.split(1024)
        ]
    )


def timed(search, rows, codebook) -> tuple[float, torch.Tensor]:
    best, found = float("inf"), None
    for _ in range(2):
        started = time.monotonic()
        found = search(rows, codebook)
        if rows.is_cuda:
            torch.cuda.synchronize()
        best = min(best, time.monotonic() - started)
    return best, found


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("spread", [0.3, 1.0])
def test_nearest_codes(device: str, spread: float) -> None:
    chance = torch.Generator().manual_seed(0)
    codebook = torch.randn(CODES, DIM, generator=chance)
    near = codebook[torch.randint(CODES, (ROWS,), generator=chance)]
    rows = (near * (spread < 1) + spread * torch.randn(ROWS, DIM, generator=chance)).to(device)
    slow, wanted = timed(plain_loop, rows, codebook.to(device))
    fast, found = timed(nearest_codes, rows, codebook.to(device))
    print(f"\n{device}, spread {spread}: plain {slow:.2f} s, ours {fast:.2f} s, {slow / fast:.1f} times as fast")
    print(f"{int((found != wanted).sum())} of {ROWS} indices differ (goal: 8 times on 2 CPU cores, 3 on a GPU)")
