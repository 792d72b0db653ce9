"""Sets of real volumes for floors and gaps: fair, and from one pass what each would be by itself."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medbench.evaluation.cache import Cache
from medbench.evaluation.comparison import StoredEvidence
from medbench.evaluation.floors import against, floor_of
from medbench.evaluation.instruments import Instruments
from medbench.evaluation.side import StoredSide
from medbench.evaluation.splits import splits, with_all_comparisons
from medbench.metrics.fid3d import Fid3d
from medbench.metrics.fid25d.metric import Fid25d
from medbench.metrics.kid25d import Kid25d
from medbench.metrics.mmd3d import Mmd3d
from medbench.metrics.prdc25d import Prdc25d
from medbench.progress import silent
from medbench.records.samples import StoredVolume
from medbench.spec import Plane, Protocol, SliceProtocol

METRICS = [Fid25d, Kid25d, Prdc25d, Fid3d, Mmd3d]


def volumes(count: int, *, first: int = 0, subjects: int | None = None) -> list[StoredVolume]:
    return [
        StoredVolume(
            f"{first + index:02}",
            f"p{first + index % (subjects or count):02}",
            Path(f"{first + index:02}.nii"),
            f"{first + index:064}",
        )
        for index in range(count)
    ]


@dataclass(frozen=True)
class MadeSide(StoredSide):
    """A side whose features come from the volumes' names; it tells how often each volume was asked for them."""

    slices: int = 4
    asked: Counter[str] = field(default_factory=Counter)

    def slice_features(self, plane: Plane) -> Iterator[np.ndarray]:
        for item in self.items:
            self.asked[f"{plane} {item.id}"] += 1
            rng = np.random.default_rng([int(item.id), len(plane)])
            count = 1 + int(item.id) % self.slices
            yield (rng.normal(size=5) + 0.4 * rng.normal(size=(count, 5))).astype(np.float32)

    def volume_features(self) -> Iterator[np.ndarray]:
        for item in self.items:
            self.asked[item.id] += 1
            yield np.random.default_rng(int(item.id)).normal(size=5).astype(np.float32)


def evidence_of(
    tmp_path: Path, real: Sequence[StoredVolume], samples: Sequence[StoredVolume], held_out: Sequence[StoredVolume]
) -> StoredEvidence:
    protocol = Protocol(name="t", summary="t", floor_splits=4, slices=SliceProtocol(planes=("xy", "yz")))
    instruments = Instruments(protocol, "cpu", Cache(tmp_path), silent, tmp_path)
    side = MadeSide(real, instruments, "real")
    held = side.of(held_out) if held_out else None
    return StoredEvidence(protocol, side, side.of(samples), held, instruments)


def test_splits_have_the_counts_that_were_measured_and_share_no_patient() -> None:
    seen = set()
    for real, judged in splits(volumes(16), real=12, judged=4, count=6):
        assert (len(real), len(judged)) == (12, 4)
        assert not {item.subject for item in real} & {item.subject for item in judged}
        seen.add(tuple(item.id for item in judged))
    assert len(seen) == 6


def test_splits_keep_a_patients_volumes_together() -> None:
    for real, judged in splits(volumes(16, subjects=8), real=11, judged=5, count=5):
        assert not {item.subject for item in real} & {item.subject for item in judged}
        assert set(Counter(item.subject for item in judged).values()) == {2}


def test_splits_shrink_in_proportion_where_real_volumes_are_few() -> None:
    [(real, judged)] = splits(volumes(16), real=16, judged=16, count=1)
    assert (len(real), len(judged)) == (8, 8)
    [(real, judged)] = splits(volumes(16), real=16, judged=48, count=1)
    assert (len(real), len(judged)) == (4, 12)


def test_splits_do_not_depend_on_the_order_of_the_volumes() -> None:
    items = volumes(16)
    forwards = [{item.id for item in judged} for _, judged in splits(items, real=12, judged=4, count=3)]
    backwards = [{item.id for item in judged} for _, judged in splits(items[::-1], real=12, judged=4, count=3)]
    assert forwards == backwards


CASES = {
    "as many as samples": (volumes(24), volumes(8, first=50), volumes(8, first=30)),
    "too few for the counts": (volumes(30), volumes(40, first=50), volumes(9, first=40)),
    "more real ones than are needed": (volumes(20), volumes(7, first=50), volumes(14, first=30)),
    "nothing held out": (volumes(26), volumes(10, first=50), []),
    "several volumes a patient": (volumes(26, subjects=13), volumes(16, first=50, subjects=8), volumes(8, first=30)),
    "samples that are the training volumes": (volumes(24), volumes(24)[:9], volumes(8, first=30)),
}


@pytest.mark.parametrize("slices", [1, 4])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("metric", METRICS)
def test_floor_and_gap_made_together_are_those_made_one_by_one(
    metric: Any, case: str, slices: int, tmp_path: Path
) -> None:
    plain = evidence_of(tmp_path, *CASES[case])
    plain = replace(plain, **{name: replace(getattr(plain, name), slices=slices) for name in ("real", "synthetic")})
    planned = with_all_comparisons(metric.info, plain)
    found, alone = metric().measure(planned), metric().measure(plain)
    assert found.value == pytest.approx(alone.value, rel=1e-9, abs=1e-12)
    assert found.parts == pytest.approx(alone.parts) if metric is not Prdc25d else found.parts == alone.parts
    assert found.ci_method == alone.ci_method
    assert (found.ci95 or ()) == pytest.approx(alone.ci95 or (), rel=1e-6)
    together, one_by_one = (floor_of(metric(), found, evidence) for evidence in (planned, plain))
    assert together.values == pytest.approx(one_by_one.values, rel=1e-9, abs=1e-12)
    assert (together.note, together.counts) == (one_by_one.note, one_by_one.counts)
    gap, expected = (against(metric(), found, evidence) for evidence in (planned, plain))
    assert (gap is None) == (expected is None)
    if gap is not None and expected is not None:
        assert gap.train_values == pytest.approx(expected.train_values, rel=1e-9, abs=1e-12)
        assert gap.held_out == pytest.approx(expected.held_out, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_each_volume_is_read_once_for_value_interval_floor_and_gap(metric: Any, tmp_path: Path) -> None:
    evidence = evidence_of(tmp_path, volumes(24), volumes(9, first=50), volumes(9, first=30))
    planned = with_all_comparisons(metric.info, evidence)
    found = metric().measure(planned)
    assert len(floor_of(metric(), found, planned).values) == 4
    assert against(metric(), found, planned) is not None
    asked = planned.real.asked  # type: ignore[attr-defined]
    assert len(asked) in (24 + 9 + 9, 2 * (24 + 9 + 9))  # volumes, or volumes in two planes
    assert set(asked.values()) == {1}
