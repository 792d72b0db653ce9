"""Both processes take the steps of MONAI's schedulers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from medbench.training.chance import Chance
from medbench_models.maisi.config import NetworkConfig
from medbench_models.maisi.processes import build_flow, build_schedule, denoise
from medbench_models.shared.samplers import posterior
from medbench_models.shared.schedules import Discrete, RectifiedFlow, add_noise, parts

Golden = Callable[[str], dict[str, torch.Tensor]]
Network = Callable[[str], NetworkConfig]
# Latent sizes whose positions are as many as the golden grids'.
SIZES = {
    2048: (16, 16, 8),
    131072: (64, 64, 32),
    524288: (128, 128, 32),
    1048576: (128, 128, 64),
    2097152: (128, 128, 128),
}


@pytest.mark.parametrize("positions", SIZES)
def test_the_flows_times_depend_on_the_size_of_the_latent(
    golden: Golden, golden_network: Network, positions: int
) -> None:
    wanted = golden("sampler.npz")[f"rflow/timesteps_30_numel_{positions}"]
    flow = build_flow(30, SIZES[positions])
    assert flow.timesteps.dtype == torch.float16
    assert torch.equal(flow.timesteps.float(), wanted)
    schedule = build_schedule(golden_network("rflow"), SIZES[positions])
    assert torch.equal(torch.tensor(schedule.evenly(30)).half().float(), wanted)


def test_the_flows_steps(golden: Golden, golden_network: Network) -> None:
    wanted = golden("sampler.npz")
    outputs = iter([wanted[f"rflow/model_output_{index}"] for index in range(5)])
    seen = []

    def predict(latent: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        seen.append((latent, float(times)))
        return next(outputs)

    network = golden_network("rflow")
    last = denoise(network, predict, wanted["rflow/x_init"], torch.Generator(), steps=5)
    grid = wanted["rflow/timesteps_5_numel_2048"].tolist()
    assert [time for _, time in seen] == grid
    for index, (latent, _) in enumerate(seen[1:]):
        torch.testing.assert_close(latent, wanted[f"rflow/x_prev_{index}"], atol=1e-4, rtol=0)
    torch.testing.assert_close(last, wanted["rflow/x_prev_4"], atol=1e-4, rtol=0)


def test_thirty_steps_go_a_little_beyond_the_way(golden_network: Network) -> None:
    """Each step ends at a whole number, while the next begins where it should have ended."""
    found = denoise(
        golden_network("rflow"), lambda latent, times: torch.ones_like(latent), torch.zeros(1, 1, 128, 128, 32),
        torch.Generator(), steps=30,
    )  # fmt: skip
    assert float(found[0, 0, 0, 0, 0]) == pytest.approx(1.0087, abs=5e-5)


def test_noisy_latents_of_the_flow(golden: Golden, golden_network: Network) -> None:
    wanted = {name.removeprefix("rflow/add_noise_"): one for name, one in golden("sampler.npz").items()}
    schedule = build_schedule(golden_network("rflow"), (16, 16, 8))
    found = add_noise(schedule, wanted["clean"], wanted["noise"], wanted["t"])
    torch.testing.assert_close(found.float(), wanted["out"], atol=1e-4, rtol=0)


def test_times_are_drawn_as_the_flows_grid_lies(golden_network: Network) -> None:
    schedule = build_schedule(golden_network("rflow"), (128, 128, 64))
    assert isinstance(schedule, RectifiedFlow)
    drawn = schedule.random_times(Chance(0, 0).batches(1000)[0])
    grid = torch.tensor(schedule.evenly(1000)).flip(0)
    assert (drawn - grid).abs().max() < 5.0
    assert float(drawn.median()) > 600.0


def test_ddpm(golden: Golden, golden_network: Network) -> None:
    wanted = golden("sampler.npz")
    schedule = build_schedule(golden_network("ddpm"), (16, 16, 8))
    assert isinstance(schedule, Discrete)
    torch.testing.assert_close(schedule.alphas_cumprod, wanted["ddpm/alphas_cumprod"], atol=1e-6, rtol=1e-4)
    noisy = wanted["ddpm/x_init"]
    for index, time in enumerate(wanted["ddpm/timesteps_first5"].tolist()[:3]):
        clean, _ = parts(schedule, noisy, wanted[f"ddpm/model_output_{index}"], torch.tensor([time]))
        noisy = posterior(schedule, noisy, clean, (time, time - 1), wanted[f"ddpm/noise_{index}"])
        torch.testing.assert_close(noisy.float(), wanted[f"ddpm/x_prev_{index}"], atol=1e-4, rtol=0)
        noisy = wanted[f"ddpm/x_prev_{index}"]


def test_ddpm_takes_all_its_steps(golden_network: Network) -> None:
    times = []

    def predict(latent: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        times.append(int(time))
        return torch.zeros_like(latent)

    denoise(golden_network("ddpm"), predict, torch.zeros(1, 4, 1, 1, 1), torch.Generator(), steps=30)
    assert times == list(range(999, -1, -1))
