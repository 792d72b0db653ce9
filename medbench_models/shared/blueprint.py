"""What a model's weight files must hold: all that their examination needs to know of the model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from medbench_models.shared.checkpoint import Description
from medbench_models.shared.public_files import Held

Build = Callable[[Any, tuple[int, int, int]], Mapping[str, nn.Module]]


def _itself(network: Any, other: Any) -> Any:
    del other
    return network


@dataclass(frozen=True)
class Blueprint:
    """A model's files.

    Args:
        described: what its checkpoints say about themselves.
        build: makes its networks, by part, of their configuration and the voxels (x, y, z) of what they generate; it
            is called without memory for their weights.
        stages: by part, the field of a preset that says how it is trained.
        leave_out: names within a part that only training needs.
        as_stored: returns a preset's network as a checkpoint with some other network may hold it, for instance without
            its ControlNet.
        public: yields what a file of the public trainer may hold; what fits best is taken, the first of equals. None:
            there are no public files.
        as_public: returns a preset's network as a public file with some weights decides it, say its number of codes.
        build_public: as ``build``, where public files hold more than checkpoints do.
        assumed_scale_factor: of latents, where public files do not state it; None: they do, or there is none.
        needed: what the converter has to be told besides.
        attention: modules besides MONAI's that compute attention, by PyTorch's own kernel.
    """

    described: type[Description[Any]]
    build: Build
    stages: Mapping[str, str] = field(default_factory=dict)
    leave_out: Collection[str] = ()
    as_stored: Callable[[Any, Any], Any] = _itself
    public: Callable[[Mapping[str, Any]], Iterable[Held]] | None = None
    as_public: Callable[[Any, Mapping[str, torch.Tensor]], Any] = _itself
    build_public: Build | None = None
    assumed_scale_factor: float | None = None
    needed: str = ""
    attention: tuple[type[nn.Module], ...] = ()

    def built(self, network: Any, shape: tuple[int, int, int], *, public: bool = False) -> dict[str, nn.Module]:
        """Return the networks without memory for their weights.

        Raises:
            DataError: they cannot generate the shape.
        """
        build = self.build_public if public and self.build_public is not None else self.build
        with torch.device("meta"):
            return dict(build(network, shape))
