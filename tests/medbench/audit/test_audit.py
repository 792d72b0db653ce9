import dataclasses
import json
from pathlib import Path

import pandas as pd
import pytest

from medbench.audit import damage
from medbench.audit.audit import AuditOptions, audit_metrics
from medbench.audit.damages import KINDS
from medbench.audit.ladder import AuditReport
from medbench.audit.measurements import Measurer
from medbench.datasets.phantom.dataset import generate
from medbench.errors import DataError, SpecError
from medbench.evaluation.cache import Cache
from medbench.evaluation.instruments import Instruments
from medbench.pipeline.prepare import RealSplits
from medbench.progress import silent
from medbench.records.samples import StoredVolume
from medbench.spec import Protocol
from medbench.storage.files import sha256_of


@pytest.fixture
def options(datasets: Path, plugins: Path) -> AuditOptions:
    return AuditOptions(dataset=f"{datasets}:Tiny", metrics=(f"{plugins}:MeanHu",), device="cpu", workers=1)


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


def test_without_masks_no_structure_goes_missing(options: AuditOptions, datasets: Path, tmp_path: Path) -> None:
    bare = dataclasses.replace(options, dataset=f"{datasets}:NoMasks")
    report = audit_metrics(bare, tmp_path / "out", silent)
    assert "no masks" in report.left_out["missing_structure"]
    assert "missing_structure" not in rows_of(report)
    with pytest.raises(SpecError, match="no held-out mask names the structure 'liver'"):
        audit_metrics(dataclasses.replace(bare, region="liver"), tmp_path / "out", silent)


def test_too_few_held_out_volumes_are_refused(options: AuditOptions, datasets: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="3 held-out volumes here: an audit needs 4"):
        audit_metrics(dataclasses.replace(options, dataset=f"{datasets}:TooFew"), tmp_path / "few", silent)


def test_another_folder_is_not_touched(options: AuditOptions, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(SpecError, match="is not empty and holds no audit"):
        audit_metrics(options, tmp_path / "mine", silent)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_other_masks_or_names_are_measured_again(plugins: Path, tmp_path: Path) -> None:
    items = []
    for seed in range(8):
        volume, label_map = generate(seed, (16, 16, 8))
        path, mask = tmp_path / f"{seed}.nii.gz", tmp_path / "masks" / f"{seed}.nii.gz"
        volume.write(path)
        label_map.write(mask)
        items.append(
            StoredVolume(str(seed), str(seed), path, sha256_of(path), mask=mask, regions=dict(label_map.names))
        )
    protocol = Protocol(name="t", summary="t")
    instruments = Instruments(
        protocol, device="cpu", cache=Cache(tmp_path), progress=silent, log_folder=tmp_path / "logs"
    )
    made = []

    def measure(real: list[StoredVolume]) -> None:
        splits = RealSplits(real[:4], real[4:])
        measurer = Measurer(instruments, splits, folder=tmp_path / "measured", made_by="a test")
        measurer.measured("set", lambda: made.append("set") or real[4:], [f"{plugins}:MeanHu"])

    measure(items)
    measure(items)
    assert len(made) == 1
    measure([dataclasses.replace(item, regions={1: "renamed"}) for item in items])
    generate(99, (16, 16, 8))[1].write(items[0].mask)
    measure(items)
    assert len(made) == 3
