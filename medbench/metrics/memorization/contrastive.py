"""A small 3D encoder trained with NT-Xent, so that a volume and its altered copies have nearly the same embedding.

Positives are two random views of one volume (flips, small rotation, shift, zoom, contrast, offset, noise); all other
volumes of the batch are negatives. The similarity in the loss is the one that is used afterwards, Pearson's
correlation of two embeddings. Training is the shared loop's: chance comes from the seed and the step alone, so that on
a CPU the same volumes give the same encoder, and a killed training goes on where it was.

Source: Dar et al., arXiv:2402.01054 (contrastive embeddings of 32 numbers, Pearson correlation);
NT-Xent: Chen et al. 2020, arXiv:2002.05709, eq. 1. Steps, batch and learning rate are our own and smaller.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch  # noqa: TID253  imported only by what trains
from lightning_fabric import Fabric
from torch import nn  # noqa: TID253  as above
from torch.nn import functional  # noqa: TID253  as above

from medbench.errors import Unavailable
from medbench.metrics.memorization.copies import Recipe
from medbench.progress import Progress
from medbench.storage.files import sha256_of
from medbench.storage.seals import is_sound, place_of, sealed_path
from medbench.storage.tensors import read_weights, write_weights
from medbench.training.averaging import cosine_rate, seeded, set_learning_rate
from medbench.training.chance import Chance
from medbench.training.loop import Plan, Stateful, launch, train

ENCODER_FILE = "encoder.safetensors"
_CHANNELS = (8, 16, 32)
_PLACES = 4
_LONGEST_AXIS_SEEN = 32
_SAVE_EVERY = 100
_WARMUP = 20


class Encoder(nn.Module):
    """Three strided convolutions, a coarse map of 4 x 4 x 4 places, and a linear map to the embedding.

    Batch normalisation, also of the embedding itself, takes away what all volumes share: thoraxes are so alike that
    without it all embeddings point one way, and the loss hardly falls.
    """

    def __init__(self, dimension: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 1
        for channels in _CHANNELS:
            convolution = nn.Conv3d(before, channels, 3, stride=2, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm3d(channels), nn.SiLU()]
            before = channels
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(before * _PLACES**3, dimension)
        self.spread = nn.BatchNorm1d(dimension, affine=False)

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        """Return embeddings (n, dimension) of volumes (n, 1, x, y, z) in -1..1."""
        places = functional.adaptive_avg_pool3d(self.body(volumes), _PLACES)
        embedding: torch.Tensor = self.spread(self.head(places.flatten(1)))
        return embedding


@dataclass(frozen=True, eq=False)
class TrainedEncoder:
    """An encoder that embeds one volume at a time.

    Args:
        network: in evaluation mode, on its device.
        sha256: of its weights file; keys the embeddings it made.
    """

    network: Encoder
    sha256: str

    def embed(self, volume: np.ndarray) -> np.ndarray:
        """Return the embedding (dimension,) float32 of a working copy (x, y, z) in -1..1."""
        device = next(self.network.parameters()).device
        with torch.inference_mode():
            batch = torch.from_numpy(np.ascontiguousarray(volume, dtype=np.float32))[None, None].to(device)
            found: np.ndarray = self.network(reduced(batch))[0].cpu().numpy()
        return found


class ContrastiveTask:
    """Training of the encoder by NT-Xent on two views of each volume of a batch.

    Args:
        volumes: (n, x, y, z) in -1..1, memory-mapped.
        recipe: batch, steps, learning rate, temperature, seed.
    """

    def __init__(self, volumes: np.ndarray, recipe: Recipe) -> None:
        self.volumes = volumes
        self.recipe = recipe
        with seeded(recipe.seed):
            self.network = Encoder(recipe.dimension)

    def setup(self, fabric: Fabric) -> None:
        """Hand the network and its optimiser to Fabric."""
        self.fabric = fabric
        optimiser = torch.optim.Adam(self.network.parameters(), lr=self.recipe.rate)
        self.net, self.optimiser = fabric.setup(self.network, optimiser)

    def load(self, index: int, chance: Chance) -> tuple[torch.Tensor, torch.Generator]:
        """Return a batch of different volumes (n, 1, x, y, z), and the chance of their views."""
        del index
        return self._drawn(chance.common())

    def step(self, index: int, loaded: tuple[torch.Tensor, torch.Generator]) -> Mapping[str, torch.Tensor]:
        """Train on two views of a batch of different volumes."""
        rate = cosine_rate(index, self.recipe.steps, peak=self.recipe.rate, warmup=_WARMUP)
        set_learning_rate(self.optimiser, rate)
        loss = self._loss(*loaded)
        self.optimiser.zero_grad()
        self.fabric.backward(loss)
        self.optimiser.step()
        return {"nt_xent": loss.detach()}

    def validate(self) -> Mapping[str, float]:
        """Return the loss of one batch; it is asked once, at the end, and so chooses nothing."""
        with torch.no_grad():
            loss = float(self._loss(*self._drawn(torch.Generator().manual_seed(self.recipe.seed))))
        return {"score": loss}

    def weights(self) -> dict[str, torch.Tensor]:
        """Return the network's state."""
        return dict(self.network.state_dict())

    def state(self) -> Mapping[str, Stateful]:
        """Return network and optimiser."""
        return {"network": self.network, "optimiser": self.optimiser}

    def _drawn(self, chance: torch.Generator) -> tuple[torch.Tensor, torch.Generator]:
        chosen = torch.randperm(len(self.volumes), generator=chance)[: self.recipe.batch].sort().values.numpy()
        return torch.from_numpy(self.volumes[chosen].astype(np.float32))[:, None], chance

    def _loss(self, volumes: torch.Tensor, chance: torch.Generator) -> torch.Tensor:
        batch = reduced(volumes.to(self.fabric.device, non_blocking=True))
        both = torch.cat([views(batch, chance), views(batch, chance)])
        return nt_xent(self.net(both), temperature=self.recipe.temperature)


def nt_xent(embeddings: torch.Tensor, *, temperature: float) -> torch.Tensor:
    """Return the mean NT-Xent loss of 2n embeddings, of which i and i + n show one volume.

    Args:
        embeddings: (2n, d), n of at least 2.
        temperature: above 0.

    Source: Chen et al. 2020, arXiv:2002.05709, eq. 1, with Pearson's correlation for the cosine.
    """
    unit = functional.normalize(embeddings - embeddings.mean(dim=1, keepdim=True), dim=1)
    scores = unit @ unit.T / temperature
    itself = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    partner = torch.arange(len(unit), device=unit.device).roll(len(unit) // 2)
    return functional.cross_entropy(scores.masked_fill(itself, -math.inf), partner)


def reduced(batch: torch.Tensor) -> torch.Tensor:
    """Return volumes (n, 1, x, y, z) averaged down to at most 32 voxels along each axis: what the encoder sees."""
    x, y, z = (min(length, _LONGEST_AXIS_SEEN) for length in batch.shape[2:])
    return functional.adaptive_avg_pool3d(batch, (x, y, z))


def views(batch: torch.Tensor, chance: torch.Generator) -> torch.Tensor:
    """Return one random view of each volume: the same body, seen and scanned a little differently.

    Left and right are swapped with probability 1/2; rotation about the long axis by up to 5 degrees; shift by up to
    4 % of the field of view along each axis; zoom and contrast 0.95 to 1.05; offset up to 0.03 and noise of SD up to
    0.04 (of a window of -1..1). Stronger changes hide what tells one thorax from another.

    Args:
        batch: (n, 1, x, y, z) in -1..1.
        chance: on the CPU.
    """
    draws = torch.rand(len(batch), 9, generator=chance)
    placed = functional.grid_sample(
        batch,
        functional.affine_grid(_affine(draws).to(batch.device), list(batch.shape), align_corners=False),
        padding_mode="border",
        align_corners=False,
    )
    contrast, offset, noise = (draws[:, column].view(-1, 1, 1, 1, 1).to(batch.device) for column in (6, 7, 8))
    grain = torch.randn(batch.shape, generator=chance).to(batch.device)
    return placed * (0.95 + 0.1 * contrast) + 0.06 * (offset - 0.5) + 0.04 * noise * grain


def _affine(draws: torch.Tensor) -> torch.Tensor:
    """Return matrices (n, 3, 4) for ``affine_grid``, whose coordinates run over z, y, x and each from -1 to 1."""
    flip = torch.where(draws[:, 0] < 0.5, -1.0, 1.0)
    angle = (draws[:, 1] - 0.5) * math.radians(10.0)
    zoom = 0.95 + 0.1 * draws[:, 2]
    matrix = torch.zeros(len(draws), 3, 4)
    matrix[:, 0, 0] = zoom
    matrix[:, 1, 1] = zoom * angle.cos()
    matrix[:, 1, 2] = -zoom * angle.sin() * flip
    matrix[:, 2, 1] = zoom * angle.sin()
    matrix[:, 2, 2] = zoom * angle.cos() * flip
    matrix[:, :, 3] = 0.16 * (draws[:, 3:6] - 0.5)
    return matrix


def trained_encoder(
    volumes: np.ndarray, recipe: Recipe, *, folder: Path, device: str, progress: Progress
) -> TrainedEncoder:
    """Return the encoder of a folder, training it there first where it is absent.

    Args:
        volumes: (n, x, y, z) in -1..1, memory-mapped; the only volumes the encoder sees.
        recipe: how it is trained.
        folder: belongs to these volumes and this recipe alone.
        device: torch device.
        progress: reports the steps.

    Raises:
        Unavailable: the training diverged.
    """
    path = folder / ENCODER_FILE
    key = place_of(path)
    if not is_sound(path, key, progress):
        plan = Plan(
            name="train encoder of memorization",
            steps=recipe.steps,
            seed=recipe.seed,
            save_every=_SAVE_EVERY,
            validate_every=recipe.steps,
            settings=asdict(recipe),
        )
        task = ContrastiveTask(volumes, recipe)
        trained = train(task, plan, fabric=launch(device), folder=folder, resume=True, progress=progress)
        if not math.isfinite(trained.scores["score"]):
            raise Unavailable("the encoder's training diverged: are there volumes with voxels that are not finite?")
        with sealed_path(path, key) as temporary:
            write_weights(temporary, trained.weights, {"model": "memorization encoder", "recipe": asdict(recipe)})
    # Read even when it was just trained: the file keeps float16, and every run must embed with the same numbers.
    weights, _ = read_weights(path)
    network = Encoder(recipe.dimension)
    network.load_state_dict(weights)
    return TrainedEncoder(network.to(device).eval(), sha256_of(path))
