"""Which sets of real volumes are compared for floors and gaps; known before anything is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from medbench.evaluation.comparison import StoredEvidence
from medbench.metrics.base import MetricInfo
from medbench.metrics.together import Pair, Together
from medbench.records.samples import StoredVolume
from medbench.statistics.extrapolation import FEWEST_CARRIED, LARGEST_STEP

_MOST_PARTS_OF_REFERENCE = 10

Volumes = Sequence[StoredVolume]


def splits(pool: Volumes, *, real: int, judged: int, count: int) -> Iterator[tuple[Volumes, Volumes]]:
    """Yield random splits of real volumes by patient into a reference and a set that is judged, disjoint.

    Where the pool is too small for both counts, both shrink in proportion. A patient's volumes stay together, so that
    counts may differ by a few where patients have several.

    Args:
        pool: real volumes.
        real: wanted in the reference.
        judged: wanted in the set that is judged.
        count: how many splits; the same ones whenever they are asked for.
    """
    shrink = min(1.0, len(pool) / (real + judged))
    fewer = max(1, round(judged * shrink))
    most = min(real, len(pool) - fewer)
    for seed in range(count):
        order = _shuffled_by_subject(pool, np.random.default_rng([20250313, seed]))
        cut = fewer
        while 0 < cut < len(order) and order[cut].subject == order[cut - 1].subject:
            cut += 1
        yield order[cut : cut + most], order[:cut]


def floor_splits(evidence: StoredEvidence) -> list[tuple[Volumes, Volumes]]:
    """Return the splits behind a floor: of all real volumes, at the counts of the evidence or the nearest to them."""
    return _splits(evidence, wanted_counts(evidence))


def half_splits(evidence: StoredEvidence, near: Sequence[tuple[Volumes, Volumes]]) -> list[tuple[Volumes, Volumes]]:
    """Return splits at half the counts of others, to carry a floor on; none where these suffice, or it would stray."""
    wanted = wanted_counts(evidence)
    counts = tuple(map(len, near[-1]))
    half = counts[0] // 2, counts[1] // 2
    if sum(counts) >= sum(wanted) or min(half) < FEWEST_CARRIED or sum(wanted) > LARGEST_STEP * sum(counts):
        return []
    return _splits(evidence, half)


def parts_of_training(info: MetricInfo, evidence: StoredEvidence) -> Sequence[Volumes]:
    """Return parts of the training split that are as large as the held-out one, to compare the samples with each.

    There are none where the held-out split has too few volumes, or more than the training split.
    """
    reference, n = evidence.real.items, len(_held_out(evidence))
    if info.floor != "splits" or n < max(info.min_real, 2) or n > len(reference):
        return []
    order = _shuffled_by_subject(reference, np.random.default_rng(0))
    return [order[start : start + n] for start in range(0, len(order) - n + 1, n)][:_MOST_PARTS_OF_REFERENCE]


def wanted_counts(evidence: StoredEvidence) -> tuple[int, int]:
    """Return how many volumes the value rests on, of the reference and of the samples."""
    return len(evidence.real.items), len(evidence.synthetic.items)


def with_all_comparisons(info: MetricInfo, evidence: StoredEvidence) -> StoredEvidence:
    """Return the same evidence, which knows what will be compared for the metric's floor and gap as well.

    Args:
        info: of the metric.
        evidence: for its value.
    """
    if info.floor != "splits":
        return evidence
    samples, pool = evidence.synthetic.items, [*evidence.real.items, *_held_out(evidence)]
    near = floor_splits(evidence)
    among_real = [*near, *half_splits(evidence, near)]
    parts = parts_of_training(info, evidence)
    with_samples = [(part, samples) for part in ((_held_out(evidence), *parts) if parts else ())]
    real, judged = _places(pool), _places(samples, start=len(pool))
    pairs = [Pair(real(evidence.real.items), judged(samples), evidence.intervals)]
    turns = {evidence.key(evidence.real.items, samples): 0}
    for compared, place in ((among_real, real), (with_samples, judged)):
        for one, other in compared:
            if _suffice(info, one, other):
                turns[evidence.key(one, other)] = len(pairs)
                pairs.append(Pair(real(one), place(other), intervals=False))
    return replace(evidence, together=Together((evidence.real.of(pool), evidence.synthetic), pairs), turns=turns)


def _places(items: Volumes, *, start: int = 0) -> Callable[[Volumes], np.ndarray]:
    place = {id(item): index for index, item in enumerate(items, start)}
    return lambda chosen: np.array([place[id(item)] for item in chosen])


def _splits(evidence: StoredEvidence, counts: tuple[int, int]) -> list[tuple[Volumes, Volumes]]:
    pool = [*evidence.real.items, *_held_out(evidence)]
    return list(splits(pool, real=counts[0], judged=counts[1], count=evidence.protocol.floor_splits))


def _held_out(evidence: StoredEvidence) -> Volumes:
    return evidence.held_out.items if evidence.held_out else ()


def _suffice(info: MetricInfo, real: Volumes, judged: Volumes) -> bool:
    """Say whether a metric would measure two sets: it refuses too few subjects, and what it refuses is not gathered."""
    fewest = zip((real, judged), (info.min_real, info.min_synthetic))
    return all(len({item.subject for item in items}) >= max(least, 2) for items, least in fewest)


def _shuffled_by_subject(items: Volumes, chance: np.random.Generator) -> list[StoredVolume]:
    subjects = sorted({item.subject for item in items})
    place = {subject: index for index, subject in enumerate(chance.permutation(subjects))}
    return sorted(items, key=lambda item: place[item.subject])
