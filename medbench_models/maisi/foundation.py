"""The frozen autoencoder of MAISI-PT's tiny preset, trained: ``python -m medbench_models.maisi.foundation --help``.

What the public autoencoder is to a real track, this one is to the phantom: it has seen other bodies, none of those that
a split of the data set holds. It is trained as MAISI-ST trains its own. The shipped checkpoint of MAISI-PT holds it; to
begin with another one, point ``MEDBENCH_WEIGHTS_MAISI_TINY_AUTOENCODER`` to its file and fit MAISI-PT.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer

from medbench.datasets.base import Case
from medbench.datasets.phantom.dataset import generate
from medbench.imaging.volume import Volume
from medbench.progress import silent
from medbench.storage.files import make_folder
from medbench.storage.tensors import write_weights
from medbench.training.loop import Plan, launch, train
from medbench_models.maisi.fitting import autoencoder_task
from medbench_models.maisi.presets import PRESETS
from medbench_models.maisi.upstream import OWN
from medbench_models.shared.arrays import cache_volumes

FIRST_SEED: Final = 400_000
PHANTOMS: Final = {"train": 320, "select": 16}


def make(
    out: Annotated[Path, typer.Option(help="the safetensors file to write")],
    workspace: Annotated[Path, typer.Option(help="keeps the training's state, so that it can go on")],
    seed: int = 0,
    device: str = "cpu",
) -> None:
    """Train the autoencoder on phantoms of other seeds and write its weights."""
    config, folder = PRESETS["tiny"], make_folder(workspace)
    volumes, first = {}, FIRST_SEED
    for split, count in PHANTOMS.items():
        cases = [_case(number) for number in range(first, first + count)]
        volumes[split] = cache_volumes(cases, folder / f"volumes-{split}.npy", silent)
        first += count
    settings = {
        "seed": seed,
        **config.network.autoencoder.model_dump(mode="json"),
        **config.stage1.model_dump(mode="json"),
    }
    plan = Plan(name="train autoencoder", steps=config.stage1.steps, seed=seed, validate_every=1000, settings=settings)
    fabric = launch(device, config.stage1.precision)
    trained = train(
        autoencoder_task(config, volumes, seed), plan, fabric=fabric, folder=folder / "stage1", resume=True,
        progress=silent,
    )  # fmt: skip
    description = {
        "model": "maisi-tiny-autoencoder",
        "command": f"python -m medbench_models.maisi.foundation --out FILE --workspace DIR --seed {seed}",
        "trained_on": f"phantoms of the seeds {FIRST_SEED} to {first - 1}, in no split",
        "steps": config.stage1.steps,
        "kept_step": trained.step,
        "select_psnr_db": trained.scores["psnr"],
    }
    if fabric.is_global_zero:
        write_weights(out, {f"{OWN}{name}": value for name, value in trained.weights.items()}, description)


def _case(seed: int) -> Case:
    name = f"seed-{seed}"
    return Case(name, "train", name, partial(_volume, seed))


def _volume(seed: int) -> Volume:
    return generate(seed)[0]


if __name__ == "__main__":
    typer.run(make)
