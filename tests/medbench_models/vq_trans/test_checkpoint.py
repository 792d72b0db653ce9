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
from medbench_models.vq_trans.config import VqTransConfig
from medbench_models.vq_trans.generator import VqTrans
from medbench_models.vq_trans.presets import PRESETS

SHIPPED = VqTrans("tiny", device="cpu").checkpoints.path("tiny")


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
        VqTrans("tiny", device="cpu").load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_truncated_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.safetensors"
    path.write_bytes(SHIPPED.read_bytes()[:5000])
    assert "not a readable safetensors file" in refusal(path)


def test_another_models_checkpoint_is_refused() -> None:
    assert "belongs to the model 'medlord'" in refusal(MedLoRD("tiny", device="cpu").default_checkpoint())


def test_another_presets_checkpoint_is_refused(
    tmp_path: Path, parts, small: VqTransConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "same.safetensors", *parts)
    monkeypatch.setitem(PRESETS, "tiny", small)
    assert "another vqvae, transformer configuration: choose its preset" in refusal(path)


def test_code_is_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pth"
    torch.save({"model_state_dict": {}}, path)
    assert "or another pickle): train one, or name a .safetensors file" in refusal(path)


def test_positions_of_another_shape_are_refused(tmp_path: Path, parts) -> None:
    tensors, description = parts
    path = write(tmp_path / "a.safetensors", tensors, description | {"shape": [64, 64, 64]})
    assert "1 of another shape (transformer.position_embeddings.embedding.weight)" in refusal(path)


def test_masks_in_a_file_are_not_taken_for_weights(tmp_path: Path, parts) -> None:
    tensors, description = parts
    tensors["transformer.blocks.0.attn.causal_mask"] = torch.ones(1, 1, 4, 4)
    assert "1 unexpected" in refusal(write(tmp_path / "b.safetensors", tensors, description))
