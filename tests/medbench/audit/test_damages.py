"""Which damages are done."""

import dataclasses
from pathlib import Path

import pytest

from medbench.audit.audit import AuditOptions, audit_metrics
from medbench.audit.ladder import AuditReport
from medbench.errors import SpecError
from medbench.progress import silent


def rows_of(report: AuditReport) -> dict:
    return {row.damage: row for row in report.rows}


def test_without_masks_no_structure_goes_missing(options: AuditOptions, datasets: Path, tmp_path: Path) -> None:
    bare = dataclasses.replace(options, dataset=f"{datasets}:NoMasks")
    report = audit_metrics(bare, tmp_path / "out", silent)
    assert "no masks" in report.left_out["missing_structure"]
    assert "missing_structure" not in rows_of(report)
    with pytest.raises(SpecError, match="no held-out mask names the structure 'liver'"):
        audit_metrics(dataclasses.replace(bare, region="liver"), tmp_path / "out", silent)
