"""All findings about a comparison: a pure function of the facts."""

from __future__ import annotations

from medbench.gate.checks import volume_checks
from medbench.gate.findings import ORDER, Finding, SideReport
from medbench.gate.sides import copies, duplicates, grid_differences, window_differences
from medbench.spec import Grid, Window


def judge(
    *,
    real: SideReport,
    synthetic: SideReport,
    grid: Grid | None,
    window: Window | None = None,
    held_out: SideReport | None = None,
) -> list[Finding]:
    """Return all findings about a comparison, errors first.

    Args:
        real: facts about the real volumes.
        synthetic: facts about the synthetic volumes.
        grid: the canonical grid that both sides will be brought to; None if they are compared as they are.
        window: the protocol's; None if none is in force.
        held_out: facts about the real volumes that give the floor; None or empty where there are none.
    """
    findings: list[Finding] = []
    for side in (real, synthetic):
        if not side.volumes:
            detail = f"the {side.name} side holds no volume: give its folder"
            findings.append(Finding("error", side.name, "empty", detail))
    for side in filter(None, (real, synthetic, held_out)):
        for file, known in side.volumes:
            findings += [Finding(severity, file, check, detail) for severity, check, detail in volume_checks(known)]
        findings += duplicates(side)
    findings += copies(real, synthetic, "this synthetic volume is a copy")
    if held_out:
        findings += copies(real, held_out, "it makes the floor too low: take it out of one of the two")
    findings += grid_differences(real, synthetic, grid)
    if window is not None:
        findings += window_differences(real, synthetic, window)
    return sorted(findings, key=lambda finding: ORDER.index(finding.severity))
