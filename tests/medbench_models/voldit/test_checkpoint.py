"""Checkpoints that do not fit are refused in one line."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from medbench.errors import CheckpointError
from medbench_models.medlord.generator import MedLoRD
from medbench_models.voldit import presets
from medbench_models.voldit.config import VolDiTConfig
from medbench_models.voldit.generator import VolDiT

SHIPPED = VolDiT("tiny", device="cpu").default_checkpoint()


@pytest.fixture
def parts() -> Iterator[tuple[dict[str, torch.Tensor], dict[str, object]]]:
    """The shipped checkpoint's tensors and description, to be damaged."""
    with safe_open(SHIPPED, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        yield tensors, json.loads(file.metadata()["medbench"])


def write(path: Path, tensors: dict[str, torch.Tensor], description: dict[str, object]) -> Path:
    save_file(tensors, path, metadata={"medbench": json.dumps(description)})
    return path


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        VolDiT("tiny", device="cpu").load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_a_truncated_checkpoint_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "cut.safetensors"
    whole = SHIPPED.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    assert "not a readable safetensors file" in refusal(path)


def test_another_models_checkpoint_is_refused() -> None:
    """Even that of the model whose VQ-VAE it has."""
    assert "belongs to the model 'medlord'" in refusal(MedLoRD("tiny", device="cpu").default_checkpoint())


def test_another_presets_checkpoint_is_refused(
    tmp_path: Path, parts, small_voldit: VolDiTConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "same.safetensors", *parts)
    monkeypatch.setitem(presets.PRESETS, "tiny", small_voldit)
    assert "another vqvae, dit, adapter configuration" in refusal(path)


def test_missing_and_unexpected_weights_are_listed(tmp_path: Path, parts) -> None:
    tensors, description = parts
    tensors["dit.extra"] = tensors.pop("dit.out.weight")
    message = refusal(write(tmp_path / "renamed.safetensors", tensors, description))
    assert "1 missing (dit.out.weight)" in message
    assert "1 unexpected (dit.extra)" in message


def test_nonsense_descriptions_are_refused(tmp_path: Path, parts) -> None:
    tensors, description = parts
    assert "cannot read" in refusal(write(tmp_path / "a.safetensors", tensors, {"model": "voldit"}))
    for wrong, words in (({"scale_factor": 0.0}, "impossible scale factor"), ({"shape": [64, 60, 32]}, "shape")):
        assert words in refusal(write(tmp_path / "b.safetensors", tensors, description | wrong))


def test_no_fixed_positions_are_stored(parts) -> None:
    """They are computed: in float16 they would not be what they were."""
    assert not [name for name in parts[0] if "positions" in name]
