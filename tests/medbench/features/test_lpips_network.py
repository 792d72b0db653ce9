"""The network of LPIPS gives the published package's numbers."""

import numpy as np
import pytest
import torch

from medbench.features.lpips_network import LAYERS, LpipsNetwork

# Of lpips 0.1.4 (`LPIPS(net=..., pnet_rand=True)`) with the backbone's weights and the images below.
PUBLISHED = {
    "alex": [0.007917370647192001, 0.00918729417026043],
    "squeeze": [0.010331260040402412, 0.011519183404743671],
}


def known_weights(network: LpipsNetwork) -> LpipsNetwork:
    """Give the backbone normal weights (He et al. 2015) and small biases, from NumPy alone."""
    chance = np.random.default_rng(0)
    state = {
        name: torch.from_numpy(
            chance.normal(0, np.sqrt(2 / np.prod(value.shape[1:])) if value.ndim > 1 else 0.1, value.shape)
        ).float()
        for name, value in network.features.state_dict().items()
    }
    network.features.load_state_dict(state)
    return network


def images() -> tuple[torch.Tensor, torch.Tensor]:
    chance = np.random.default_rng(1)
    one, noise = (torch.from_numpy(chance.uniform(-1, 1, (2, 3, 64, 48))).float() for _ in range(2))
    return one, (one + 0.3 * noise).clamp(-1, 1)


@pytest.mark.parametrize("backbone", LAYERS)
def test_distances_are_those_of_the_published_package(backbone) -> None:
    network = known_weights(LpipsNetwork(backbone))
    with torch.inference_mode():
        found = network(*images())
    assert found.tolist() == pytest.approx(PUBLISHED[backbone], rel=1e-5)


@pytest.mark.parametrize("backbone", LAYERS)
def test_an_image_is_at_no_distance_from_itself_and_farther_from_stronger_noise(backbone) -> None:
    network = known_weights(LpipsNetwork(backbone))
    one, other = images()
    with torch.inference_mode():
        near, far = network(one, (one + other) / 2), network(one, other)
        assert network(one, one).tolist() == [0, 0]
        assert torch.equal(network(one, other), network(other, one))
    assert (near > 0).all() and (far > near).all()


def test_the_learnt_layers_never_count_a_difference_as_likeness() -> None:
    """The authors constrain them: a negative weight would make a larger difference a smaller distance."""
    for backbone, layers in LAYERS.items():
        heads = list(LpipsNetwork(backbone).heads)
        assert len(heads) == len(layers) and all(bool((head >= 0).all()) for head in heads)
