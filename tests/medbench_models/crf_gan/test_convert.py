"""The layout of the public trainer's files."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from medbench.errors import CheckpointError
from medbench_models.crf_gan.convert import CODE, main
from medbench_models.crf_gan.random_field import RandomField
from medbench_models.shared.slab_gan.convert import Unstated, convert, read
from medbench_models.shared.slab_gan.networks import SlabEncoder

DATA = Path(__file__).parents[2] / "data" / "crf_gan"


def test_the_public_layout_is_read(golden: Callable) -> None:
    """Files that the public trainer's own layout was written in, of encoder and field after a step of 0."""
    fixture = golden("small64")
    for net, network in (("E", SlabEncoder(fixture.config)), ("CRF", RandomField(fixture.config.nodes))):
        fixture.fill(network, net)
        found = read(DATA / f"{'crf' if net == 'CRF' else net}_iter500.pth", title="CRF-GAN")
        assert found.keys() == network.state_dict().keys()
        assert all(torch.equal(found[name], value) for name, value in network.state_dict().items())


def test_another_network_is_refused_by_names(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"crf_iter500\.pth does not fit the generator of the preset 'cube64'"):
        convert(CODE, "cube64", DATA / "crf_iter500.pth", tmp_path / "out", unstated=Unstated())


def test_a_generator_has_to_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([])
    assert end.value.code == 2
    assert "CRF-GAN's weights cannot be fetched" in capsys.readouterr().err
