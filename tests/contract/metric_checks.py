"""What every metric must hold when it is measured."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import astuple
from typing import Any

import numpy as np
import pytest

from contract.sides import Body, Scene, TinySide
from medbench.errors import DataError, NotEnoughCasesError, Unavailable
from medbench.metrics.base import Measurement
from medbench.metrics.evidence import Evidence

Check = Callable[[type, Scene], None]
_ROUNDING = 1e-9


def same_input_same_answer(metric: type, scene: Scene) -> None:
    """Also where nothing is kept from the first time, and whatever the state of global random generators."""
    first, second = (metric().measure(scene.evidence(keeps=False)) for _ in range(2))
    _assert_same(first, second)


def inputs_stay_untouched(metric: type, scene: Scene) -> None:
    """No array that a side hands over is changed: other metrics and floors see the same one."""
    bodies = [body for side in scene.sides.values() for body in side]
    before = _checksum(bodies)
    metric().measure(scene.evidence())
    assert _checksum(bodies) == before, "it changed an array that a side handed to it"


def order_of_volumes_changes_nothing(metric: type, scene: Scene) -> None:
    """A folder is read in some order; neither value nor parts depend on it."""
    backwards = {name: side[::-1] for name, side in scene.sides.items()}
    forth, back = (metric().measure(scene.evidence(**sides)) for sides in ({}, backwards))
    assert back.value == pytest.approx(forth.value, rel=1e-9, abs=1e-12)
    assert _flat(back) == pytest.approx(_flat(forth), rel=1e-9, abs=1e-12)


def a_set_against_itself_is_perfect(metric: type, scene: Scene) -> None:
    """Where real volumes among themselves are the floor: a distance of 0 or (an unbiased one) below, an overlap of 1.

    Metrics with another floor do not compare two sets, or call a set against itself the worst: they say themselves
    what is perfect.
    """
    if metric.info.floor != "splits":
        return
    other = metric().measure(scene.evidence(intervals=False)).value
    found = metric().measure(scene.evidence(synthetic=scene.sides["real"]))
    if metric.info.better == "lower":
        assert found.value <= _ROUNDING * abs(other), f"a set is {found.value} away from itself"
        assert other > found.value
    else:
        assert found.value == pytest.approx(1.0), f"a set overlaps itself by {found.value}"
    if found.ci95 is not None:
        assert found.ci95[0] <= found.value <= found.ci95[1]


def too_few_subjects_are_refused(metric: type, scene: Scene) -> None:
    """However many volumes they have: the subject is the unit, and the message says how many are needed."""
    for side in scene.judged():
        fewest = scene.fewest(side)
        if fewest == 0:
            continue
        bodies = scene.sides[side][: max(fewest - 1, 1)]
        crowd = [] if fewest == 1 else [*bodies, Body(900, subject=bodies[0].subject)]
        with pytest.raises(NotEnoughCasesError, match=rf"\b{fewest} .*got {fewest - 1}\b"):
            metric().measure(scene.evidence(**{side: crowd}))


def three_subjects_have_a_value_and_no_interval(metric: type, scene: Scene) -> None:
    """Where a metric takes three subjects at all; why there is no interval stands in its place."""
    sides = [side for side in scene.judged() if scene.fewest(side) > 0]
    if any(scene.fewest(side) > 3 for side in sides):
        return
    found = metric().measure(scene.evidence(**{side: scene.sides[side][:3] for side in sides}))
    assert math.isfinite(found.value)
    assert found.ci95 is None
    assert "there are 3" in found.ci_method


def an_interval_is_there_or_its_reason(metric: type, scene: Scene) -> None:
    """An interval holds the value and names its method; an absent one says why."""
    found = metric().measure(scene.evidence())
    assert found.ci_method
    assert (found.ci95 is None) == found.ci_method.startswith("absent"), found.ci_method
    if found.ci95 is not None:
        assert found.ci95[0] <= found.value <= found.ci95[1]


def copies_of_a_subjects_volumes_add_nothing(metric: type, scene: Scene) -> None:
    """Three volumes of everybody are no more people: the value stays about where it was, the interval as wide."""
    side = scene.judged()[-1]
    once = metric().measure(scene.evidence())
    thrice = metric().measure(scene.evidence(**{side: [body for body in scene.sides[side] for _ in range(3)]}))
    assert thrice.value == pytest.approx(once.value, rel=0.1)
    if once.ci95 is not None and thrice.ci95 is not None:
        assert np.ptp(thrice.ci95) == pytest.approx(np.ptp(once.ci95), rel=0.2)


def only_the_value_where_only_the_value_is_asked_for(metric: type, scene: Scene) -> None:
    """Floors and gaps ask for it: the same value on the same scope, without interval and replicates."""
    whole, alone = (metric().measure(scene.evidence(intervals=asked)) for asked in (True, False))
    assert alone.value == pytest.approx(whole.value, rel=1e-12)
    assert alone.scope == whole.scope
    assert alone.ci95 is None
    assert not alone.replicates


def a_broken_volume_is_named(metric: type, scene: Scene) -> None:
    """Features or reconstructions with NaN are refused with the volume's name, by every metric that sees them.

    Voxels with NaN need no such care: files that hold them are refused when they are read.
    """
    for side in scene.sides:
        broken = Body(777, broken=True)
        evidence = scene.evidence(**{side: [*scene.sides[side], broken]})
        try:
            found = metric().measure(evidence)
        except (Unavailable, DataError) as refusal:
            assert broken.id in str(refusal), f"which volume? {refusal}"
        else:
            assert not _side(evidence, side).asked, f"NaN of {broken.id} went into {found.value}"


def figures_are_numbers(metric: type, scene: Scene) -> None:
    """Parts are numbers or named numbers, replicates match their groups, the table has the columns of its cases."""
    found = metric().measure(scene.evidence())
    for name, part in found.parts.items():
        figures = part.values() if isinstance(part, Mapping) else [part]
        assert all(isinstance(figure, (int, float)) for figure in figures), f"{name} is no number: {part}"
    for side, replicates in found.replicates.items():
        subjects = len({body.subject for body in scene.sides[side]})
        assert len(replicates.values) == len(replicates.sizes)
        assert sum(replicates.sizes) == subjects, f"{sum(replicates.sizes)} of {subjects} {side} subjects are left out"
    cases = metric.info.cases
    if cases is not None:
        assert found.table is not None
        wanted = {cases.value, cases.case, *([cases.rows[0]] if cases.rows else [])}
        assert wanted <= set(found.table.columns), f"its table lacks {wanted - set(found.table.columns)}"


CHECKS: tuple[Check, ...] = (
    same_input_same_answer,
    inputs_stay_untouched,
    order_of_volumes_changes_nothing,
    a_set_against_itself_is_perfect,
    too_few_subjects_are_refused,
    three_subjects_have_a_value_and_no_interval,
    an_interval_is_there_or_its_reason,
    copies_of_a_subjects_volumes_add_nothing,
    only_the_value_where_only_the_value_is_asked_for,
    a_broken_volume_is_named,
    figures_are_numbers,
)


def _side(evidence: Evidence, name: str) -> TinySide:
    side: TinySide = getattr(evidence, name)
    return side


def _checksum(bodies: list[Body]) -> str:
    digest = hashlib.sha256()
    for body in bodies:
        for array in body.arrays():
            digest.update(array.tobytes())
    return digest.hexdigest()


def _flat(found: Measurement) -> dict[str, float]:
    parts = ((name, part if isinstance(part, Mapping) else {"": part}) for name, part in found.parts.items())
    return {f"{name}.{figure}": value for name, figures in parts for figure, value in figures.items()}


def _assert_same(first: Measurement, second: Measurement) -> None:
    one, other = (_plain(found) for found in (first, second))
    np.testing.assert_equal(one, other, "the same input gave another answer")


def _plain(found: Measurement) -> dict[str, Any]:
    kept = dict(vars(found))
    table = kept.pop("table")
    replicates = {side: astuple(one) for side, one in kept.pop("replicates").items()}
    return kept | {"replicates": replicates, "table": None if table is None else table.to_csv()}
