"""Precision, recall, density and coverage: how two sets lie among each other, by distances to nearest subjects.

The ball of a slice reaches to the k-th nearest other *subject* of its own side; a subject is as far as its nearest
slice. Slices of the same subject are no neighbours: the adjacent slice is always the nearest one, and balls that end
there would hold nobody. Where every slice is a subject of its own, these are the definitions of the two papers.

Any number of comparisons of the same volumes is made in two passes over the pairs of slices: radii are running minima
(the k smallest distances so far, of each slice to each set's subjects), then slices are counted within them. Memory
grows with the slices, not with slices times subjects.

Source: Kynkäänniemi et al. 2019, arXiv:1904.06991, eqs. 1 and 2 (precision, recall); Naeem et al. 2020,
arXiv:2002.09797, eqs. 3 and 4 (density, coverage).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from medbench.metrics.functional.neighbours import Nearest, Pairs, Rows, within
from medbench.statistics.resampling import MOST_GROUPS


@dataclass(frozen=True, eq=False)
class Prdc:
    """The four figures, and what each subject's slices add to them.

    Args:
        precision: share of synthetic slices inside the ball of some real slice.
        recall: share of real slices inside the ball of some synthetic slice.
        density: synthetic subjects that reach a real ball, over their number if both sides were one population.
        coverage: share of real slices whose ball some synthetic slice reaches.
        real: of each real subject, its ``slices`` and the shares of them behind recall (``inside``) and coverage
            (``covered``).
        synthetic: of each synthetic subject, its ``slices`` and the share of them behind precision (``inside``).
        coverage_without: by side, coverage without each of its groups (see ``Sets``); empty where there are none.
    """

    precision: float
    recall: float
    density: float
    coverage: float
    real: Mapping[str, np.ndarray]
    synthetic: Mapping[str, np.ndarray]
    coverage_without: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Sets:
    """Two sets of volumes that are compared.

    Args:
        real: (volumes,) which volumes are the reference, of more than k subjects.
        synthetic: (volumes,) which ones are judged, likewise.
        real_groups: (groups, volumes) cut the reference into groups of whole subjects, each of which is left out once;
            without any of them more than k subjects stay. None: nothing is left out.
        synthetic_groups: likewise of the other set.
    """

    real: np.ndarray
    synthetic: np.ndarray
    real_groups: np.ndarray | None = None
    synthetic_groups: np.ndarray | None = None


def expected_coverage(*, real: int, synthetic: int, k: int) -> float:
    """Return the mean coverage of two sets of one population, whatever the population.

    A real slice is missed where its k nearest among the other subjects of both sides all are real.

    Args:
        real: number of real subjects, above k.
        synthetic: number of synthetic subjects.
        k: number of nearest subjects.

    Example:
        >>> round(expected_coverage(real=88, synthetic=88, k=5), 3)
        0.971
    """
    place = np.arange(k)
    return float(1.0 - np.prod((real - 1 - place) / (real - 1 + synthetic - place)))


def prdc(*, real: Sequence[np.ndarray], synthetic: Sequence[np.ndarray], k: int) -> Prdc:
    """Return precision, recall, density and coverage of two sides, and coverage without each of up to 20 groups.

    Args:
        real: one array (slices, d) a real subject; more than k subjects.
        synthetic: likewise.
        k: number of nearest subjects to which a ball reaches.

    Raises:
        ValueError: a side has no more than k subjects.

    Example:
        >>> real = [np.array([[float(x)]]) for x in range(5)]
        >>> synthetic = [np.array([[float(x)]]) for x in (0.2, 1.1, 9)]
        >>> figures = prdc(real=real, synthetic=synthetic, k=1)
        >>> figures.coverage, round(figures.precision, 3), figures.coverage_without["synthetic"].tolist()
        (0.6, 0.667, [0.4, 0.4, 0.6])
    """
    is_real = np.arange(len(real) + len(synthetic)) < len(real)
    groups = []
    for side in (is_real, ~is_real):
        group = np.where(side, (np.cumsum(side) - 1) % MOST_GROUPS, -1)
        groups.append(group == np.arange(group.max() + 1)[:, None])
    leaves = len(real) - groups[0].sum(axis=1).max() > k
    both = Sets(is_real, ~is_real, *(groups if leaves else ()))
    [found] = prdc_of_sets([*real, *synthetic], np.arange(len(is_real)), [both], k=k)
    return found


def prdc_of_sets(volumes: Sequence[np.ndarray], owners: np.ndarray, compared: Sequence[Sets], *, k: int) -> list[Prdc]:
    """Return the four figures of each of many comparisons; every pair of slices is looked at twice, for all of them.

    Memory: 2 GiB of distances at most, blocks of about 1024 x 1024 of them, and k numbers a slice, set and group.

    Args:
        volumes: slices (slices, d) of each volume.
        owners: (volumes,) a number for the subject of each volume.
        compared: the comparisons.
        k: number of nearest subjects to which a ball reaches.

    Raises:
        ValueError: a set has no more than k subjects.

    Example:
        >>> volumes = [np.array([[x]]) for x in (0.0, 1.0, 2.0, 0.2, 1.1, 9.0)]
        >>> first, second = np.arange(6) < 3, np.arange(6) >= 3
        >>> there, back = prdc_of_sets(volumes, np.arange(6), [Sets(first, second), Sets(second, first)], k=1)
        >>> there.coverage, round(there.precision, 3), round(back.precision, 3)
        (1.0, 0.667, 1.0)
    """
    order = np.argsort(owners, kind="stable")
    rows = Rows([volumes[place] for place in order], owners[order])
    balls = [_Balls(rows, _ordered(sets, order), k) for sets in compared]
    rows.find_nearest()
    for ball in balls:
        ball.close()
    for pairs in rows.pairs():
        for ball in balls:
            ball.see(pairs)
    return [ball.figures() for ball in balls]


def _ordered(sets: Sets, order: np.ndarray) -> Sets:
    fields = (sets.real, sets.synthetic, sets.real_groups, sets.synthetic_groups)
    return Sets(*(None if one is None else one[..., order] for one in fields))  # type: ignore[arg-type]


class _Balls:
    """The balls of both sets of a comparison, and who lies in them."""

    def __init__(self, rows: Rows, sets: Sets, k: int) -> None:
        for name, stays in (("real", sets.real), ("synthetic", sets.synthetic)):
            count = len(np.unique(rows.volume_owners[stays]))
            if count <= k:
                raise ValueError(f"balls to the {k}th nearest subject need {k + 1} {name} subjects; got {count}")
        self._rows, self._sets, self._k = rows, sets, k
        # The k nearest of each group give the k nearest of all but one of them, too.
        groups = [sets.real] if sets.real_groups is None else sets.real_groups
        self._to_groups = [rows.nearest_of(sets.real, group, k) for group in groups]
        others = () if sets.synthetic_groups is None else sets.synthetic_groups
        self._to_others = [rows.nearest_of(sets.real, group, 1) for group in others]
        self._to_own = rows.nearest_of(sets.synthetic, sets.synthetic, k)
        self._real, self._synthetic = self._to_groups[0].places, self._to_own.places

    def close(self) -> None:
        """Take the radii: all distances were seen."""
        self._radii = _kth(self._to_groups, self._k)
        self._synthetic_radii = _kth([self._to_own], self._k)
        self._reached_by = np.zeros(len(self._real), dtype=np.int64)
        self._real_inside = np.zeros(len(self._real), dtype=bool)
        self._synthetic_inside = np.zeros(len(self._synthetic), dtype=bool)

    def see(self, pairs: Pairs) -> None:
        """Look at the distances from the slices of a block, as real ones, to those of another, as synthetic ones."""
        real, here = within(self._real, pairs.near)
        synthetic, there = within(self._synthetic, pairs.far)
        if not len(here) or not len(there):
            return
        radii = self._radii[real, None]
        found = pairs.between(here, there)
        self._real_inside[real] |= (found <= self._synthetic_radii[synthetic]).any(axis=1)
        self._synthetic_inside[synthetic] |= (found <= radii).any(axis=0)
        to_subjects = self._rows.to_subjects(pairs, here, self._sets.synthetic)
        self._reached_by[real] += (to_subjects <= radii).sum(axis=1)

    def figures(self) -> Prdc:
        """Return what was found."""
        owners = self._rows.owners
        covered = self._reached_by > 0
        n, m = (len(np.unique(owners[places])) for places in (self._real, self._synthetic))
        return Prdc(
            precision=float(self._synthetic_inside.mean()),
            recall=float(self._real_inside.mean()),
            density=float(self._reached_by.mean() * n / (self._k * m)),
            coverage=float(covered.mean()),
            real=_by_subject(owners[self._real], inside=self._real_inside, covered=covered),
            synthetic=_by_subject(owners[self._synthetic], inside=self._synthetic_inside),
            coverage_without=self._coverage_without(),
        )

    def _coverage_without(self) -> dict[str, np.ndarray]:
        groups = self._sets.real_groups
        if groups is None or not self._to_others:
            return {}
        to_others = np.concatenate([one.distances for one in self._to_others], axis=1)
        nearest = to_others.min(axis=1)
        without_real = []
        for index, group in enumerate(groups):
            stays = ~group[self._rows.of_volumes[self._real]]
            radii = _kth([one for other, one in enumerate(self._to_groups) if other != index], self._k)
            without_real.append((nearest <= radii)[stays].mean())
        without_synthetic = [
            (np.delete(to_others, index, axis=1).min(axis=1) <= self._radii).mean()
            for index in range(to_others.shape[1])
        ]
        return {"real": np.array(without_real), "synthetic": np.array(without_synthetic)}


def _kth(nearest: Sequence[Nearest], k: int) -> np.ndarray:
    together = np.concatenate([one.distances for one in nearest], axis=1)
    radii: np.ndarray = np.partition(together, k - 1, axis=1)[:, k - 1]
    return radii


def _by_subject(owners: np.ndarray, **flags: np.ndarray) -> dict[str, np.ndarray]:
    _, subject, slices = np.unique(owners, return_inverse=True, return_counts=True)
    return {"slices": slices} | {name: np.bincount(subject, weights=one) / slices for name, one in flags.items()}
