"""Public files are told apart, and what they do not say is not made up."""

from pathlib import Path

import pytest
import torch

from medbench_models.shared.vqvae import Vqvae
from medbench_models.voldit import presets
from medbench_models.voldit.generator import VolDiT

DATA = Path(__file__).parents[2] / "data" / "voldit"


@pytest.fixture(autouse=True)
def golden_preset(small_voldit, golden, monkeypatch: pytest.MonkeyPatch) -> None:
    """The networks of the golden files under the name of a published size."""
    network = small_voldit.network.model_copy(update={"dit": golden.config(2), "adapter": golden.adapters["p2_all"]})
    monkeypatch.setitem(presets.PRESETS, "xs2", small_voldit.model_copy(update={"network": network}))


def test_a_transformers_file_is_known_by_its_average_and_its_raw_weights() -> None:
    path = DATA / "dit_tiny.pth"
    found = VolDiT.examine(path, None, device="cpu")
    assert found.usable and found.presets == ("xs2",)
    assert [(part.name, part.kept, part.attention) for part in found.parts] == [("dit", "averaged and raw", "sdpa")]
    assert found.scale_factor is None  # nobody states it, and none is assumed
    assert found.license is None and found.trained_on is None
    assert found.convert == f"python -m medbench_models.voldit.convert --preset xs2 --dit {path} --scale-factor NUMBER"


def test_an_adapters_file_is_known_with_the_transformer_in_it(golden) -> None:
    path = golden.saved(golden.public_adapter("p2_all"))
    found = VolDiT.examine(path, None, device="cpu")
    assert found.usable and found.presets == ("xs2",)
    assert [part.name for part in found.parts] == ["dit", "adapter"]
    assert f"--adapter {path}" in found.convert


def test_a_public_vqvae_fits_whatever_the_number_of_its_codes(tmp_path: Path) -> None:
    config = presets.PRESETS["xs2"].network.vqvae
    path = tmp_path / "vqgan.pth"
    torch.save({"model": Vqvae(config.model_copy(update={"codebook_size": 24})).state_dict()}, path)
    found = VolDiT.examine(path, "xs2", device="cpu")
    assert found.usable and [part.name for part in found.parts] == ["vqvae"]
