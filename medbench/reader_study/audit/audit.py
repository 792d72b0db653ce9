"""``medbench study audit``: what a packet leaks, in its container and in its voxels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from medbench.errors import DataError
from medbench.progress import Progress
from medbench.reader_study.audit.container import container_facts, differing
from medbench.reader_study.audit.separation import cross_validate, each_fact
from medbench.reader_study.audit.voxels import MENDS, voxel_facts
from medbench.reader_study.key import Key
from medbench.reader_study.packet import Packet

if TYPE_CHECKING:
    import pandas as pd

CONTAINER_ALPHA: Final = 0.001
"""A sound packet is refused by chance at most once in a thousand."""

VOXEL_ALPHA: Final = 0.01


@dataclass(frozen=True)
class Part:
    """The container, or the voxels.

    Args:
        auc: of cross-validated classifiers, 0.5 is chance; None: too few cases of a source to validate.
        ci95: its interval, or None.
        leaks: what tells the source, one sentence each.
    """

    auc: float | None
    ci95: tuple[float, float] | None
    leaks: tuple[str, ...]


@dataclass(frozen=True)
class AuditReport:
    """What the audit found; ``ok`` where the container tells nothing.

    Args:
        container: everything but the voxels.
        voxels: statistics of the voxels that are no anatomy.
        ok: a study may be read: the container is at chance.
    """

    container: Part
    voxels: Part
    ok: bool


def audit(packet: Packet, key: Key, progress: Progress) -> AuditReport:
    """Audit a packet.

    Args:
        packet: an open packet.
        key: its key, which says what each case is.
        progress: told about every case.

    Raises:
        DataError: a case is damaged or changed.
    """
    container = audit_container(packet, key.sources())
    return AuditReport(container, audit_voxels(packet, key, progress), not container.leaks)


def require_blinded(packet: Packet, key: Key) -> None:
    """Refuse a packet whose container tells the sources.

    Raises:
        DataError: names the leaks.
    """
    found = audit_container(packet, key.sources())
    if found.leaks:
        raise DataError(f"the packet gives its sources away and was not finished: {'; '.join(found.leaks)}: run again")


def audit_container(packet: Packet, sources: Mapping[str, str]) -> Part:
    """Audit everything but the voxels: what should be the same must be, what is shuffled must not tell the source.

    Args:
        packet: an open packet.
        sources: the model of each case.
    """
    facts = container_facts(packet)
    shuffled, wrong = differing(facts)
    counted = _counted(packet)
    labels = [sources[case] for case in counted]
    leaks = [_difference(facts, name, sources) for name in wrong]
    leaks += [
        f"{one.fact} tells {one.source} from the rest (AUC {one.auc:.2f})"
        for one in each_fact(facts.loc[counted, shuffled], labels)
        if one.p_value < CONTAINER_ALPHA
    ]
    found = cross_validate(facts.loc[counted, shuffled + wrong], labels, groups=_groups(packet, counted))
    return Part(None, None, tuple(leaks)) if found is None else Part(found.auc, found.ci95, tuple(leaks))


def audit_voxels(packet: Packet, key: Key, progress: Progress) -> Part:
    """Audit the voxels for traces that are no anatomy; of a case that is shown twice, one is looked at.

    Args:
        packet: an open packet.
        key: its key.
        progress: told about every case.
    """
    import pandas as pd

    cases = [case for case in packet.study.checksums if case not in key.repeats]
    rows = [voxel_facts(packet.volume(case).voxels) for case in progress.track(cases, task="look at voxels")]
    facts, labels = pd.DataFrame(rows), [key.cases[case].model for case in cases]
    facts = facts.loc[:, facts.nunique() > 1]
    leaks = [
        f"{one.fact} tells {one.source} from the rest (AUC {one.auc:.2f}): {MENDS[one.fact]}"
        for one in each_fact(facts, labels)
        if one.p_value < VOXEL_ALPHA
    ]
    found = cross_validate(facts, labels, groups=cases)
    return Part(None, None, tuple(leaks)) if found is None else Part(found.auc, found.ci95, tuple(leaks))


def _counted(packet: Packet) -> list[str]:
    trials = packet.study.trials.values()
    return sorted({case for trial in trials if not trial.training for case in trial.cases})


def _groups(packet: Packet, cases: Sequence[str]) -> list[str]:
    """Return a trial of each case: the two of a pair share what depends on the order."""
    trial_of = {case: trial.id for trial in packet.study.trials.values() for case in trial.cases}
    return [trial_of[case] for case in cases]


def _difference(facts: pd.DataFrame, name: str, sources: Mapping[str, str]) -> str:
    """Say which fact differs that should not, and how well it tells one source."""
    told = each_fact(facts[[name]].astype(str), [sources[case] for case in facts.index])
    which = f", tells {told[0].source} from the rest (AUC {told[0].auc:.2f})" if told else ""
    return f"{name}: not the same in every case{which}"
