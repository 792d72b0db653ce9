"""The networks are the published ones: same names, same shapes, same outputs."""

from collections.abc import Callable

import pytest
import torch

from medbench_models.ha_gan.networks import build_networks, shrunk

CASES = [
    "small128",
    pytest.param("small128_cond3", marks=pytest.mark.slow),
    pytest.param("default128", marks=pytest.mark.slow),
    pytest.param("small256", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("case", ["small128", "small128_cond3", "default128", "small256"])
def test_states_have_the_published_names_and_shapes(golden: Callable, case: str) -> None:
    fixture = golden(case)
    with torch.device("meta"):
        networks = build_networks(fixture.config, fixture.grids)
    for net, name in fixture.names.items():
        found = {key: list(value.shape) for key, value in getattr(networks, name).state_dict().items()}
        assert found == {key: shape for key, (shape, _, _) in fixture.stored[net].items()}


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_outputs_are_the_published_ones(golden: Callable, case: str) -> None:
    fixture = golden(case)
    networks, stored, config = build_networks(fixture.config, fixture.grids), fixture.arrays, fixture.stored["config"]
    stride, batch, size = config["stride"], config.get("batch", 2), fixture.size
    for net, name in fixture.names.items():
        fixture.fill(getattr(networks, name), net)
    noise = fixture.normal("z", batch, fixture.config.latent)
    if "class_onehot" in stored:
        noise = torch.cat([noise, torch.from_numpy(stored["class_onehot"])], dim=1)
    _generates(networks.generator, noise, fixture)
    voxels = fixture.uniform("x_full", batch, 1, size, size, size)
    first = config["crops"][0]
    depth = fixture.grids.slab[0]
    slab, small = voxels[:, :, first : first + depth], shrunk(voxels)
    fixture.close(small[..., ::4, ::4, ::4], stored["x_small_strided"])
    _judges(networks.discriminator, slab, small, first, fixture)
    features = networks.encoder(slab)
    fixture.close(features[:, ::4, :, ::4, ::4], stored["E_out_strided"])
    fixture.like(features, stored["E_out_stats"])
    everything = torch.cat([networks.encoder(part) for part in voxels.split(depth, dim=2)], dim=2)
    fixture.like(everything, stored["E_all_stats"])
    fixture.close(networks.code_encoder(everything), stored["Sub_E_out"])
    if "G_from_latent_stats" in stored:
        found = networks.generator.detail(features)
        fixture.close(found[:, :, ::2, ::stride, ::stride], stored["G_from_latent_strided"])
        fixture.like(found, stored["G_from_latent_stats"])


def _generates(generator, noise, fixture) -> None:
    stored, config = fixture.arrays, fixture.stored["config"]
    stride, size = config["stride"], config["size"]
    volume = generator.volume(noise[: config.get("eval_batch", 1)])
    fixture.close(volume[..., ::stride, ::stride, ::stride], stored["G_eval_strided"])
    fixture.close(volume[0, 0, size // 2, size // 3], stored["G_eval_row"])
    fixture.close(volume[0, 0, :, size // 2, size // 5], stored["G_eval_col"])
    fixture.like(volume, stored["G_eval_stats"])
    for first in config["crops"]:
        slab, small = generator(noise, first)
        fixture.close(slab[:, :, ::2, ::stride, ::stride], stored[f"G_train_crop{first}_strided"])
        fixture.close(slab[0, 0, slab.shape[2] // 2, size // 3], stored[f"G_train_crop{first}_row"])
        fixture.like(slab, stored[f"G_train_crop{first}_stats"])
        fixture.close(small[..., ::2, ::2, ::2], stored[f"G_train_crop{first}_small_strided"])
        fixture.like(small, stored[f"G_train_crop{first}_small_stats"])


def _judges(discriminator, slab, small, first, fixture) -> None:
    stored = fixture.arrays
    for name, training in (("eval", False), ("train_call1", True), ("train_call2", True)):
        logits = discriminator.train(training)(slab, small, first)
        fixture.close(logits[:, :1], stored[f"D_{name}_out0"])
        if logits.shape[1] > 1:
            fixture.close(logits[:, 1:], stored[f"D_{name}_out1"])
    state = discriminator.state_dict()
    for key in (key for key in stored if key.startswith("D_after2/")):
        fixture.close(state[key.removeprefix("D_after2/")], stored[key])
