"""Floors from real volumes, and the gap between the training and the held-out split."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medbench.datasets.phantom.dataset import generate
from medbench.errors import Unavailable
from medbench.evaluation.cache import Cache
from medbench.evaluation.comparison import Comparison, StoredEvidence
from medbench.evaluation.floors import against, floor_of
from medbench.evaluation.instruments import Instruments
from medbench.metrics.base import Measurement, MetricInfo
from medbench.metrics.evidence import Evidence
from medbench.progress import silent
from medbench.records.samples import StoredVolume
from medbench.spec import Protocol

SHAPE = (16, 16, 8)


class MeanGap:
    """The distance between the mean HU of the two sides: cheap, and known beforehand."""

    info = MetricInfo(
        name="mean-gap",
        version="1",
        summary="distance of means",
        better="lower",
        unit="HU",
        min_real=2,
        min_synthetic=2,
        source="this test",
    )

    def measure(self, evidence: Evidence) -> Measurement:
        means = [
            np.mean([volume.voxels.mean() for volume in side.volumes()]) for side in (evidence.real, evidence.synthetic)
        ]
        gap = float(abs(means[0] - means[1]))
        return Measurement(gap, None, "none", parts={"abs": gap, "both": {"real": float(means[0])}})


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> list[StoredVolume]:
    folder = tmp_path_factory.mktemp("volumes")
    made = []
    for seed in range(16):
        volume, _ = generate(seed, SHAPE)
        path = folder / f"{seed:02}.nii.gz"
        volume.write(path)
        made.append(StoredVolume(f"{seed:02}", f"p{seed:02}", path, f"{seed:064}"))
    return made


@pytest.fixture
def instruments(tmp_path: Path) -> Instruments:
    protocol = Protocol(name="t", summary="t", floor_splits=6)
    return Instruments(
        protocol, device="cpu", cache=Cache(tmp_path / "cache"), progress=silent, log_folder=tmp_path / "logs"
    )


def evidence_of(
    instruments: Instruments,
    reference: Sequence[StoredVolume],
    synthetic: Sequence[StoredVolume],
    held_out: Sequence[StoredVolume] = (),
) -> StoredEvidence:
    return Comparison(synthetic, reference, held_out, identity={}).evidence(instruments)


def test_the_floor_is_the_mean_over_splits_and_says_so(items: list[StoredVolume], instruments: Instruments) -> None:
    evidence = evidence_of(instruments, items[:10], items[10:14], items[14:])
    found = floor_of(MeanGap(), MeanGap().measure(evidence), evidence)
    assert len(found.values) == 6
    assert found.value == pytest.approx(np.mean(found.values))
    assert found.parts is not None and found.parts["abs"] == found.value
    assert "6 random splits by patient of 12 real volumes into 9 and 3" in found.note
    assert "rests on 10 and 4" in found.note
    assert found.counts == "other" and found.note.endswith("no verdict")


def test_a_floor_at_the_values_counts_says_so(items: list[StoredVolume], instruments: Instruments) -> None:
    evidence = evidence_of(instruments, items[:8], items[8:12], items[12:])
    assert floor_of(MeanGap(), MeanGap().measure(evidence), evidence).counts == "same"


def test_a_floor_of_fewer_volumes_is_carried_on_in_1_over_n(
    items: list[StoredVolume], instruments: Instruments
) -> None:
    class OneOverN(MeanGap):
        """1/n + 1/m, and a part that has no such line."""

        def measure(self, evidence: Evidence) -> Measurement:
            value = 1 / len(evidence.real.ids) + 1 / len(evidence.synthetic.ids)
            return Measurement(value, None, "none", parts={"xy": 1 - value, "lung": {"p_value": 0.5}})

    again = [replace(item, id=f"b{item.id}", subject=f"b{item.subject}") for item in items]
    evidence = evidence_of(instruments, [*items, *again], [*items, *again[:8]])
    value = OneOverN().measure(evidence)
    found = floor_of(OneOverN(), value, evidence)
    assert found.counts == "carried" and found.value == pytest.approx(value.value, rel=0.03)
    assert found.parts == {"xy": pytest.approx(1 - found.value)}
    assert found.values == pytest.approx([found.value] * 6)
    assert "carried on to these counts in 1/N, by way of splits into" in found.note
    far_more = evidence_of(instruments, [*items, *again], [*items, *again, *items, *again, *items])
    assert floor_of(OneOverN(), value, far_more).counts == "other"


def test_a_folder_without_held_out_volumes_has_a_floor_too(items: list[StoredVolume], instruments: Instruments) -> None:
    evidence = evidence_of(instruments, items[:8], items[8:])
    found = floor_of(MeanGap(), MeanGap().measure(evidence), evidence)
    assert found.value is not None and "into 4 and 4" in found.note
    assert against(MeanGap(), MeanGap().measure(evidence), evidence) is None


def test_too_few_real_volumes_leave_no_floor_and_say_why(items: list[StoredVolume], instruments: Instruments) -> None:
    evidence = evidence_of(instruments, items[:2], items[2:4])
    found = floor_of(MeanGap(), MeanGap().measure(evidence), evidence)
    assert found.value is None and found.note.startswith("no floor: too few")


def test_a_metric_may_bring_its_own_floor_or_none(items: list[StoredVolume], instruments: Instruments) -> None:
    evidence = evidence_of(instruments, items[:8], items[8:])
    metric = MeanGap()
    metric.info = replace(MeanGap.info, floor="own")
    measured = replace(metric.measure(evidence), floor=0.25, floor_note="chance")
    found = floor_of(metric, measured, evidence)
    assert (found.value, found.note) == (0.25, "chance")
    metric.info = replace(MeanGap.info, floor="none")
    assert floor_of(metric, measured, evidence).value is None


def test_a_metric_that_cannot_judge_real_volumes_says_why(items: list[StoredVolume], instruments: Instruments) -> None:
    class Refuses(MeanGap):
        def measure(self, evidence: Evidence) -> Measurement:
            raise Unavailable("no weights")

    evidence = evidence_of(instruments, items[:8], items[8:12], items[12:])
    found = floor_of(Refuses(), Measurement(0.0, None, "none"), evidence)
    assert (found.value, found.note) == (None, "no floor: no weights")


def test_samples_that_copy_the_training_split_show_a_gap(items: list[StoredVolume], instruments: Instruments) -> None:
    class Nearest(MeanGap):
        """Mean distance of each sample to the nearest real volume."""

        def measure(self, evidence: Evidence) -> Measurement:
            real = [volume.voxels.astype(float) for volume in evidence.real.volumes()]
            gaps = [min(np.abs(one - volume.voxels).mean() for one in real) for volume in evidence.synthetic.volumes()]
            return Measurement(float(np.mean(gaps)), None, "none")

    copies = evidence_of(instruments, items[:12], items[:12], items[12:])
    nothing = Measurement(0.0, None, "none")
    found = against(Nearest(), nothing, copies)
    assert found is not None
    assert (found.n, len(found.train_values)) == (4, 3)
    assert found.gap_limit is not None and found.gap > found.gap_limit
    fresh = evidence_of(instruments, items[:9], items[13:], items[9:12])
    found = against(Nearest(), nothing, fresh)
    assert found is not None and found.gap_limit is not None and found.gap < found.gap_limit


class ByRegion(MeanGap):
    """Its value is the number of regions that it compares: all but those that are not asked for."""

    known = ("heart", "lung", "spine")

    def measure(self, evidence: Evidence) -> Measurement:
        compared = [name for name in self.known if name in (evidence.protocol.regions or self.known)]
        return Measurement(float(len(compared)), None, "none", scope={"compared": compared})


def test_floor_and_gap_rest_on_the_regions_of_the_value(items: list[StoredVolume], instruments: Instruments) -> None:
    evidence = evidence_of(instruments, items[:8], items[8:12], items[12:])
    # The samples' masks did not know the spine: only two regions could be compared.
    value = Measurement(2.0, None, "none", scope={"compared": ["heart", "lung"]})
    found = floor_of(ByRegion(), value, evidence)
    assert set(found.values) == {2.0}
    assert "other regions" not in found.note
    gap = against(ByRegion(), value, evidence)
    assert gap is not None and (gap.train, gap.held_out) == (2.0, 2.0)


def test_splits_on_other_regions_are_told_and_make_no_gap(items: list[StoredVolume], instruments: Instruments) -> None:
    class Fickle(ByRegion):
        def measure(self, evidence: Evidence) -> Measurement:
            first = evidence.real.ids[0]
            return Measurement(1.0, None, "none", scope={"compared": ["heart"], "dropped": [first]})

    evidence = evidence_of(instruments, items[:8], items[8:12], items[12:])
    value = Measurement(2.0, None, "none", scope={"compared": ["heart"], "dropped": []})
    assert "6 of the splits rest on other regions" in floor_of(Fickle(), value, evidence).note
    assert against(Fickle(), value, evidence) is None
