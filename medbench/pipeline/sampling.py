"""Sampling by several processes: one for each GPU of a machine, or the workers of a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from medbench.budget.meter import Meter
from medbench.engines.devices import resolve_device
from medbench.engines.engine import Engine
from medbench.engines.shipping import require_weights
from medbench.engines.work import run_all
from medbench.pipeline.prepare import on_grid
from medbench.pipeline.presets import Chosen
from medbench.pipeline.sample import Making, sample
from medbench.pipeline.shard import Shard
from medbench.progress import Progress, silent
from medbench.records.results import StageMemory

if TYPE_CHECKING:
    from medbench.pipeline.run import Run


@dataclass(frozen=True)
class Loading:
    """How another process comes by the generator with its weights.

    Args:
        chosen: the generator's preset.
        weights: what it loads.
        device: as it was asked for; each process resolves it by itself.
        limit_bytes: the budget of GPU memory.
    """

    chosen: Chosen
    weights: Path | None
    device: str
    limit_bytes: int


def making_of(run: Run) -> Making:
    """Return what decides the samples of a run."""
    grid = run.protocol.grid
    return Making(
        run.folder.samples,
        run.spec.seed,
        grid,
        # Cases are opened only where they are needed: published weights can be sampled without the data set.
        cases=on_grid(run.held_out, grid) if run.info.native_shape is None else (),
        conditions=run.conditions.items if run.conditions else None,
        checkpoint=run.checkpoint,
    )


def make_samples(run: Run) -> list[StageMemory]:
    """Make the samples of a run that are missing, here or by parts; return what other processes needed for that."""
    engine, options, count = run.track.engine, run.options, run.spec.samples
    if not making_of(run).missing(count):  # shards have made them: no weights are loaded
        making_of(run).collect(count)
        return []
    if not engine.is_remote and engine.parts(count, device=options.device) == 1:
        sample(making_of(run), run.generator, count=count, progress=run.progress)
        return []
    loading = Loading(run.chosen, run.weights(), options.device, options.budget_bytes)
    return sample_by_parts(making_of(run), loading, count=count, engine=engine, progress=run.progress)


def sample_by_parts(
    making: Making, loading: Loading, *, count: int, engine: Engine, progress: Progress
) -> list[StageMemory]:
    """Make the samples that are missing, each part in a process; return what the processes needed.

    Args:
        making: what decides the samples.
        loading: how each process comes by the generator.
        count: how many samples there are to be.
        engine: where the processes run.
        progress: told about every sample, once its part is done.

    Raises:
        DataError, PluginError, StorageError: see ``Making.make``.
        BudgetExceededError: a process ran out of memory within the budget.
    """
    left = making.missing(count, progress)
    making.collect(count)  # takes in what processes left that were killed
    parts = engine.parts(len(left), device=loading.device)
    shards = [Shard(number, parts) for number in range(1, parts + 1)]
    memories: list[StageMemory] = []

    def finished() -> Iterator[int]:
        with engine.executor(parts, device=loading.device) as executor:
            work = partial(_make_part, making=making, loading=loading, left=left)
            for made, memory in run_all(work, shards, executor=executor):
                memories.append(memory)
                yield from made

    for _ in progress.track(finished(), task="sample", total=len(left)):
        pass
    making.collect(count)
    return memories


def _make_part(
    shard: Shard, *, making: Making, loading: Loading, left: Sequence[int]
) -> tuple[Sequence[int], StageMemory]:
    """Make a part of the samples; what a killed process made of it is there and stays."""
    if loading.weights is not None:
        require_weights(loading.weights)
    device = resolve_device(loading.device)
    missing = set(making.missing(max(left) + 1))
    indices = [index for index in shard.of(left) if index in missing]
    with Meter(loading.limit_bytes, device).measure("sample") as measured:
        if indices:
            generator = loading.chosen.make(device)
            generator.load(loading.weights)
            making.make(indices, generator, silent, part=shard.name)
    return shard.of(left), measured[0]
