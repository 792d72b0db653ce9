"""A shard of a run or evaluation: its cases prepared, samples made, volumes looked at, beside other shards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medbench.errors import SpecError
from medbench.pipeline.sampling import making_of
from medbench.pipeline.shard import Shard
from medbench.records.lock import held
from medbench.records.manifest import Manifest
from medbench.records.parts import keep_memory
from medbench.records.samples import listed

if TYPE_CHECKING:
    from medbench.pipeline.folder import FolderEvaluation
    from medbench.pipeline.run import Run


@dataclass(frozen=True)
class Left:
    """What is still missing once a shard has done its part.

    Args:
        shard: which.
        folder: of the run or evaluation.
        missing: how many of what.
    """

    shard: Shard
    folder: Path
    missing: Mapping[str, int]


def sample_shard(run: Run, shard: Shard) -> Left:
    """Make a shard's samples; other shards may make theirs at the same time.

    Raises:
        SpecError: the folder holds a run of another spec, or the generator is to be trained first.
    """
    with _beside(run, shard):
        return _sampled(run, shard)


def run_shard(run: Run, shard: Shard) -> Left:
    """Prepare a shard's cases, make its samples and look at its volumes, so that who collects finds all of it there.

    Raises:
        SpecError: see ``sample_shard``.
        DataError: data absent or damaged.
    """
    with _beside(run, shard):
        real = run.track.real(run.progress, shard, reader=run.folder.path)
        left = _sampled(run, shard)
        made = Manifest(run.folder.samples).complete(run.spec.samples, checkpoint=run.checkpoint)
        own = {index: made[index] for index in shard.of(range(run.spec.samples)) if index in made}
        samples = listed(run.folder.samples, own)
        run.evaluation().look(run.track.comparison(samples, real, noticed=()))
        return left


def evaluate_shard(evaluation: FolderEvaluation, shard: Shard) -> Left:
    """Look at a shard's volumes, so that who evaluates all of them finds in the cache what metrics ask for.

    Raises:
        SpecError: the folder holds an evaluation of other volumes.
        DataError: data absent or damaged.
    """
    folder = evaluation.folder
    folder.require_ours()
    with held(folder.path, evaluation.progress, shard.name, first=evaluation.open):
        evaluation.look(shard)
    return Left(shard, folder.path, {})


@contextmanager
def _beside(run: Run, shard: Shard) -> Iterator[None]:
    """Work in a run's folder beside other shards; that it is the same run is seen before any of them begins."""
    if not run.options.resume:
        raise SpecError("--shard adds to what other shards do, and --no-resume removes it: leave one of them out")
    run.folder.require_ours()
    with held(run.folder.path, run.progress, shard.name, first=lambda: run.record):
        if run.options.train and not run.is_trained:
            raise SpecError("shards sample from weights that are there: run the same command as 'medbench fit' first")
        run.folder.is_held = True  # as far as this shard goes: what else wants the folder's lock would wait for ever
        try:
            yield
        finally:
            run.folder.is_held = False


def _sampled(run: Run, shard: Shard) -> Left:
    making, count = making_of(run), run.spec.samples
    missing = set(making.missing(count))
    indices = [index for index in shard.of(range(count)) if index in missing]
    if indices:
        run.require_budget("sample")
        run.require_space(len(indices))
        with run.meter.measure("sample") as measured:
            making.make(indices, run.generator, run.progress, part=shard.name)
        keep_memory(run.folder.path, shard.name, measured[0])
    return Left(shard, run.folder.path, {"samples": len(making.missing(count))})
