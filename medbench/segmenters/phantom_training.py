"""Trains the phantom's segmenter: ``python -m medbench.segmenters.phantom_training --out phantom.safetensors``."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import torch  # noqa: TID253  a training module, imported by nothing else
import typer
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch.nn import functional  # noqa: TID253  as above

from medbench.datasets.base import Split
from medbench.datasets.phantom.dataset import PhantomDataset, generate
from medbench.datasets.phantom.thorax import LABELS
from medbench.progress import silent
from medbench.segmenters.phantom import CLASSES, MODEL, WINDOW
from medbench.segmenters.phantom_network import PhantomUnet
from medbench.storage.files import write_json
from medbench.storage.tensors import write_weights
from medbench.training import Precision
from medbench.training.averaging import cosine_rate, seeded, set_learning_rate
from medbench.training.chance import Chance
from medbench.training.loop import Plan, Stateful, launch, train

# Phantoms of no split: a segmenter that knew the reference cases by heart would favour them over held-out ones.
FIRST_SEED = 300_000
PHANTOMS = 320
STEPS = 2000
BATCH = 2
RATE = 3e-3
PRECISION: Precision = "bf16-mixed"
_LARGEST_CLASS_WEIGHT = 10.0
_CLIP_NORM = 1.0

Phantoms = tuple[NDArray[np.int16], NDArray[np.uint8]]


class SegmenterTask:
    """Training by weighted cross-entropy and soft Dice.

    Without the class weights, of several equally bright chambers only one is learnt.

    Args:
        train: volumes (n, x, y, z) in HU and their labels.
        select: likewise; their mean DSC chooses the weights.
        steps: of the training, for the learning rate.
        seed: of the initial weights.
    """

    def __init__(self, train: Phantoms, select: Phantoms, *, steps: int, seed: int) -> None:
        self.images, self.labels = train
        self.select = select
        self.steps = steps
        with seeded(seed):
            self.network = PhantomUnet(CLASSES)
        frequency = np.bincount(self.labels.ravel(), minlength=CLASSES) / self.labels.size
        rarity = 1.0 / np.sqrt(np.maximum(frequency, 1e-6))
        weights = np.minimum(rarity / rarity.mean(), _LARGEST_CLASS_WEIGHT)
        self.class_weights = torch.from_numpy(weights.astype(np.float32))

    def setup(self, fabric: Fabric) -> None:
        """Hand the network and its optimiser to Fabric."""
        self.fabric = fabric
        optimiser = torch.optim.AdamW(self.network.parameters(), lr=RATE)
        self.net, self.optimiser = fabric.setup(self.network, optimiser)
        self.class_weights = self.class_weights.to(fabric.device)

    def load(self, index: int, chance: Chance) -> tuple[torch.Tensor, torch.Tensor]:
        """Return augmented phantoms and their labels."""
        del index
        source = chance.common()
        chosen = torch.randint(len(self.images), (BATCH,), generator=source).numpy()
        image = augmented(_scaled(self.images[chosen]), source)
        return image, torch.from_numpy(self.labels[chosen].astype(np.int64))

    def step(self, index: int, loaded: tuple[torch.Tensor, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        """Train on one batch of augmented phantoms."""
        set_learning_rate(self.optimiser, cosine_rate(index, self.steps, peak=RATE))
        image, label = (tensor.to(self.fabric.device, non_blocking=True) for tensor in loaded)
        logits = self.net(image).float()
        entropy = functional.cross_entropy(logits, label, weight=self.class_weights)
        dice = soft_dice_loss(logits, label)
        self.optimiser.zero_grad()
        self.fabric.backward(entropy + dice)
        self.fabric.clip_gradients(self.net, self.optimiser, max_norm=_CLIP_NORM)
        self.optimiser.step()
        return {"cross_entropy": entropy.detach(), "soft_dice": dice.detach()}

    def validate(self) -> Mapping[str, float]:
        """Return the mean DSC on the selection phantoms; its negative is the score."""
        scores = dice_scores(self.network, self.select, self.fabric.device)
        mean = float(np.mean(list(scores.values())))
        return {"score": -mean, "dsc": mean}

    def weights(self) -> dict[str, torch.Tensor]:
        """Return the network's state."""
        return dict(self.network.state_dict())

    def state(self) -> Mapping[str, Stateful]:
        """Return network and optimiser."""
        return {"network": self.network, "optimiser": self.optimiser}


def augmented(image: torch.Tensor, chance: torch.Generator) -> torch.Tensor:
    """Return images (n, 1, x, y, z) with random blur, noise and offset: generated volumes are smoother, less exact."""
    blur, noise, offset = torch.rand(3, len(image), 1, 1, 1, 1, generator=chance)
    smooth = functional.avg_pool3d(functional.pad(image, (1,) * 6, mode="replicate"), 3, stride=1)
    image = image + (blur * (blur > 0.4)) * (smooth - image)
    image = image + 0.04 * noise * torch.randn(image.shape, generator=chance)
    shifted: torch.Tensor = image + 0.06 * (offset - 0.5)
    return shifted


def soft_dice_loss(logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """Return 1 - mean soft Dice over the classes but the background, pooled over the batch."""
    probability = logits.softmax(dim=1)
    wanted = functional.one_hot(label, CLASSES).movedim(-1, 1)
    axes = (0, 2, 3, 4)
    overlap = (probability * wanted).sum(axes)
    dice = (2.0 * overlap + 1.0) / (probability.sum(axes) + wanted.sum(axes) + 1.0)
    loss: torch.Tensor = 1.0 - dice[1:].mean()
    return loss


def dice_scores(network: PhantomUnet, phantoms: Phantoms, device: torch.device) -> dict[str, float]:
    """Return each structure's mean DSC over phantoms, the body left out (it is what remains inside the skin)."""
    network.eval()
    totals = {value: 0.0 for value, name in LABELS.items() if name != "body"}
    for voxels, label in zip(*phantoms):
        with torch.inference_mode():
            found = network(_scaled(voxels[None]).to(device)).argmax(dim=1)[0].cpu().numpy()
        for value in totals:
            both, either = np.sum((found == value) & (label == value)), np.sum(found == value) + np.sum(label == value)
            totals[value] += float(2.0 * both / max(either, 1))
    network.train()
    return {LABELS[value]: total / len(phantoms[0]) for value, total in totals.items()}


def _scaled(voxels: NDArray[np.int16]) -> torch.Tensor:
    scaled: NDArray[np.float32] = WINDOW.scale(voxels.astype(np.float32))
    return torch.from_numpy(scaled)[:, None]


def _from_seeds(seeds: Sequence[int]) -> Phantoms:
    pairs = [generate(seed) for seed in seeds]
    return np.stack([volume.voxels for volume, _ in pairs]), np.stack([label.voxels for _, label in pairs])


def _from_split(split: Split, count: int) -> Phantoms:
    cases = PhantomDataset().cases(split)[:count]
    volumes = np.stack([case.read_volume().voxels for case in cases])
    return volumes, np.stack([case.read_label_map().voxels for case in cases if case.read_label_map])


def make(
    out: Annotated[Path, typer.Option(help="the safetensors file to write")],
    workspace: Annotated[Path | None, typer.Option(help="keeps the training's state, so that it can go on")] = None,
    seed: int = 0,
    steps: int = STEPS,
    device: str = "cpu",
) -> None:
    """Train the segmenter and write its weights, and beside them a JSON file with its scores on the test split."""
    fabric = launch(device, PRECISION)
    phantoms = _from_seeds(range(FIRST_SEED, FIRST_SEED + PHANTOMS))
    task = SegmenterTask(phantoms, _from_split("select", 16), steps=steps, seed=seed)
    plan = Plan(name="train segmenter", steps=steps, seed=seed, settings={"seed": seed, "steps": steps})
    with tempfile.TemporaryDirectory() as temporary:
        folder = workspace or Path(temporary)
        trained = train(task, plan, fabric=fabric, folder=folder, resume=True, progress=silent)

    network = PhantomUnet(CLASSES)
    network.load_state_dict({name: value.half().float() for name, value in trained.weights.items()})
    scores = dice_scores(network.to(fabric.device), _from_split("test", 16), fabric.device)
    description = {
        "model": MODEL,
        "command": f"python -m medbench.segmenters.phantom_training --out {out.name} --seed {seed} --steps {steps}",
        "seed": seed,
        "steps": steps,
        "kept_step": trained.step,
        "trained_on": f"phantoms of the seeds {FIRST_SEED} to {FIRST_SEED + PHANTOMS - 1}, in no split",
        "select_dsc": round(trained.scores["dsc"], 4),
        "test_dsc": {name: round(value, 4) for name, value in scores.items()},
        "test_dsc_mean": round(float(np.mean(list(scores.values()))), 4),
    }
    if fabric.is_global_zero:
        write_weights(out, trained.weights, description)
        write_json(out.with_suffix(".json"), description)


if __name__ == "__main__":
    typer.run(make)
