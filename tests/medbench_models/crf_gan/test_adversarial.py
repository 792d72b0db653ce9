"""Two iterations of the published training, from the same weights on the same inputs, give the same."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from medbench.training.loop import launch
from medbench_models.crf_gan.adversarial import CrfGanTask, field_share
from medbench_models.crf_gan.config import TrainingConfig
from medbench_models.shared.slab_gan.task import Drawn, nothing_of

LOSSES = "steps_Dreal_Dfake_G_CRFreal_CRFfake_E_weight"
TURNS = ("discriminator", "generator", "field", "encoder")


def started(fixture: Any) -> CrfGanTask:
    nothing = nothing_of(fixture.grids)
    task = CrfGanTask(
        fixture.config, TrainingConfig(batch=2), grids=fixture.grids, train=nothing, select=nothing, seed=0
    )
    for net, name in fixture.names.items():
        fixture.fill(task.networks[name], net)
    task.setup(launch("cpu"))
    return task


def drawn(fixture: Any, number: int) -> Drawn:
    config = fixture.stored["config"]
    noise = {
        name: fixture.normal(f"step{number}_z{letter}", 2, fixture.config.latent)
        for name, letter in (("discriminator", "D"), ("generator", "G"), ("field", "C"))
    }
    voxels = fixture.uniform(f"step{number}_x", 2, 1, 64, 64, 64)
    return Drawn(config["iters"][number], voxels, config["step_crops"][number], noise)


@pytest.mark.slow
def test_iterations_are_the_published_ones(golden: Callable) -> None:
    fixture = golden("small64")
    task = started(fixture)
    assert tuple(task.networks) == TURNS
    found = [[float(task.turn(name, drawn(fixture, number))) for name in TURNS] for number in (0, 1)]
    real, fake, made, field_real, field_fake, encoder, _ = fixture.arrays[LOSSES].T
    wanted = np.column_stack([real + fake, made, field_real + field_fake, encoder])
    np.testing.assert_allclose(found, wanted, atol=1e-3)
    weight = task.networks["field"].W.detach().numpy()
    np.testing.assert_allclose(weight, fixture.arrays["steps_after_CRF_W"], atol=1e-4)
    fixture.same_sums(task.networks, rtol=1e-3)


def test_the_fields_share_falls_to_nothing(golden: Callable) -> None:
    config, stored = TrainingConfig(), golden("small64")
    for index, wanted in zip(stored.stored["config"]["iters"], stored.arrays[LOSSES][:, -1]):
        assert field_share(config, index) == pytest.approx(wanted)
    assert field_share(config, 60_000) == field_share(config, 79_999) == 0.0
