"""Checkpoints that do not fit are refused in one line."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from medbench.errors import CheckpointError
from medbench_models.ha_gan.generator import HaGan

SHIPPED = HaGan("tiny", device="cpu").default_checkpoint()


@pytest.fixture
def parts() -> Iterator[tuple[dict[str, torch.Tensor], dict[str, object]]]:
    """The shipped checkpoint's tensors and description, to be damaged."""
    with safe_open(SHIPPED, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        yield tensors, json.loads(file.metadata()["medbench"])


def refusal(path: Path, tensors: dict[str, torch.Tensor], description: dict[str, object]) -> str:
    save_file(tensors, path, metadata={"medbench": json.dumps(description)})
    with pytest.raises(CheckpointError) as caught:
        HaGan("tiny", device="cpu").load(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_another_configurations_checkpoint_is_refused(tmp_path: Path, parts, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue("ha_gan_small")
    assert "another latent, widths, doublings" in refusal(tmp_path / "a.safetensors", *parts)


def test_another_models_checkpoint_is_refused(tmp_path: Path, parts) -> None:
    tensors, description = parts
    found = refusal(tmp_path / "a.safetensors", tensors, description | {"model": "medlord"})
    assert "belongs to the model 'medlord'" in found


def test_missing_weights_are_listed(tmp_path: Path, parts) -> None:
    tensors, description = parts
    del tensors["generator.fc1.bias"]
    assert "1 missing (fc1.bias)" in refusal(tmp_path / "a.safetensors", tensors, description)


def test_an_impossible_shape_is_refused(tmp_path: Path, parts) -> None:
    tensors, description = parts
    found = refusal(tmp_path / "a.safetensors", tensors, description | {"shape": [64, 64, 30]})
    assert "64x64x30" in found
