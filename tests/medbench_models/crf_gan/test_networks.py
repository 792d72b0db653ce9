"""The networks are the published ones: same names, same shapes, same outputs."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from medbench_models.crf_gan.adversarial import CrfGanTask
from medbench_models.crf_gan.config import TrainingConfig
from medbench_models.shared.slab_gan.task import nothing_of

CASES = ["small64", pytest.param("default64", marks=pytest.mark.slow), pytest.param("small128", marks=pytest.mark.slow)]


def networks(fixture: Any) -> dict[str, torch.nn.Module]:
    nothing = nothing_of(fixture.grids)
    task = CrfGanTask(fixture.config, TrainingConfig(), grids=fixture.grids, train=nothing, select=nothing, seed=0)
    return task.networks


@pytest.mark.parametrize("case", ["small64", "default64", "small128"])
def test_states_have_the_published_names_and_shapes(golden: Callable, case: str) -> None:
    fixture = golden(case)
    with torch.device("meta"):
        made = networks(fixture)
    for net, name in fixture.names.items():
        found = {key: list(value.shape) for key, value in made[name].state_dict().items()}
        assert found == {key: shape for key, (shape, _, _) in fixture.stored[net].items()}


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_outputs_are_the_published_ones(golden: Callable, case: str) -> None:
    fixture = golden(case)
    made, stored, config = networks(fixture), fixture.arrays, fixture.stored["config"]
    for net, name in fixture.names.items():
        fixture.fill(made[name], net)
    generator, critic, encoder, field = (made[name] for name in ("generator", "discriminator", "encoder", "field"))
    features = _generates(generator, fixture.normal("z", 2, fixture.config.latent), fixture)
    size, depth, first = fixture.size, fixture.grids.slab[0], config["crops"][0]
    voxels = fixture.uniform("x_full", 2, 1, size, size, size)
    slab = voxels[:, :, first : first + depth]
    _judges(critic, slab, first, fixture)
    real = encoder(voxels)
    fixture.close(real[:, ::4, ::4, ::4, ::4], stored["E_full_strided"])
    fixture.like(real, stored["E_full_stats"])
    found = encoder(slab)
    fixture.like(found, stored["E_crop_stats"])
    restored = generator.detail(found)
    fixture.close(restored[..., :: size // 32, :: size // 32], stored["G_from_latent_strided"])
    fixture.like(restored, stored["G_from_latent_stats"])
    logits = 2 * fixture.normal("crf_logits", 2, 1)
    fixture.close(logits, stored["CRF_in_logits"])
    fixture.close(field(features, logits), stored["CRF_fake_out"])
    fixture.close(field(real, logits), stored["CRF_real_out"])
    field.W.zero_()
    fixture.close(field(features, logits), stored["CRF_zeroW_out"])


def _generates(generator, noise, fixture) -> torch.Tensor:
    stored, size = fixture.arrays, fixture.size
    stride = size // 32
    volume = generator.volume(noise[:1])
    fixture.close(volume[..., ::stride, ::stride, ::stride], stored["G_eval_strided"])
    fixture.close(volume[0, 0, size // 2, size // 3], stored["G_eval_row"])
    fixture.like(volume, stored["G_eval_stats"])
    for first in fixture.stored["config"]["crops"]:
        slab, features = generator(noise, first)
        fixture.close(slab[..., ::stride, ::stride], stored[f"G_train_crop{first}_strided"])
        fixture.like(slab, stored[f"G_train_crop{first}_stats"])
        assert tuple(features.shape) == tuple(stored["A_inter_shape"])
        fixture.close(features[:, ::4, ::4, ::4, ::4], stored["A_inter_strided"])
        fixture.like(features, stored["A_inter_stats"])
    return features


def _judges(critic, slab, first, fixture) -> None:
    stored = fixture.arrays
    for name, training in (("eval", False), ("train_call1", True), ("train_call2", True)):
        fixture.close(critic.train(training)(slab, first), stored[f"D_{name}_out0"])
    state = critic.state_dict()
    for key in (key for key in stored if key.startswith("D_after2/")):
        fixture.close(state[key.removeprefix("D_after2/")], stored[key])
