"""Training of the transformer on volumes' codes: each token is predicted from those before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn
from torch.nn import functional

from medbench.training.chance import Chance, Samples
from medbench.training.checkpointing import checkpoint_activations
from medbench.training.rehearsal import Rehearsal
from medbench_models.shared.averaged import AveragedTask
from medbench_models.vq_trans.config import NetworkConfig, SequenceConfig
from medbench_models.vq_trans.networks import build_transformer
from medbench_models.vq_trans.ordering import inputs_of, to_sequence


class Sequences(Protocol):
    """What a transformer is trained on; see ``Codes``."""

    def __len__(self) -> int:
        """Return how many there are."""

    def sequences(self, rows: torch.Tensor) -> torch.Tensor:
        """Return some of them (n, length) int64."""


@dataclass(frozen=True, eq=False)
class Codes:
    """Volumes as code numbers (n, x, y, z), unsigned integers."""

    indices: np.ndarray

    def __len__(self) -> int:
        return len(self.indices)

    def sequences(self, rows: torch.Tensor) -> torch.Tensor:
        """Return some of them as sequences (n, length) int64."""
        return to_sequence(torch.from_numpy(self.indices[rows.numpy()].astype(np.int64)))

    def used(self) -> int:
        """Return how many codes the volumes have, all of them together.

        A batch's perplexity depends on its size and says little about that.
        """
        return len(np.unique(self.indices))


class SequenceTask(AveragedTask[Sequences]):
    """Training of a transformer by cross-entropy, in nats a token; whole sequences, never windows of them.

    Args:
        network: takes tokens, returns logits.
        config: training settings.
        train: sequences of the training volumes.
        select: of the selection volumes.
        seed: of the training.
        begin: the token that begins a sequence.
    """

    logged = "cross_entropy"

    def __init__(
        self, network: nn.Module, config: SequenceConfig, *, train: Sequences, select: Sequences, seed: int, begin: int
    ) -> None:
        super().__init__(network, config, train=train, select=select, seed=seed)
        self.begin = begin
        if config.checkpointing:
            checkpoint_activations(network.blocks)

    def drawn(self, examples: Sequences, rows: torch.Tensor, chance: Samples) -> tuple[torch.Tensor, ...]:
        """Return some volumes' tokens, which leave nothing to chance."""
        del chance
        return (examples.sequences(rows),)

    def loss(self, network: nn.Module, drawn: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Return the mean cross-entropy of some volumes' tokens."""
        (sequence,) = drawn
        logits = network(inputs_of(sequence, self.begin))
        return functional.cross_entropy(logits.float().flatten(0, 1), sequence.flatten())


@dataclass(frozen=True)
class _Empty:
    """Takes the place of training sequences: tensors of their length."""

    length: int

    def __len__(self) -> int:
        return 1

    def sequences(self, rows: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(rows), self.length, dtype=torch.int64)


def step_sequences(
    network: NetworkConfig, config: SequenceConfig, shape: Sequence[int], fabric: Rehearsal | Fabric
) -> None:
    """Take a training step of the transformer on empty volumes of a shape.

    Args:
        network: architecture.
        config: training settings.
        shape: voxels (x, y, z).
        fabric: a rehearsal, to predict the memory that it takes, or the real one, to measure it.
    """
    nothing = _Empty(network.max_seq_len(shape))
    task = SequenceTask(
        build_transformer(network, shape), config, train=nothing, select=nothing, seed=0, begin=network.begin
    )
    task.setup(fabric)
    index = config.steps - 1
    loaded = task.load(index, Chance(0, index))
    task.step(index, loaded[:1] * len(loaded))  # only one pass' sequences are on the device at a time
