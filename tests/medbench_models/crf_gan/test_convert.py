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
    """Encoder and field as the public trainer writes them; of the encoder, the weights are those of the golden case."""
    fixture = golden("small64")
    encoder, field = SlabEncoder(fixture.config), RandomField(fixture.config.nodes)
    fixture.fill(encoder, "E")
    found = read(DATA / "E_iter500.pth", title="CRF-GAN")
    assert found.keys() == encoder.state_dict().keys()
    assert all(torch.equal(found[name], value) for name, value in encoder.state_dict().items())
    field.load_state_dict(read(DATA / "crf_iter500.pth", title="CRF-GAN"))
    assert field.W.abs().max() > 0


def test_another_network_is_refused_by_names(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"crf_iter500\.pth does not fit the generator of the preset 'cube64'"):
        convert(CODE, "cube64", DATA / "crf_iter500.pth", tmp_path / "out", unstated=Unstated())


def test_a_generator_has_to_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([])
    assert end.value.code == 2
    assert "CRF-GAN's weights cannot be fetched" in capsys.readouterr().err
