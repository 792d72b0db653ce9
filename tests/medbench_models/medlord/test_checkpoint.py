"""Checkpoints that do not fit are refused in one line."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from medbench.errors import CheckpointError
from medbench_models.medlord import presets
from medbench_models.medlord.config import MedLoRDConfig
from medbench_models.medlord.generator import MedLoRD

SHIPPED = MedLoRD("tiny", device="cpu").default_checkpoint()


def write(path: Path, tensors: dict[str, torch.Tensor], description: dict[str, object]) -> Path:
    save_file(tensors, path, metadata={"medbench": json.dumps(description)})
    return path


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        MedLoRD("tiny", device="cpu").load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_checkpoint_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "cut.safetensors"
    whole = SHIPPED.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    assert "not a readable safetensors file" in refusal(path)


def test_another_models_checkpoint_is_refused(tmp_path: Path, parts) -> None:
    tensors, description = parts
    path = write(tmp_path / "other.safetensors", tensors, description | {"model": "maisi"})
    assert "belongs to the model 'maisi'" in refusal(path)


def test_another_configurations_checkpoint_is_refused(
    tmp_path: Path, parts, small: MedLoRDConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "same.safetensors", *parts)
    monkeypatch.setitem(presets.PRESETS, "tiny", small)
    assert "another vqvae, unet, controlnet configuration" in refusal(path)


def test_missing_and_unexpected_weights_are_listed(tmp_path: Path, parts) -> None:
    tensors, description = parts
    tensors["unet.extra"] = tensors.pop("unet.conv_in.conv.weight")
    message = refusal(write(tmp_path / "renamed.safetensors", tensors, description))
    assert "1 missing (unet.conv_in.conv.weight)" in message
    assert "1 unexpected (unet.extra)" in message


def test_nonsense_descriptions_are_refused(tmp_path: Path, parts) -> None:
    tensors, description = parts
    assert "cannot read" in refusal(write(tmp_path / "a.safetensors", tensors, {"model": "medlord"}))
    path = write(tmp_path / "b.safetensors", tensors, description | {"scale_factor": 0.0})
    assert "impossible scale factor" in refusal(path)
