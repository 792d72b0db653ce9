"""What an audit cannot measure is told with its reason."""

import dataclasses
from pathlib import Path

import pytest

from medbench.audit.audit import AuditOptions, audit_metrics
from medbench.audit.ladder import AuditReport
from medbench.errors import SpecError
from medbench.progress import silent


def rows_of(report: AuditReport) -> dict:
    return {row.damage: row for row in report.rows}


def test_a_value_that_cannot_be_had_is_none_with_its_reason(
    options: AuditOptions, plugins: Path, tmp_path: Path
) -> None:
    picky = dataclasses.replace(options, metrics=(f"{plugins}:Picky",))
    report = audit_metrics(picky, tmp_path / "out", silent)
    row = rows_of(report)["mode_collapse"]
    assert row.values[-1] is None
    assert row.limit == 1e6
    assert "95 % interval" in row.limit_how
    assert report.left_out["picky under mode_collapse 1 share"] == "two volumes are equal"


def test_metrics_that_cannot_be_audited_are_listed(options: AuditOptions, tmp_path: Path) -> None:
    asked = dataclasses.replace(options, metrics=(*options.metrics, "rvr", "downstream"))
    report = audit_metrics(asked, tmp_path / "out", silent)
    # The data set's protocol takes masks for segmentations, and a damaged volume has none of its own.
    assert "name a segmenter that sees voxels with --segmenter" in report.left_out["rvr"]
    assert "it was trained on" in report.left_out["downstream"]
    assert {row.metric for row in report.rows} == {"meanhu"}
    with pytest.raises(SpecError, match=r"nothing can be audited; rvr: .* with --segmenter"):
        audit_metrics(dataclasses.replace(options, metrics=("rvr",)), tmp_path / "out", silent)
