"""Evaluating folders that somebody already has."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

import medbench
from medbench.datasets.phantom.dataset import generate
from medbench.errors import (
    CheckpointError,
    DataError,
    GeometryError,
    IntensityError,
    NoNumberError,
    NotEnoughCasesError,
    SpecError,
)
from medbench.imaging.volume import LabelMap, Volume
from medbench.pipeline.folder import FolderEvaluation
from medbench.pipeline.options import FolderOptions
from medbench.progress import silent
from medbench.records.collection import region_names
from medbench.records.manifest import Manifest, SampleRecord
from medbench.records.results import Report
from medbench.storage.files import sha256_of
from medbench.storage.home import home

SHAPE = (32, 32, 16)


def _write(folder: Path, seeds: range, *, change=lambda hu, rng: hu, masks: bool = False) -> Path:
    for seed in seeds:
        volume, labels = generate(seed, SHAPE)
        hu = change(volume.voxels.astype(np.float32), np.random.default_rng(seed))
        Volume(np.rint(hu).astype(np.int16), volume.affine).write(folder / f"case{seed}.nii.gz")
        if masks:
            labels.write(folder.with_name(f"{folder.name}-masks") / f"case{seed}.nii.gz")
    return folder


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _write(tmp_path_factory.mktemp("rendered") / "real", range(6), masks=True)


@pytest.fixture
def real(rendered: Path, tmp_path: Path) -> Path:
    """Six phantoms, with their label maps beside them, for a test to change as it likes."""
    shutil.copytree(rendered.with_name("real-masks"), tmp_path / "real-masks")
    return Path(shutil.copytree(rendered, tmp_path / "real"))


def test_a_folder_against_itself_scores_zero(real: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(real, tmp_path / "copy"))
    report = medbench.evaluate(copy, real=real, metrics=["fid25d"])
    assert report.results[0].value == pytest.approx(0, abs=1e-9)


def test_one_name_in_place_of_a_list_is_refused_with_the_list(real: Path) -> None:
    with pytest.raises(SpecError, match=r"give \['fid25d'\]"):
        medbench.evaluate(real, real=real, metrics="fid25d")


def test_more_damage_scores_worse(real: Path, tmp_path: Path) -> None:
    values = []
    for sd in (0, 60, 300):
        folder = _write(
            tmp_path / f"noise{sd}", range(20, 26), change=lambda hu, rng, sd=sd: hu + rng.normal(0, sd, hu.shape)
        )
        values.append(medbench.evaluate(folder, real=real, metrics=["fid25d"]).results[0].value)
    assert values == sorted(values)
    assert values[-1] > 2 * values[0]


def test_masks_give_region_volumes(real: Path, tmp_path: Path) -> None:
    samples = _write(tmp_path / "samples", range(30, 36), masks=True)
    options = FolderOptions(
        samples=samples,
        real=real,
        masks=tmp_path / "samples-masks",
        real_masks=tmp_path / "real-masks",
        metrics=("rvr",),
        device="cpu",
        out=tmp_path / "out",
    )
    report = FolderEvaluation(options, silent).evaluate()
    assert "label_2" in report.results[0].parts
    assert report.results[0].parts["label_2"]["missing_rate"] == 0.0  # type: ignore[index]
    assert 0 < report.results[0].value < 3


def test_names_of_regions_come_from_labels_json(tmp_path: Path, real: Path) -> None:
    (tmp_path / "real-masks" / "labels.json").write_text('{"2": "lung_left", "3": "lung_right"}')
    assert region_names(tmp_path / "real-masks") == {2: "lung_left", 3: "lung_right"}


@pytest.mark.parametrize("side", ["samples", "real"])
def test_one_volume_is_no_distribution(side: str, real: Path, tmp_path: Path) -> None:
    one = _write(tmp_path / "one", range(1))
    folders = {"samples": real, "real": real} | {side: one}
    with pytest.raises(NotEnoughCasesError, match="needs at least 2 volumes"):
        medbench.evaluate(folders["samples"], real=folders["real"], metrics=["fid25d"])


def test_an_image_of_0_to_1_is_refused(real: Path, tmp_path: Path) -> None:
    folder = tmp_path / "scaled"
    folder.mkdir()
    for index in range(3):
        values = np.random.default_rng(index).random(SHAPE, dtype=np.float32)
        nibabel.save(nibabel.Nifti1Image(values, generate(0, SHAPE)[0].affine), folder / f"{index}.nii.gz")
    with pytest.raises(IntensityError, match=r"scaled/0\.nii\.gz"):
        medbench.evaluate(folder, real=real, metrics=["fid25d"])


def test_other_grids_are_refused_unless_a_shape_is_given(real: Path, tmp_path: Path) -> None:
    folder = tmp_path / "large"
    for seed in range(3):
        generate(seed, (40, 40, 16))[0].write(folder / f"{seed}.nii.gz")
    with pytest.raises(GeometryError, match="grid"):
        medbench.evaluate(folder, real=real, metrics=["fid25d"])


def test_a_mask_on_another_grid_is_named(real: Path, tmp_path: Path) -> None:
    masks = tmp_path / "real-masks"
    LabelMap(np.ones((8, 8, 8), np.uint8), np.eye(4)).write(masks / "case0.nii.gz")
    options = FolderOptions(
        samples=real, real=real, masks=masks, real_masks=masks, metrics=("rvr",), device="cpu", out=tmp_path / "out"
    )
    with pytest.raises(GeometryError, match=r"case0\.nii\.gz \(8x8x8 voxels .* is not on the grid of"):
        FolderEvaluation(options, silent).evaluate()


def test_exactly_one_real_side(real: Path) -> None:
    with pytest.raises(SpecError, match="either --dataset NAME or --real DIR"):
        medbench.evaluate(real)
    with pytest.raises(SpecError, match="either --dataset NAME or --real DIR"):
        medbench.evaluate(real, dataset="phantom", real=real)


def test_an_empty_or_absent_folder_is_named(real: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty"):
        medbench.evaluate(tmp_path / "empty", real=real)
    with pytest.raises(DataError, match="absent"):
        medbench.evaluate(tmp_path / "absent", real=real)


def _evaluate_masks(real: Path, samples: Path, tmp_path: Path, *, out: str = "out") -> Report:
    options = FolderOptions(
        samples=samples,
        real=real,
        masks=tmp_path / "samples-masks",
        real_masks=tmp_path / "real-masks",
        metrics=("rvr",),
        device="cpu",
    )
    return FolderEvaluation(replace(options, out=tmp_path / out), silent).evaluate()


def test_other_masks_are_another_evaluation(real: Path, tmp_path: Path) -> None:
    samples = _write(tmp_path / "samples", range(30, 36), masks=True)
    first = _evaluate_masks(real, samples, tmp_path)
    assert _evaluate_masks(real, samples, tmp_path) == first
    for path in (tmp_path / "samples-masks").iterdir():
        mask = LabelMap.read(path)
        LabelMap(np.where(mask.voxels == 2, 3, mask.voxels).astype(np.uint8), mask.affine).write(path)
    with pytest.raises(SpecError, match=r"another spec \(different: masks\)"):
        _evaluate_masks(real, samples, tmp_path)
    changed = _evaluate_masks(real, samples, tmp_path, out="other").results[0]
    assert changed.value > first.results[0].value
    assert changed.parts["label_2"]["missing_rate"] == 1.0  # type: ignore[index]


def test_other_conditions_are_another_evaluation(real: Path, tmp_path: Path) -> None:
    samples = tmp_path / "samples"
    records = []
    for index in range(3):
        volume, label_map = generate(30 + index, SHAPE)
        volume.write(samples / f"{index}.nii.gz")
        label_map.write(samples / "conditions" / f"{index}.nii.gz")
        records.append(
            SampleRecord(
                index=index, seed=0, file=f"{index}.nii.gz", sha256=sha256_of(samples / f"{index}.nii.gz"),
                shape=SHAPE, spacing=(1, 1, 1), native_shape=SHAPE, condition=f"conditions/{index}.nii.gz", seconds=0,
            )
        )  # fmt: skip
    Manifest(samples).rewrite(records)
    options = FolderOptions(samples=samples, real=real, metrics=("fid25d",), device="cpu", out=tmp_path / "out")
    FolderEvaluation(options, silent).evaluate()
    generate(77, SHAPE)[1].write(samples / "conditions" / "0.nii.gz")
    with pytest.raises(SpecError, match=r"another spec \(different: masks\)"):
        FolderEvaluation(options, silent).evaluate()


BACKWARDS = """
from medbench.datasets.base import DatasetInfo
from medbench.datasets.phantom.dataset import PhantomDataset

class Backwards(PhantomDataset):
    info = DatasetInfo(name="b", version="1", summary="s", license="l", source="tests", protocol="folder-2.5d")

    def __init__(self, root=None):
        super().__init__(root, shape=(32, 32, 16))

    def cases(self, split):
        return super().cases(split)[:6][::-1]
"""


def test_the_first_by_name_and_the_first_of_the_split_are_other_references(real: Path, tmp_path: Path) -> None:
    (tmp_path / "backwards.py").write_text(BACKWARDS, encoding="utf-8")
    found = []
    for chosen in ("reference_count = 4", "volumes_per_side = 4"):
        protocol = tmp_path / "mine.toml"
        protocol.write_text(f'name = "mine"\nsummary = "s"\n{chosen}\n', encoding="utf-8")
        backwards = f"{tmp_path / 'backwards.py'}:Backwards"
        [result] = medbench.evaluate(real, dataset=backwards, metrics=["fid25d"], protocol=str(protocol)).results
        found.append(result)
    assert found[0].value != found[1].value and found[0].n_real == found[1].n_real == 4
    assert found[0].fingerprint != found[1].fingerprint


def test_a_region_that_masks_do_not_name_is_left_out_not_counted_as_missing(real: Path, tmp_path: Path) -> None:
    samples = _write(tmp_path / "samples", range(30, 36), masks=True)
    (tmp_path / "real-masks" / "labels.json").write_text('{"2": "lung_left", "3": "lung_right"}', encoding="utf-8")
    (tmp_path / "samples-masks" / "labels.json").write_text('{"2": "lung_left"}', encoding="utf-8")
    result = _evaluate_masks(real, samples, tmp_path).results[0]
    assert set(result.parts) == {"lung_left", "overall"}
    assert result.protocol["compared"] == ["lung_left"]
    assert any("lung_right" in note for note in result.notes)


def test_weights_that_arrive_later_are_used(real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = {"real": real, "metrics": ["fid25d"], "protocol": "medlord-2.5d", "out": tmp_path / "out"}
    with pytest.raises(NoNumberError, match="are not here"):
        medbench.evaluate(real, **arguments)
    (tmp_path / "weights.pth").write_bytes(b"no weights")
    monkeypatch.setenv("MEDBENCH_WEIGHTS_RADIMAGENET_RESNET50", str(tmp_path / "weights.pth"))
    with pytest.raises(CheckpointError, match=r"weights\.pth"):
        medbench.evaluate(real, **arguments)


METRIC = """
from medbench.metrics.base import Measurement, MetricInfo

class Mine:
    info = MetricInfo("mine", "1", "test", "lower", None, 2, 2, "-", floor="none")

    def measure(self, evidence):
        return Measurement(VALUE, None, "none")
"""


def test_another_metric_later_joins_the_first(real: Path, tmp_path: Path) -> None:
    samples, out = _write(tmp_path / "samples", range(30, 36)), tmp_path / "out"
    first = medbench.evaluate(samples, real=real, metrics=["fid25d"], out=out)
    again = medbench.evaluate(samples, real=real, metrics=["mmd3d"], out=out)
    assert [result.metric for result in again.results] == ["fid25d", "mmd3d"]
    assert again.results[0] == first.results[0]  # down to its seconds: it was not measured again
    assert {path.name for path in (out / "tables").iterdir()} >= {"fid25d.csv", "mmd3d.csv"}
    assert {figure.file for figure in first.results[0].figures} <= {f"figures/{p.name}" for p in out.glob("figures/*")}


def test_a_number_that_stands_no_more_leaves_and_that_is_told(real: Path, tmp_path: Path) -> None:
    plugin, out = tmp_path / "mine.py", tmp_path / "out"
    for value, metric in (("1", f"{plugin}:Mine"), ("2", "fid25d")):
        plugin.write_text(METRIC.replace("VALUE", value))
        report = medbench.evaluate(real, real=real, metrics=[metric], out=out)
    assert [result.metric for result in report.results] == ["fid25d"]
    assert "mine of an earlier evaluation no longer stand" in (out / "log.txt").read_text()


@pytest.mark.parametrize(
    ("crash", "said"), [("1 / 0", "ZeroDivisionError"), ("__import__('sys').exit(0)", "SystemExit")]
)
def test_a_metric_that_crashes_costs_its_own_number_alone(crash: str, said: str, real: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(METRIC.replace("VALUE", crash))
    mine = f"{tmp_path / 'mine.py'}:Mine"
    report = medbench.evaluate(real, real=real, metrics=[mine, "fid25d"], out=tmp_path / "out")
    assert [result.metric for result in report.results] == ["fid25d"]
    assert Report.read(tmp_path / "out" / "results.json") == report
    (skipped,) = report.skipped
    assert (skipped.metric, skipped.exit_code) == ("mine", 1)
    assert said in skipped.reason
    assert "mine.py line 8" in skipped.reason
    assert "Traceback" in (tmp_path / "out" / "logs" / "mine.txt").read_text()
    with pytest.raises(NoNumberError, match=said) as refusal:
        medbench.evaluate(real, real=real, metrics=[mine])
    assert refusal.value.exit_code == 1


def test_bad_input_of_one_metric_leaves_the_others(real: Path, tmp_path: Path) -> None:
    masks = tmp_path / "real-masks"
    LabelMap(np.ones((8, 8, 8), np.uint8), np.eye(4)).write(masks / "case0.nii.gz")
    report = medbench.evaluate(
        real, real=real, masks=masks, real_masks=masks, metrics=["fid25d", "rvr"], segmenter="precomputed"
    )
    assert [result.metric for result in report.results] == ["fid25d"]
    assert [(one.metric, one.exit_code) for one in report.skipped] == [("rvr", 2)]
    assert "case0.nii.gz (8x8x8 voxels" in report.skipped[0].reason


def test_what_cannot_be_had_is_said_before_anything_is_prepared(real: Path, tmp_path: Path) -> None:
    out, prepared = tmp_path / "out", set((home() / "prepared").glob("*"))
    with pytest.raises(NoNumberError) as refusal:
        medbench.evaluate(
            real, dataset="phantom", metrics=["fid25d", "kid25d", "adherence"], protocol="medlord-2.5d", out=out
        )
    assert "fid25d, kid25d: weights 'radimagenet-resnet50' are not here" in str(refusal.value)
    assert "adherence: the samples have no masks" in str(refusal.value)
    assert not out.exists()
    assert set((home() / "prepared").glob("*")) == prepared


def test_weights_are_given_for_one_evaluation(real: Path, tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(b"no weights")
    arguments = {"real": real, "metrics": ["fid25d"], "protocol": "medlord-2.5d"}
    with pytest.raises(CheckpointError, match=r"weights\.pth"):
        medbench.evaluate(real, weights={"radimagenet-resnet50": tmp_path / "weights.pth"}, **arguments)
    with pytest.raises(NoNumberError, match="are not here"):
        medbench.evaluate(real, **arguments)
    with pytest.raises(SpecError, match="nothing asks for 'other'"):
        medbench.evaluate(real, weights={"other": tmp_path / "weights.pth"}, **arguments)


def test_a_link_that_leads_nowhere_is_named(real: Path, tmp_path: Path) -> None:
    links = tmp_path / "links"
    links.mkdir()
    for path in real.iterdir():
        (links / path.name).symlink_to(path)
    (links / "case9.nii.gz").symlink_to(tmp_path / "moved.nii.gz")
    with pytest.raises(DataError, match=r"case9\.nii\.gz: a link that leads nowhere"):
        medbench.evaluate(links, real=real, metrics=["fid3d"])


_PLUGIN = """
from functools import partial
from pathlib import Path

import reading_neighbour
from medbench import Case, DatasetInfo

class Mine:
    info = DatasetInfo("mine", "1", "mine", "mine", "--data-root DIR", "folder-2.5d")
    grid = None

    def __init__(self, root=None):
        self.root = root

    def cases(self, split):
        files = sorted(Path(self.root).glob("*.nii.gz")) if split == "train" else []
        return [Case(file.name[:-7], split, file.name, partial(reading_neighbour.read, file)) for file in files]

    def identity(self):
        return {"name": "mine"}

    def verify(self):
        return []
"""
_NEIGHBOUR = """
from medbench import Volume

def read(path):
    volume = Volume.read(path)
    return Volume((volume.voxels + SHIFT).astype("int16"), volume.affine)
"""


def test_an_edited_neighbour_of_a_data_sets_file_is_another_data_set(real: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(_PLUGIN, encoding="utf-8")
    samples = _write(tmp_path / "samples", range(20, 24))
    found = []
    for shift in ("0", "20", "0"):
        (tmp_path / "reading_neighbour.py").write_text(f"{_NEIGHBOUR}SHIFT = {shift}\n", encoding="utf-8")
        options = FolderOptions(
            samples=samples, dataset=f"{tmp_path}/mine.py:Mine", data_root=real, metrics=("fid3d",), device="cpu",
            out=tmp_path / f"out{len(found)}", workers=1,
        )  # fmt: skip
        found.append(FolderEvaluation(options, silent).evaluate())
    first, edited, again = (report.results[0] for report in found)
    assert first.value == again.value != edited.value
    assert first.fingerprint == again.fingerprint != edited.fingerprint
    assert len({report.track for report in found}) == 2


_EXTRACTOR = """
import numpy as np
from medbench.features.base import ExtractorInfo

class Histogram:
    info = ExtractorInfo(name="histogram", version="1", dimension=16, stand_in=False, license="MIT", source="-")

    def __init__(self, *, device):
        self.device = device

    def weights_sha256(self):
        return "none"

    def features(self, slices):
        return np.stack([np.histogram(one, bins=16, range=(0, 1))[0] for one in slices]).astype(np.float32)
"""


def test_a_protocols_extractor_lies_beside_it_and_goes_by_its_content(
    real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = _write(tmp_path / "samples", range(20, 24))
    track = set()
    for place, named in (("one", "extractor.py"), ("two", "extractor.py"), ("three", f"{tmp_path}/one/extractor.py")):
        (tmp_path / place).mkdir()
        if named == "extractor.py":
            (tmp_path / place / "extractor.py").write_text(_EXTRACTOR, encoding="utf-8")
        text = f'name = "mine"\nsummary = "-"\nextractor = "{named}:Histogram"\n'
        (tmp_path / place / "mine.toml").write_text(text, encoding="utf-8")
        options = FolderOptions(
            samples=samples, real=real, metrics=("fid25d",), device="cpu", out=tmp_path / f"out-{place}",
            protocol=str(tmp_path / place / "mine.toml"),
        )  # fmt: skip
        track.add(FolderEvaluation(options, silent).evaluate().track)
    assert len(track) == 1
    monkeypatch.chdir(tmp_path / "two")
    options = replace(options, protocol="mine.toml", out=tmp_path / "out-three")
    FolderEvaluation(options, silent).evaluate()  # the same evaluation, from another folder
    (tmp_path / "two" / "extractor.py").write_text(f"{_EXTRACTOR}# edited\n", encoding="utf-8")
    with pytest.raises(SpecError, match=r"another spec \(different: protocol\)"):
        FolderEvaluation(options, silent).evaluate()


def test_who_the_volumes_belong_to_is_part_of_what_is_compared(real: Path, tmp_path: Path) -> None:
    def of(*patients: str) -> tuple[object, object]:
        rows = "".join(f"{path},{patient}\n" for path, patient in zip(sorted(real.glob("*.nii.gz")), patients))
        (tmp_path / "cases.csv").write_text(f"file,patient\n{rows}", encoding="utf-8")
        table = Path(f"{tmp_path}/cases.csv:file")
        evaluation = FolderEvaluation(FolderOptions(samples=table, real=table, metrics=("fid25d",)), silent)
        return evaluation.spec["samples"], evaluation.comparison.identity["content"]

    alone = FolderEvaluation(FolderOptions(samples=real, real=real, metrics=("fid25d",)), silent)
    assert of(*"abcdef") == (alone.spec["samples"], alone.comparison.identity["content"])
    assert of(*"aabbcc") == of(*"xxyyzz") != of(*"abcdef")
    assert of(*"ababcc") != of(*"aabbcc")
