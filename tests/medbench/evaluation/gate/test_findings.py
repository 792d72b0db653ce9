"""Findings as a table."""

from __future__ import annotations

from medbench.evaluation.gate.findings import Finding, rows


def test_the_table_has_a_row_for_each_check():
    findings = [Finding("warning", "a", "spacing", "x"), Finding("warning", "b", "spacing", "y")]
    assert rows(findings) == [{"severity": "warning", "check": "spacing", "files": 2, "example": "a", "detail": "x"}]
