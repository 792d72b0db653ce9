"""nnU-Net itself is replaced here by a vote over the training labels; test_real.py runs the real one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock, Timeout
from scipy import stats

from medbench.datasets.phantom.dataset import generate
from medbench.errors import Unavailable
from medbench.imaging.volume import LabelMap, Volume
from medbench.metrics.downstream import arm
from medbench.metrics.downstream.metric import Downstream
from medbench.metrics.downstream.presets import PRESETS
from medbench.statistics.means import bounded_mean_interval

DATASET = "Dataset001_Downstream"
PLANS = {
    "dataset_name": DATASET,
    "configurations": {
        "3d_fullres": {
            "patch_size": [16, 32, 32],
            "architecture": {
                "arch_kwargs": {
                    "features_per_stage": [32, 64],
                    "n_conv_per_stage": [2, 2],
                    "n_conv_per_stage_decoder": [2],
                    "strides": [[1, 1, 1], [2, 2, 2]],
                }
            },
        }
    },
}


@dataclass
class NnunetDouble:
    """Takes the place of ``process.run``: the same files at the same places, and a vote for a network.

    Args:
        dies: the command that fails.
        after: the epoch after which a training fails.
    """

    dies: str = ""
    after: int = 0
    calls: list[tuple[str, ...]] = field(default_factory=list)
    planned_for: list[int] = field(default_factory=list)

    def __call__(
        self,
        tool: str,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        log: Path,
        folder: Path,
    ) -> Iterator[str]:
        with pytest.raises(Timeout):  # the folder must be locked
            FileLock(folder / "lock").acquire(timeout=0)
        log.parent.mkdir(parents=True, exist_ok=True)
        self.calls.append((tool, *arguments))
        with log.open("a") as written:
            for line in getattr(self, f"_{tool.removeprefix('nnUNetv2_')}")(list(arguments), environment):
                written.write(f"{line}\n")
                yield line
            if tool == self.dies and not self.after:
                raise Unavailable(f"{tool} failed")

    def count(self, tool: str) -> int:
        return sum(call[0] == tool for call in self.calls)

    def _extract_fingerprint(self, arguments: list[str], environment: Mapping[str, str]) -> Iterator[str]:
        (_folder(environment, "preprocessed") / "dataset_fingerprint.json").write_text("{}")
        yield "a fingerprint"

    def _plan_experiment(self, arguments: list[str], environment: Mapping[str, str]) -> Iterator[str]:
        assert int(environment["nnUNet_n_proc_DA"]) > 0, "nnU-Net's planner stops at 0"
        raw, preprocessed = _folder(environment, "raw"), _folder(environment, "preprocessed")
        cases = len(list((raw / "imagesTr").iterdir()))
        self.planned_for.append(cases)
        (preprocessed / "dataset.json").write_bytes((raw / "dataset.json").read_bytes())
        (preprocessed / "nnUNetPlans.json").write_text(json.dumps(PLANS | {"cases": cases}))
        yield "plans"

    def _preprocess(self, arguments: list[str], environment: Mapping[str, str]) -> Iterator[str]:
        raw, preprocessed = _folder(environment, "raw"), _folder(environment, "preprocessed")
        described = json.loads((preprocessed / "dataset.json").read_text())
        assert described == json.loads((raw / "dataset.json").read_text())
        labels = [LabelMap.read(path).voxels for path in sorted((raw / "labelsTr").iterdir())]
        assert len(labels) == described["numTraining"]
        np.save(preprocessed / "labels.npy", np.stack(labels))
        yield "preprocessed"

    def _train(self, arguments: list[str], environment: Mapping[str, str]) -> Iterator[str]:
        fold = _fold(arguments, environment)
        fold.mkdir(parents=True, exist_ok=True)
        latest = fold / "checkpoint_latest.pth"
        start = torch.load(latest)["epoch"] if "--c" in arguments else 0
        for epoch in range(start + 1, json.loads(environment["MEDBENCH_NNUNET"])["epochs"] + 1):
            yield f"Epoch time: {epoch} s"
            torch.save({"epoch": epoch}, latest)
            if self.dies == "nnUNetv2_train" and epoch == self.after:
                raise Unavailable("nnUNetv2_train failed")
        labels = np.load(_folder(environment, "preprocessed") / "labels.npy")
        votes = np.stack([(labels == label).sum(axis=0) for label in range(labels.max() + 1)])
        voted = torch.from_numpy(votes.argmax(axis=0).astype(np.uint8))
        torch.save({"voted": voted}, fold / "checkpoint_final.pth")
        latest.unlink()

    def _predict(self, arguments: list[str], environment: Mapping[str, str]) -> Iterator[str]:
        voted = torch.load(_fold(arguments, environment) / "checkpoint_final.pth")["voted"].numpy()
        target = Path(_value(arguments, "-o"))
        target.mkdir(parents=True)
        for path in sorted(Path(_value(arguments, "-i")).iterdir()):
            yield "perform_everything_on_device: True"
            label_map = LabelMap(voted, Volume.read(path).affine)
            label_map.write(target / path.name.replace("_0000.nii.gz", ".nii.gz"))


def _folder(environment: Mapping[str, str], kind: str) -> Path:
    return Path(environment[f"nnUNet_{kind}"]) / DATASET


def _fold(arguments: list[str], environment: Mapping[str, str]) -> Path:
    return _folder(environment, "results") / f"{_value(arguments, '-tr')}__nnUNetPlans__3d_fullres" / "fold_all"


def _value(arguments: list[str], option: str) -> str:
    return arguments[arguments.index(option) + 1]


SHAPE = (32, 32, 16)
REGIONS = ("lung_left", "lung_right", "spine")


@pytest.fixture(autouse=True)
def nnunet(monkeypatch) -> NnunetDouble:
    double = NnunetDouble()
    monkeypatch.setattr(arm, "run", double)
    return double


@pytest.fixture(scope="module")
def phantoms() -> list[tuple[Volume, LabelMap]]:
    return [generate(seed, SHAPE) for seed in range(18)]


@pytest.fixture
def sides(phantoms, make_side):
    def side(cases, *, seen=False, **options):
        scans, maps = zip(*cases)
        labels = {"seen" if seen else "drawn": maps}
        return make_side(len(cases), scans=scans, **labels, **options)

    return {
        "real": side(phantoms[:6]),
        "synthetic": side(phantoms[6:11]),
        "held_out": side(phantoms[11:]),
        "make": side,
    }


@pytest.fixture
def measure(make_evidence, sides):
    def measured(real=None, synthetic=None, held_out=None, **options):
        options = {"downstream": "tiny", "regions": REGIONS} | options
        evidence = make_evidence(
            real or sides["real"], synthetic or sides["synthetic"], held_out=held_out or sides["held_out"], **options
        )
        return Downstream().measure(evidence)

    return measured


def broken(label_map: LabelMap) -> LabelMap:
    """Shift the labels by a quarter of the volume."""
    return LabelMap(np.roll(label_map.voxels, SHAPE[0] // 4, axis=0), label_map.affine, label_map.names)


def test_the_same_volumes_on_both_sides_differ_by_nothing(measure, sides, phantoms):
    same = sides["make"](phantoms[:6])
    found = measure(real=same, synthetic=same)
    assert found.value == found.ceiling > 0.5
    assert found.parts["synthetic_minus_real"]["mean"] == 0
    assert found.parts["synthetic_minus_real"]["p_value"] == 1
    few = "not shown to be non-inferior at a margin of 0.05 DSC: synthetic less real +0.000"
    assert found.notes[0].startswith(few), "few cases leave room for a failure that none of them showed"


def test_broken_labels_cost_the_side_that_has_them(measure, sides, phantoms):
    bad = sides["make"]([(volume, broken(labels)) for volume, labels in phantoms[6:11]])
    good = measure()
    on_synthetic = measure(synthetic=bad)
    assert on_synthetic.value < good.value - 0.2
    assert on_synthetic.ceiling == pytest.approx(good.ceiling)
    assert on_synthetic.parts["synthetic_minus_real"]["ci_high"] < -0.05
    assert on_synthetic.notes[0].startswith("inferior by more than 0.05 DSC")
    swapped = measure(real=bad, synthetic=sides["make"](phantoms[:5]))
    assert swapped.value > swapped.ceiling + 0.2


def test_value_is_the_mean_over_subjects_of_the_mean_over_regions(measure):
    found = measure()
    rows = found.table[found.table["training_set"] == "synthetic"]
    by_case = rows.groupby("case")["dsc"].mean()
    assert found.value == pytest.approx(by_case.mean())
    assert found.ci95 == bounded_mean_interval(by_case.to_numpy(), list(by_case.index)).ends
    overall = found.parts["overall.synthetic"]
    assert overall["missed_rate"] == 0.0 < overall["missed_high"] < 0.5
    lung = rows[rows["region"] == "lung_left"]["dsc"]
    part = found.parts["lung_left.synthetic"]
    assert part["median"] == pytest.approx(lung.median())
    assert part["iqr"] == pytest.approx(stats.iqr(lung))
    assert part["n"] == 7
    assert set(found.parts) == {
        *(f"{region}.{arm}" for region in (*REGIONS, "overall") for arm in ("real", "synthetic", "both")),
        "synthetic_minus_real",
        "both_minus_real",
    }
    assert list(found.table.columns) == ["case", "subject", "region", "training_set", "dsc"]
    assert len(found.table) == 3 * 7 * 3


def test_two_volumes_of_one_subject_count_once(measure, sides, phantoms):
    held_out = sides["make"](phantoms[11:], subjects=["p", "p", "p", "q", "r", "s", "t"])
    found = measure(held_out=held_out)
    rows = found.table[found.table["training_set"] == "synthetic"]
    assert found.value == pytest.approx(
        rows.groupby(["subject", "case"])["dsc"].mean().groupby("subject").mean().mean()
    )
    assert found.parts["overall.synthetic"]["n"] == 5


def test_both_sides_lend_equally_many_volumes_under_the_same_plans(measure, nnunet, tmp_path):
    found = measure()
    assert found.scope["training_volumes"] == {"real": 5, "synthetic": 5, "both": 10}
    assert found.scope["steps"] == PRESETS["tiny"].steps
    assert found.scope["n_test"] == 7
    assert nnunet.planned_for == [5]
    plans = [file.read_text() for file in (tmp_path / "workspace").rglob("plans/nnUNetPlans.json")]
    assert len(plans) == 3
    assert len(set(plans)) == 1


def test_nothing_is_trained_twice_and_the_real_arm_is_shared(measure, sides, phantoms, nnunet, tmp_path):
    first = measure()
    before = list(nnunet.calls)
    assert measure().value == first.value
    assert nnunet.calls == before
    measure(synthetic=sides["make"](phantoms[7:12]), held_out=sides["make"](phantoms[12:]))
    assert nnunet.count("nnUNetv2_train") == 5  # real once; synthetic and both for each of the two
    assert nnunet.count("nnUNetv2_predict") == 6  # the held-out volumes are others, too
    assert not list((tmp_path / "workspace").rglob("imagesTr"))
    assert not list((tmp_path / "workspace").rglob("images"))


def test_regions_and_preset_decide_what_is_trained(measure, nnunet):
    measure()
    measure(regions=("lung_left",))
    assert nnunet.count("nnUNetv2_train") == 6
    measure(downstream="short")
    assert nnunet.count("nnUNetv2_train") == 9


def test_logs_of_all_arms_lie_with_the_results(measure, tmp_path):
    measure()
    names = {file.name for file in (tmp_path / "workspace" / "logs").rglob("*.log")}
    steps = {"train", "preprocess", "predict"}
    expected = {f"downstream-{name}-{step}.log" for name in ("real", "synthetic", "both") for step in steps}
    assert names == expected | {"downstream-real-plan.log"}


@pytest.mark.parametrize(
    "tool",
    [f"nnUNetv2_{step}" for step in ("extract_fingerprint", "plan_experiment", "preprocess", "train", "predict")],
)
def test_a_step_that_failed_is_done_again(measure, nnunet, tool):
    nnunet.dies = tool
    with pytest.raises(Unavailable, match=f"{tool} failed"):
        measure()
    nnunet.dies = ""
    assert measure().value > 0.5


@pytest.mark.parametrize("what", ["checkpoint_final.pth", "predictions/case00001.nii.gz"])
def test_what_was_altered_since_is_made_again(measure, nnunet, tmp_path, what):
    whole = measure()
    for path in (tmp_path / "workspace").rglob(what):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    nnunet.calls.clear()
    again = measure()
    assert (again.value, again.ci95) == (whole.value, whole.ci95)
    assert nnunet.count("nnUNetv2_train") == (0 if what.startswith("predictions") else 3)


def test_a_checkpoint_with_code_is_not_gone_on_from(measure, nnunet, tmp_path):
    class Poison:
        def __reduce__(self):
            return print, ("poisoned",)

    nnunet.dies, nnunet.after = "nnUNetv2_train", 4
    with pytest.raises(Unavailable):
        measure()
    (latest,) = (tmp_path / "workspace").rglob("checkpoint_latest.pth")
    torch.save({"epoch": Poison()}, latest)
    nnunet.dies = ""
    nnunet.calls.clear()
    assert measure().value > 0.5
    assert not any("--c" in call for call in nnunet.calls)


def test_a_training_that_died_goes_on_where_it_was(measure, nnunet, tmp_path):
    whole = measure().value
    nnunet.calls.clear()
    nnunet.dies, nnunet.after = "nnUNetv2_train", 4
    with pytest.raises(Unavailable):
        measure(regions=("spine", "lung_right", "lung_left"))
    nnunet.dies = ""
    assert measure(regions=("spine", "lung_right", "lung_left")).value == pytest.approx(whole)
    trained = [call for call in nnunet.calls if call[0] == "nnUNetv2_train"]
    assert ["--c" in call for call in trained] == [False, True, False, False]
    assert nnunet.count("nnUNetv2_preprocess") == 3


def test_what_an_interrupted_step_left_is_not_trusted(measure, nnunet, tmp_path):
    nnunet.dies = "nnUNetv2_predict"
    with pytest.raises(Unavailable):
        measure()
    nnunet.dies = ""
    (folder,) = (tmp_path / "workspace").rglob("test-*")
    (folder / "predictions" / "case00001.nii.gz").write_bytes(b"half a file")
    assert measure().value > 0.5


def test_samples_without_masks_are_labelled_by_the_segmenter(measure, sides, phantoms):
    found = measure(synthetic=sides["make"](phantoms[6:11], seen=True), segmenter="phantom")
    assert found.value == measure().value
    assert found.scope["labels"] == {"real": "mask", "synthetic": "segmentation", "held_out": "mask"}
    assert any("the samples' labels are what phantom sees in them" in note for note in found.notes)


def test_test_volumes_need_label_maps_of_their_own(measure, sides, phantoms):
    with pytest.raises(Unavailable, match="there are no masks"):
        measure(held_out=sides["make"](phantoms[11:], seen=True))


def test_without_a_test_split_there_is_no_score(make_evidence, sides):
    with pytest.raises(Unavailable, match="no held-out real volumes"):
        Downstream().measure(make_evidence(sides["real"], sides["synthetic"], downstream="tiny"))


def test_test_volumes_must_not_be_trained_on(measure, sides, phantoms):
    with pytest.raises(Unavailable, match="2 of the synthetic volumes to train on are test volumes"):
        measure(synthetic=sides["make"](phantoms[8:13]))


def test_samples_that_test_label_maps_steered_are_declared(measure, sides, phantoms):
    """Their volumes are new, their anatomy is the test's."""
    steered = [(volume, labels) for (volume, _), (_, labels) in zip(phantoms[6:11], phantoms[11:13] + phantoms[6:9])]
    notes = measure(synthetic=sides["make"](steered)).notes
    assert any(note.startswith("2 of the 5 samples have the label map of a test volume") for note in notes)
    assert not any("label map of a test volume" in note for note in measure().notes)


def test_regions_go_by_name_whatever_their_values(measure, sides, phantoms):
    def renumbered(label_map):
        return LabelMap(np.where(label_map.voxels, 100 - label_map.voxels, 0).astype(np.uint8), label_map.affine,
                        {100 - value: name for value, name in label_map.names.items()})  # fmt: skip

    other = sides["make"]([(volume, renumbered(labels)) for volume, labels in phantoms[6:11]])
    assert measure(synthetic=other).value == measure().value


def test_regions_that_one_side_does_not_know_are_left_out_with_a_note(measure):
    found = measure(regions=("lung_left", "spleen"))
    assert found.scope["compared"] == ["lung_left"]
    assert any(note.startswith("spleen left out: the label maps of the real and synthetic") for note in found.notes)
    with pytest.raises(Unavailable, match="no region can be compared: spleen left out"):
        measure(regions=("spleen",))


def test_test_volumes_without_any_region_are_left_out(measure, sides, phantoms):
    volume, labels = phantoms[17]
    empty = LabelMap(np.zeros_like(labels.voxels), labels.affine, labels.names)
    without = measure(held_out=sides["make"](phantoms[11:17]))
    found = measure(held_out=sides["make"]([*phantoms[11:17], (volume, empty)]))
    # The vote puts regions where the label map has none: Dice 0 there, which is a score and stays.
    assert found.value == pytest.approx(without.value * 6 / 7)
