"""What the weight files of GANs on slabs must hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn

from medbench_models.shared.blueprint import Blueprint
from medbench_models.shared.config import SlabGanConfig
from medbench_models.shared.public_files import Held, is_state
from medbench_models.shared.slab_gan.checkpoint import NETWORK, Description
from medbench_models.shared.slab_gan.networks import SlabGenerator, pyramid


def blueprint(generator: type[SlabGenerator], network: type[SlabGanConfig]) -> Blueprint:
    """Return a model's blueprint.

    Args:
        generator: the network that the public trainer's ``G_iter<N>.pth`` holds.
        network: kind of its configuration.
    """
    return Blueprint(
        described=Description[network],
        build=_builder(SlabGenerator),
        stages={NETWORK: "gan"},
        public=_held,
        build_public=_builder(generator),
    )


def _builder(generator: type[SlabGenerator]) -> Any:
    def build(network: SlabGanConfig, shape: tuple[int, int, int]) -> dict[str, nn.Module]:
        return {NETWORK: generator(network, pyramid(network, shape))}

    return build


def _held(document: Mapping[str, Any]) -> Iterator[Held]:
    state = document.get("model")
    if is_state(state):
        yield Held(NETWORK, {name.removeprefix("module."): value for name, value in state.items()})
