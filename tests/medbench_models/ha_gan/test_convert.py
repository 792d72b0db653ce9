"""The layout of the public trainer's files."""

from collections.abc import Callable
from pathlib import Path

import torch

from medbench_models.shared.slab_gan.convert import read
from medbench_models.shared.slab_gan.networks import SlabEncoder

DATA = Path(__file__).parents[2] / "data" / "ha_gan"


def test_the_public_layout_is_read(golden: Callable) -> None:
    """A file that the public trainer's own layout was written in, of an encoder."""
    fixture = golden("small128")
    encoder = SlabEncoder(fixture.config)
    fixture.fill(encoder, "E")
    found = read(DATA / "E_iter500.pth", title="HA-GAN")
    assert found.keys() == encoder.state_dict().keys()
    assert all(torch.equal(found[name], value) for name, value in encoder.state_dict().items())
