"""CRF-GAN's configurations: architecture and training settings, by preset."""

from __future__ import annotations

from medbench_models.shared.config import SlabGanConfig, SlabPreset, SlabTrainingConfig


class NetworkConfig(SlabGanConfig):
    """All that a checkpoint's weights depend on besides the shape; a checkpoint with another one is refused.

    Args:
        nodes: of the random field: groups of as many successive channels of the features; it only trains.
    """

    nodes: int = 64


class TrainingConfig(SlabTrainingConfig):
    """Training of CRF-GAN; see ``SlabTrainingConfig``.

    Args:
        field_rate: Adam's learning rate of the random field.
        field_share: of the field's logits in what the generator is trained by, at the first iteration.
        field_steps: iterations after which that share is 0; it falls linearly.
    """

    field_rate: float = 4e-4
    field_share: float = 0.5
    field_steps: int = 60_000


class CrfGanConfig(SlabPreset):
    """A preset."""

    network: NetworkConfig
    gan: TrainingConfig
