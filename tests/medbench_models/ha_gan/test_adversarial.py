"""Two iterations of the published training, from the same weights on the same inputs, give the same."""

from collections.abc import Callable

import numpy as np
import pytest

from medbench.training.loop import launch
from medbench_models.ha_gan.adversarial import HaganTask
from medbench_models.shared.config import SlabTrainingConfig
from medbench_models.shared.slab_gan.task import Drawn, nothing_of


@pytest.mark.slow
def test_iterations_are_the_published_ones(golden: Callable) -> None:
    fixture = golden("small128")
    task = HaganTask(
        fixture.config, SlabTrainingConfig(batch=2), grids=fixture.grids, train=nothing_of(fixture.grids),
        select=nothing_of(fixture.grids), seed=0,
    )  # fmt: skip
    for net, name in fixture.names.items():
        fixture.fill(task.networks[name], net)
    task.setup(launch("cpu"))
    found = []
    for number, first in enumerate(fixture.stored["config"]["step_crops"]):
        voxels = fixture.uniform(f"step{number}_x", 2, 1, 128, 128, 128)
        noise = {
            name: fixture.normal(f"step{number}_z{letter}", 2, fixture.config.latent)
            for name, letter in (("discriminator", "D"), ("generator", "G"))
        }
        drawn = Drawn(number, voxels, first, noise)
        found.append([float(task.turn(name, drawn)) for name in task.networks])
    stored = fixture.arrays["steps_losses_Dreal_Dfake_G_E_SubE"]
    wanted = np.column_stack([stored[:, 0] + stored[:, 1], stored[:, 2:]])
    np.testing.assert_allclose(found[0], wanted[0], atol=1e-3)
    np.testing.assert_allclose(found[1], wanted[1], atol=5e-3)
    fixture.same_sums(task.networks, rtol=5e-3)
