"""A VQ-Trans that trains in seconds."""

import pytest

from medbench_models.vq_trans.config import TransformerConfig, VqTransConfig
from medbench_models.vq_trans.presets import PRESETS


@pytest.fixture
def small() -> VqTransConfig:
    """Networks of a few channels, trained for a few steps that pass through every phase."""
    tiny = PRESETS["tiny"]
    vqvae = tiny.network.vqvae.model_copy(update={"channels": (4, 8), "codebook_size": 16})
    transformer = TransformerConfig(dim=8, depth=2, heads=2)
    stage1 = {"steps": 10, "crop": (16, 16, 8), "batch": 2, "precision": "32-true", "adversarial_from": 0.6}
    stage1 |= {"discriminator_layers": 1, "discriminator_channels": 4}
    return tiny.model_copy(
        update={
            "network": tiny.network.model_copy(update={"vqvae": vqvae, "transformer": transformer}),
            "stage1": tiny.stage1.model_copy(update=stage1),
            "stage2": tiny.stage2.model_copy(update={"steps": 6, "batch": 2, "precision": "32-true"}),
        }
    )


@pytest.fixture
def small_preset(small: VqTransConfig, monkeypatch: pytest.MonkeyPatch) -> str:
    """The small configuration under the name of the shipped preset."""
    monkeypatch.setitem(PRESETS, "tiny", small)
    return "tiny"
