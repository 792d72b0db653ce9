import dataclasses
import json
from pathlib import Path

import pandas as pd
import pytest

from medbench.audit import damage
from medbench.audit.audit import AuditOptions, audit_metrics
from medbench.audit.damages import KINDS
from medbench.audit.ladder import AuditReport
from medbench.errors import DataError, SpecError
from medbench.progress import silent


def rows_of(report: AuditReport) -> dict:
    return {row.damage: row for row in report.rows}


def test_a_shift_is_seen_by_its_size_and_the_order_of_slices_is_not(options: AuditOptions, tmp_path: Path) -> None:
    report = audit_metrics(options, tmp_path / "out", silent)
    rows = rows_of(report)
    assert set(rows) == {kind.name for kind in KINDS}
    assert report.left_out == {}
    shift = rows["hu_shift"]
    assert shift.strengths == (0.0, 10.0, 20.0, 40.0, 80.0)
    steps = [value - shift.values[0] for value in shift.values]
    # The undamaged mean may lie on either side of the reference's; once past it, each HU of shift adds one.
    assert steps[4] - steps[3] == pytest.approx(40, abs=0.1)
    assert shift.detected_from in (None, *shift.strengths[1:])
    assert "10 random splits" in shift.limit_how
    assert (shift.detected_from is None) == (shift.values[-1] <= shift.limit)
    shuffled = rows["shuffled_slices"]
    assert len(set(shuffled.values)) == 1
    assert (shuffled.rank_correlation, shuffled.detected_from) == (None, None)
    assert "the structure that goes missing is" in report.about
    _check_files(report, tmp_path / "out")


def _check_files(report: AuditReport, out: Path) -> None:
    table = pd.read_csv(out / "tables" / "audit.csv")
    assert len(table) == sum(len(kind.strengths) + 1 for kind in KINDS)
    shift = table[table["damage"] == "hu_shift"]
    assert tuple(shift["value"]) == pytest.approx(rows_of(report)["hu_shift"].values)
    document = json.loads((out / "audit.json").read_text(encoding="utf-8"))
    assert len(document["rows"]) == len(KINDS)
    assert (out / "figures" / "audit.png").read_bytes().startswith(b"\x89PNG")
    assert not list(out.rglob("*.nii.gz"))


def test_what_was_measured_is_not_measured_again(
    options: AuditOptions, plugins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = audit_metrics(options, tmp_path / "out", silent)
    stopped = tmp_path / "out" / "measured" / "blur-6.json"
    stopped.unlink()
    made = []
    original = damage.blur
    monkeypatch.setattr(damage, "blur", lambda volume, **how: made.append(how["sigma_mm"]) or original(volume, **how))
    monkeypatch.setattr(damage, "noise", lambda *_, **__: pytest.fail("measured again"))
    assert audit_metrics(options, tmp_path / "out", silent) == first
    assert made == [6.0] * 4
    # Another seed of anything that decides a value is another audit of that metric: here, its source.
    plugins.write_text(plugins.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    with pytest.raises(pytest.fail.Exception, match="measured again"):
        audit_metrics(options, tmp_path / "out", silent)


def test_too_few_held_out_volumes_are_refused(options: AuditOptions, datasets: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="3 held-out volumes here: an audit needs 4"):
        audit_metrics(dataclasses.replace(options, dataset=f"{datasets}:TooFew"), tmp_path / "few", silent)


def test_another_folder_is_not_touched(options: AuditOptions, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(SpecError, match="is not empty and holds no audit"):
        audit_metrics(options, tmp_path / "mine", silent)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]
