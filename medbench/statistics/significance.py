"""Tests of a difference between two runs: pure functions of replicates or of one value a case.

Subjects are the unit throughout, as in ``medbench.statistics.resampling``. Exchanging a and b turns the sign of the
difference and of its interval, and leaves the p-value as it is.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from medbench.statistics.dominance import dominant
from medbench.statistics.resampling import FEWEST_SUBJECTS, Replicates

MOST_EXACT_CASES = 14
_RANDOM_FLIPS = 19_999
ROUNDING = 1e-12


@dataclass(frozen=True)
class Outcome:
    """A difference a - b with its uncertainty.

    Args:
        difference: a - b.
        ci95: both ends of its 95 % interval; None where there is no test.
        p_value: two-sided, of the hypothesis that there is no difference; None where there is no test.
        test: the test in words, or ``none: `` and why there is none.
    """

    difference: float
    ci95: tuple[float, float] | None
    p_value: float | None
    test: str


@dataclass(frozen=True, eq=False)
class Estimate:
    """A metric's value in one run.

    Args:
        value: of all subjects.
        real: without one group of real subjects after another; None where the real side does not vary the value.
        synthetic: without one group of synthetic subjects after another.
        floor: the values between random splits of the real volumes at the same counts; empty where there are none.
    """

    value: float
    real: Replicates | None
    synthetic: Replicates | None
    floor: Sequence[float] = ()


def untested(difference: float, reason: str) -> Outcome:
    """Return a difference that no test stands behind, with the reason.

    Example:
        >>> untested(0.5, "one shared case").test
        'none: one shared case'
    """
    return Outcome(difference, None, None, f"none: {reason}")


def jackknife_test(a: Estimate, b: Estimate) -> Outcome:
    """Test the difference of two values that share their real volumes, by the delete-a-group jackknife.

    The real volumes are the same in both runs, so that their chance mostly cancels: the real side's variance is that of
    the differences of the replicates, group by group. So it is with samples that were made from the same label maps.
    Other samples are independent, and their variances add up. The difference over its standard error is taken as t
    distributed, with degrees of freedom after Welch and Satterthwaite.

    The jackknife counts twice what pairs of subjects contribute to the variance. Near the floor there is little else;
    the splits behind the floor show how much it is between independent sets, and it is taken off once, up to half of
    the variance.

    Args:
        a: of the first run.
        b: of the second run; its groups of real subjects are those of ``a``.

    Example:
        >>> def run(value: float) -> Estimate:
        ...     side = Replicates(value + np.array([0.5, -0.5, 0.25, -0.25]), np.ones(4))
        ...     return Estimate(value, real=side, synthetic=side)
        ...
        >>> found = jackknife_test(run(3.0), run(1.0))
        >>> found.difference, round(found.p_value, 3)
        (2.0, 0.084)

    Source: Busing, Meijer, van der Leeden 1999, Statistics and Computing 9:3 (variance with unequal groups);
    Satterthwaite 1946, Biometrics Bulletin 2:110 (degrees of freedom).
    """
    from scipy.stats import t

    difference = a.value - b.value
    reason = _no_jackknife(a, b)
    if reason is not None:
        return untested(difference, reason)
    assert a.synthetic is not None and b.synthetic is not None  # else there is a reason
    paired = None is not shared_groups(a.synthetic) == shared_groups(b.synthetic)
    if paired:
        terms = [_of_difference(a.synthetic, b.synthetic, difference)]
    else:
        terms = [(side.variance(run.value), len(side.sizes)) for run, side in ((a, a.synthetic), (b, b.synthetic))]
    if a.real is not None and b.real is not None:
        terms.append(_of_difference(a.real, b.real, difference))
    counted = sum(term for term, _ in terms)
    if counted <= ROUNDING * max(a.value**2, b.value**2):
        return untested(difference, "the values without single groups do not vary")
    twice = 0.0 if paired else min(variance_of_pairs(a) + variance_of_pairs(b), counted / 2.0)
    variance = counted - twice
    doubt = sum(term**2 / (groups - 1) for term, groups in terms)
    if twice > 0:
        doubt += twice**2 / (min(len(one.floor) for one in (a, b) if variance_of_pairs(one) > 0) - 1)
    freedom = variance**2 / doubt
    error = float(np.sqrt(variance))
    half = float(t.ppf(0.975, freedom)) * error
    p_value = float(2.0 * t.sf(abs(difference) / error, freedom))
    groups = ", ".join(str(groups) for _, groups in terms)
    how = ", samples paired by label map" if paired else ", pairs counted once" if twice > 0 else ""
    name = f"delete-a-group jackknife (groups: {groups}; {freedom:.0f} degrees of freedom{how})"
    return Outcome(difference, (difference - half, difference + half), p_value, name)


def shared_groups(side: Replicates) -> tuple[str, bytes] | None:
    """Return what sides have in common whose groups were made from the same; None where nothing is shared.

    Example:
        >>> shared_groups(Replicates(np.array([0.2, 0.3]), np.array([1, 1]))) is None
        True
    """
    return None if side.units is None else (side.units, side.sizes.astype(np.float64).tobytes())


def _of_difference(a: Replicates, b: Replicates, difference: float) -> tuple[float, int]:
    """Return the variance of a difference over groups that both values share, and how many groups there are."""
    return Replicates(a.values - b.values, a.sizes).variance(difference), len(a.sizes)


def variance_of_pairs(run: Estimate) -> float:
    """Return what pairs of subjects that are not both real contribute to the variance of a value near its floor.

    At the floor nothing but pairs varies a distance. With n real and m synthetic subjects, real pairs are m² of
    (n + m)² parts of that; two runs share them, so that they cancel. Beyond the worst split it fades: there is no floor
    to learn it from.

    Example:
        >>> side = Replicates(np.zeros(4), np.ones(4))
        >>> round(variance_of_pairs(Estimate(0.1, side, side, floor=(0.1, 0.2, 0.3))), 4)
        0.0075
    """
    if len(run.floor) < 2 or run.real is None or run.synthetic is None:
        return 0.0
    n, m = run.real.sizes.sum(), run.synthetic.sizes.sum()
    variance, worst = _splits(np.asarray(run.floor, dtype=np.float64).tobytes())
    near = 1.0 if abs(run.value) <= worst else (worst / abs(run.value)) ** 4
    return float(variance * (1.0 - (m / (n + m)) ** 2) * near)


@lru_cache(maxsize=1024)
def _splits(floor: bytes) -> tuple[float, float]:
    """Return the variance of the values behind a floor and the largest of them: all runs of a track share them."""
    values = np.frombuffer(floor)
    return float(np.var(values, ddof=1)), float(np.abs(values).max())


def _no_jackknife(a: Estimate, b: Estimate) -> str | None:
    """Return why the replicates of two runs allow no test, or None."""
    if a.synthetic is None or b.synthetic is None:
        return "no replicates are stored with both values"
    if (a.real is None) != (b.real is None):
        return "only one of the runs has replicates of the real side"
    if a.real is not None and b.real is not None and not np.array_equal(a.real.sizes, b.real.sizes):
        return "the real subjects were grouped in different ways"
    return None


def paired_test(a: np.ndarray, b: np.ndarray) -> Outcome:
    """Test the mean difference over the same cases by flipping the signs of the differences.

    All sign patterns are counted up to 14 cases, beyond that 19 999 random ones (always the same). The interval is
    that of the t distribution.

    Args:
        a: (n,) one value a case.
        b: (n,) likewise, for the same cases in the same order.

    Example:
        >>> found = paired_test(np.array([5.0, 6.0, 7.0, 8.0, 9.0]), np.array([4.0, 4.0, 6.0, 7.0, 7.0]))
        >>> found.difference, found.p_value
        (1.4, 0.0625)
    """
    from scipy.stats import t

    gaps = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    difference, n = float(gaps.mean()), len(gaps)
    if n < FEWEST_SUBJECTS:
        return untested(difference, f"{n} shared cases, a test needs {FEWEST_SUBJECTS}")
    half = float(t.ppf(0.975, n - 1) * gaps.std(ddof=1) / np.sqrt(n))
    name = f"paired permutation of {n} cases, interval by t"
    squares = np.square(gaps - difference)
    largest = dominant(squares)
    if largest is not None:
        name += f"; one case makes up {100 * squares[largest] / squares.sum():.0f} % of the variance"
    return Outcome(difference, (difference - half, difference + half), _sign_flip_p(gaps), name)


def unpaired_test(a: np.ndarray, b: np.ndarray) -> Outcome:
    """Test the difference of the means of different cases by Welch's t test.

    Where the cases of neither run vary there is no t: the exact permutation test says how probable it is that all
    equal cases came into one run by chance.

    Args:
        a: (n,) one value a case.
        b: (m,) likewise.

    Example:
        >>> found = unpaired_test(np.arange(4.0), np.arange(5.0) + 4)
        >>> found.difference, round(found.p_value, 3)
        (-4.5, 0.002)
    """
    from scipy.stats import fisher_exact, ttest_ind

    difference = float(np.mean(a) - np.mean(b))
    fewest = min(len(a), len(b))
    if fewest < FEWEST_SUBJECTS:
        return untested(difference, f"{fewest} cases in a run, a test needs {FEWEST_SUBJECTS}")
    if np.ptp(a) == 0 and np.ptp(b) == 0:
        p_value = 1.0 if a[0] == b[0] else float(fisher_exact([[len(a), 0], [0, len(b)]]).pvalue)
        name = f"exact permutation of {len(a)} and {len(b)} different cases: those of a run are all equal"
        return Outcome(difference, (difference, difference), p_value, name)
    found = ttest_ind(a, b, equal_var=False)
    ends = found.confidence_interval(0.95)
    name = f"Welch's t test of {len(a)} and {len(b)} different cases"
    return Outcome(difference, (float(ends.low), float(ends.high)), float(found.pvalue), name)


def _sign_flip_p(gaps: np.ndarray) -> float:
    # Differences count as equal within rounding, so that a pattern is never told from its mirror image.
    observed = abs(gaps.sum()) - ROUNDING * np.abs(gaps).sum()
    if len(gaps) <= MOST_EXACT_CASES:
        signs = np.array(list(itertools.product((1.0, -1.0), repeat=len(gaps))))
        return float((np.abs(signs @ gaps) >= observed).mean())
    chance = np.random.default_rng(20250313)
    reached = 0
    for _ in range(_RANDOM_FLIPS):
        signs = chance.integers(0, 2, len(gaps)) * 2.0 - 1.0
        reached += bool(abs(signs @ gaps) >= observed)
    return (reached + 1) / (_RANDOM_FLIPS + 1)
