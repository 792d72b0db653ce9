"""The shipped checkpoint, to be damaged."""

import json
from collections.abc import Iterator

import pytest
import torch
from safetensors import safe_open

from medbench_models.medlord.generator import MedLoRD


@pytest.fixture
def parts() -> Iterator[tuple[dict[str, torch.Tensor], dict[str, object]]]:
    """The shipped checkpoint's tensors and description, to be damaged."""
    with safe_open(MedLoRD("tiny", device="cpu").default_checkpoint(), framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        yield tensors, json.loads(file.metadata()["medbench"])
