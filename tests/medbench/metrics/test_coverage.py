"""How often 95 % intervals hold the mean of their sampling distribution, by repeated draws. See docs/statistics.md.

pytest -m slow -s tests/medbench/metrics/test_coverage.py

prints the figures of that page. An interval must hold the mean of the value at the same counts in 90 to 99 % of the
draws; the standard error of a share of 95 % over 300 draws is 1.3 %. Where both sides are one population, kernel
distance and Fréchet distance are degenerate (their first-order term vanishes) and the jackknife is known to be too
wide: there only the lower bound is asked for.
"""

# ruff: noqa: T201  (the figures are what this file is for)

from __future__ import annotations

import numpy as np
import pytest

from medbench.metrics.fid25d.metric import Fid25d
from medbench.metrics.functional.regions import mean_wasserstein
from medbench.metrics.kid25d import Kid25d
from medbench.metrics.prdc25d import Prdc25d
from medbench.spec import SliceProtocol
from medbench.statistics.dominance import dominant
from medbench.statistics.resampling import delete_each_group, jackknife_interval, mean_interval

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
DRAWS = 300
COUNTS = [(64, 16), (16, 64), (24, 24), (88, 88)]
SLICES = 8
DIMENSION = 24


def slice_features(rng, count, *, shift, scale, heavy=False):
    """Slices share their volume's deviation: their correlation is 0.67; variances fall as those of a network do."""
    spectrum = np.arange(1, DIMENSION + 1) ** -0.5

    def deviation():
        return rng.standard_t(3, size=DIMENSION) / np.sqrt(3) if heavy else rng.normal(size=DIMENSION)

    return [
        (scale * spectrum * (deviation() + 0.7 * rng.normal(size=(SLICES, DIMENSION))) + shift * spectrum).astype(
            np.float32
        )
        for _ in range(count)
    ]


def region_ratios(rng, count, *, shift, scale):
    """Log-normal ratios of eight regions that grow together."""
    logs = scale * (0.15 * rng.normal(size=(count, 1)) + 0.2 * rng.normal(size=(count, 8))) + shift
    return 0.02 * np.exp(logs)


def share(found):
    """Return the share of draws whose interval holds the mean value, and of those that have an interval."""
    centre = np.mean([value for value, _ in found])
    ends = [interval for _, interval in found if interval is not None]
    return np.mean([low <= centre <= high for low, high in ends]), len(ends) / len(found)


def told(name, counts, covered, *, different=None):
    case = {True: "two populations", False: "one population", None: ""}[different]
    print(f"\n{name} {counts[0]} real, {counts[1]} synthetic {case}: {100 * covered:.1f} %")


@pytest.mark.parametrize("different", [True, False])
@pytest.mark.parametrize("counts", COUNTS)
@pytest.mark.parametrize("metric", [Fid25d, Kid25d, Prdc25d])
def test_metrics_of_slice_features(metric, counts, different, make_side, make_evidence):
    rng = np.random.default_rng([*counts, different])
    population = {"shift": 0.4, "scale": 0.85} if different else {"shift": 0.0, "scale": 1.0}
    found = []
    for _ in range(DRAWS):
        real = make_side(counts[0], features={"xy": slice_features(rng, counts[0], shift=0.0, scale=1.0)})
        synthetic = make_side(counts[1], features={"xy": slice_features(rng, counts[1], **population)})
        measured = metric().measure(make_evidence(real, synthetic, slices=SliceProtocol(planes=("xy",))))
        found.append((measured.value, measured.ci95))
    covered, asked = share(found)
    told(metric.info.name, counts, covered, different=different)
    if metric is Prdc25d:
        print(f"  with an interval: {100 * asked:.0f} %")
        assert covered >= 0.90
    else:
        assert asked == 1.0
        assert 0.90 <= covered <= (0.99 if different else 1.0)


@pytest.mark.parametrize("counts", COUNTS)
@pytest.mark.parametrize("metric", [Fid25d, Kid25d])
def test_heavy_tails_are_covered_too_seldom_and_often_told(metric, counts, make_side, make_evidence):
    """Subjects deviate by t with 3 degrees of freedom: no interval is known that holds, so that a note must say so."""
    rng = np.random.default_rng([*counts, 3])
    found, told_of = [], []
    for _ in range(DRAWS):
        sides = [
            make_side(count, features={"xy": slice_features(rng, count, shift=shift, scale=scale, heavy=True)})
            for count, shift, scale in zip(counts, (0.0, 0.4), (1.0, 0.85))
        ]
        measured = metric().measure(make_evidence(*sides, slices=SliceProtocol(planes=("xy",))))
        found.append((measured.value, measured.ci95))
        squares = [side.contributions(measured.value) for side in measured.replicates.values()]
        told_of.append(any(dominant(one) is not None for one in squares))
    covered, _ = share(found)
    print(
        f"\n{metric.info.name} {counts[0]} real, {counts[1]} synthetic, t3 subjects: {100 * covered:.1f} %, "
        f"told of in {100 * np.mean(told_of):.0f} %"
    )
    assert covered >= 0.5
    assert np.mean(told_of) >= 0.1


@pytest.mark.parametrize("different", [True, False])
@pytest.mark.parametrize("counts", COUNTS)
def test_region_ratios(counts, different):
    rng = np.random.default_rng([*counts, different])
    population = {"shift": 0.15, "scale": 0.8} if different else {"shift": 0.0, "scale": 1.0}
    found = []
    for _ in range(DRAWS):
        real = region_ratios(rng, counts[0], shift=0.0, scale=1.0)
        synthetic = region_ratios(rng, counts[1], **population)
        names = [[f"s{index:03}" for index in range(count)] for count in counts]
        value = mean_wasserstein(real=real, synthetic=synthetic)
        interval = jackknife_interval(
            value,
            real=delete_each_group(
                lambda stay, r=real, s=synthetic: mean_wasserstein(real=r[stay], synthetic=s), names[0]
            ),
            synthetic=delete_each_group(
                lambda stay, r=real, s=synthetic: mean_wasserstein(real=r, synthetic=s[stay]), names[1]
            ),
            non_negative=True,
        )
        found.append((value, interval.ends))
    covered, _ = share(found)
    told("rvr", counts, covered, different=different)
    assert 0.90 <= covered <= (0.99 if different else 1.0)


@pytest.mark.parametrize("subjects", [8, 16, 24, 88])
def test_means_over_subjects_with_several_volumes(subjects):
    """Skewed numbers (as of errors), two to four volumes a subject; the population's mean is known: 1.5."""
    rng = np.random.default_rng(subjects)
    hits = 0
    for _ in range(1000):
        names = np.repeat([f"s{index:03}" for index in range(subjects)], rng.integers(2, 5, subjects))
        own = dict(zip(sorted(set(names)), rng.gamma(4.0, 0.25, subjects)))
        values = np.array([own[name] for name in names]) + rng.gamma(2.0, 0.25, len(names))
        low, high = mean_interval(values, names.tolist()).ends
        hits += low <= 1.5 <= high
    print(f"\nmean over {subjects} subjects: {hits / 10:.1f} %")
    assert 0.90 <= hits / 1000 <= 0.99
