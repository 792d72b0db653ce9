"""Checkpoints that do not fit are refused in one line."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from medbench.errors import CheckpointError
from medbench_models.med_lsdm.config import MedLsdmConfig
from medbench_models.med_lsdm.generator import MedLsdm
from medbench_models.med_lsdm.presets import PRESETS
from medbench_models.medlord.generator import MedLoRD

SHIPPED = MedLsdm("tiny", device="cpu").checkpoints.path("tiny")


@pytest.fixture
def parts() -> Iterator[tuple[dict[str, torch.Tensor], dict[str, object]]]:
    """The shipped checkpoint's tensors and description, to be damaged."""
    with safe_open(SHIPPED, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        yield tensors, json.loads(file.metadata()["medbench"])


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        MedLsdm("tiny", device="cpu").load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_another_models_checkpoint_is_refused() -> None:
    assert "belongs to the model 'medlord'" in refusal(MedLoRD("tiny", device="cpu").default_checkpoint())


def test_another_presets_checkpoint_is_refused(small: MedLsdmConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "tiny", small)
    assert "another autoencoder, unet configuration: choose its preset" in refusal(SHIPPED)


def test_code_is_never_loaded_and_the_line_says_how_to_convert(tmp_path: Path) -> None:
    path = tmp_path / "sample-7.pt"
    torch.save({"ema": {}}, path)
    assert "convert it with `python -m medbench_models.med_lsdm.convert" in refusal(path)


def test_missing_and_unexpected_tensors_are_named(tmp_path: Path, parts) -> None:
    tensors, description = parts
    tensors["unet.stray"] = tensors.pop("unet.init_conv.bias")
    path = tmp_path / "a.safetensors"
    save_file(tensors, path, metadata={"medbench": json.dumps(description)})
    assert "1 missing (unet.init_conv.bias); 1 unexpected (unet.stray)" in refusal(path)
