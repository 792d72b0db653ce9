"""The protocol files: MAISI's golden numbers through maisi-2.5d, and how far each choice moves a number."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import medbench
from medbench import protocols
from medbench.errors import SpecError
from medbench.features.medicalnet import build_50
from medbench.imaging.grid import to_grid
from medbench.imaging.volume import Volume
from medbench.records.results import Report, Result
from medbench.records.samples import first_by_name, open_folder
from medbench.spec import Grid, fingerprint

GOLDEN = Path(__file__).parents[1] / "data" / "fid25d"
PLANES = ("xy", "yz", "zx")
MAISI = Path(str(protocols.__file__)).with_name("maisi-2.5d.toml")
ON_GRID = {"shape = [512, 512, 512]": "shape = [40, 36, 28]", "volumes_per_side = 100": "volumes_per_side = 5"}
WHOLE = "normalisation ="


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """The golden volumes on disk, five real and five synthetic; a sixth of each must not take part."""
    with np.load(GOLDEN / "volumes.npz") as volumes:
        for side in ("real", "synth"):
            for index in range(5):
                Volume(volumes[f"{side}_{index}"]).write(tmp_path / side / f"v{index}.nii.gz")
            Volume(volumes[f"{side}_0"][::-1]).write(tmp_path / side / "v9.nii.gz")
    return tmp_path


@pytest.fixture
def evaluate(folders: Path, formula_weights_file: Path, monkeypatch: pytest.MonkeyPatch):
    """Return fid25d of the golden volumes under a copy of maisi-2.5d with some of its lines changed."""
    monkeypatch.setenv("MEDBENCH_WEIGHTS_RADIMAGENET_RESNET50", str(formula_weights_file))

    def evaluated(changes: dict[str, str]) -> Result:
        text = MAISI.read_text(encoding="utf-8")
        for line, other in (ON_GRID | changes).items():
            assert text.count(line) == 1
            text = text.replace(line, other)
        (folders / "mine.toml").write_text("floor_splits = 1\n" + text, encoding="utf-8")
        report: Report = medbench.evaluate(
            folders / "synth",
            real=folders / "real",
            protocol=str(folders / "mine.toml"),
            metrics=["fid25d"],
            device="cpu",
        )
        return report.results[0]

    return evaluated


def _golden(run: str, figure: str) -> dict[str, float]:
    expected = json.loads((GOLDEN / "expected_fid.json").read_text(encoding="utf-8"))["runs"][run]
    return {part: expected[part][figure] for part in (*PLANES, "avg")}


def _check(found: Result, run: str) -> None:
    for figure, tolerance in (("fid_exact", 1e-5), ("fid_monai", 1e-4)):
        expected = _golden(run, figure)
        assert found.value == pytest.approx(expected.pop("avg"), rel=tolerance)
        assert found.parts == pytest.approx(expected, rel=tolerance)
    assert (found.n_real, found.n_synthetic) == (5, 5)


def test_golden_numbers_of_maisi_from_files_with_the_central_half(evaluate) -> None:
    _check(evaluate({WHOLE: "centre_ratio = 0.5\nnormalisation ="}), "center_slices_ratio=0.5")


@pytest.mark.slow
def test_golden_numbers_of_maisi_from_files_with_all_slices(evaluate) -> None:
    _check(evaluate({}), "center_slices_ratio=None")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"minmax_per_plane": "minmax_per_slice"}, (0.908, 2.739, 2.674)),
        ({"minmax_per_plane": "window"}, (0.531, 0.864, 0.774)),
        ({WHOLE: "centre_ratio = 0.5\nnormalisation ="}, (0.766, 1.887, 1.951)),
    ],
    ids=["scaled slice by slice", "fixed window", "central half"],
)
def test_one_changed_choice_moves_the_golden_numbers(evaluate, changes, expected) -> None:
    """MAISI's functions with one choice changed, on the same volumes; the default gives 0.727 / 0.986 / 1.124."""
    found = evaluate(changes)
    assert [found.parts[plane] for plane in PLANES] == pytest.approx(expected, abs=2e-3)


def test_maisi_is_what_its_script_does_by_default() -> None:
    maisi = protocols.load("maisi-2.5d")
    assert maisi.grid is not None
    assert (maisi.grid.shape, maisi.grid.spacing_mm, maisi.grid.pad_hu) == ((512, 512, 512), None, -1000)
    assert (maisi.grid.fit, maisi.grid.convention) == ("crop_pad", "monai")
    assert (maisi.window.low, maisi.window.high) == (-1000, 1000)
    assert (maisi.slices.centre_ratio, maisi.slices.normalisation) == (None, "minmax_per_plane")
    assert maisi.slices.planes == PLANES
    assert (maisi.extractor, maisi.volumes_per_side) == ("radimagenet-resnet50", 100)


def test_every_choice_changes_the_fingerprint(tmp_path: Path) -> None:
    text = MAISI.read_text(encoding="utf-8")
    changes = {
        "volumes_per_side = 100": "volumes_per_side = 99",
        "512, 512, 512": "512, 512, 511",
        '"crop_pad"': '"pad"',
        "pad_hu = -1000": "pad_hu = -1024",
        'convention = "monai"': "spacing_mm = [1, 1, 1]",
        "high = 1000.0": "high = 2000.0",
        '["xy", "yz", "zx"]': '["xy"]',
        WHOLE: "centre_ratio = 0.4\nnormalisation =",
        "minmax_per_plane": "window",
        '"radimagenet-resnet50"': '"seeded-resnet"',
    }
    path = tmp_path / "mine.toml"
    found = {fingerprint(protocols.load("maisi-2.5d"))}
    for line, other in changes.items():
        path.write_text(text.replace(line, other), encoding="utf-8")
        found.add(fingerprint(protocols.load(str(path))))
    assert len(found) == 1 + len(changes)


def test_the_first_volumes_by_name_are_sorted_as_strings(folders: Path) -> None:
    """v10 comes before v9, as in a sorted list of paths."""
    for index, name in enumerate(("v9", "v10", "v11")):
        (folders / "synth" / f"v{index}.nii.gz").rename(folders / "synth" / f"{name}.nii.gz")
    items = open_folder(folders / "synth")
    assert [item.id for item in first_by_name(items, 3)] == ["v10", "v11", "v3"]
    assert first_by_name(items, None) == items


def test_shape_and_a_protocol_with_a_grid_exclude_each_other(folders: Path) -> None:
    with pytest.raises(SpecError, match=r"--shape and protocol maisi-2\.5d both give a grid: leave --shape out"):
        medbench.evaluate(folders / "synth", real=folders / "real", protocol="maisi-2.5d", shape=(8, 8, 8))


def test_vlm3d_is_maisis_script_at_one_millimetre_and_says_what_it_lacks() -> None:
    """The challenge runs that script with the spacing switched on, all slices and its padding."""
    challenge, script = (protocols.load(name) for name in ("vlm3d-2025", "maisi-2.5d"))
    told = {"name", "summary"}
    at_one_mm = script.model_copy(update={"grid": script.grid.model_copy(update={"spacing_mm": (1.0, 1.0, 1.0)})})
    assert challenge.model_dump(exclude=told) == at_one_mm.model_dump(exclude=told)
    sound = protocols.load("vlm3d-2025-sound")
    assert (sound.volumes_per_side, sound.grid.shape, sound.slices.normalisation) == (None, None, "window")
    for protocol in (challenge, sound):
        assert all(absent in protocol.summary for absent in ("FVD_CTNet", "CLIPScore", "CLIPScore_I2I"))


@pytest.mark.slow
def test_the_sound_variant_takes_volumes_of_any_shape(folders: Path, formula_weights_file: Path, monkeypatch) -> None:
    monkeypatch.setenv("MEDBENCH_WEIGHTS_RADIMAGENET_RESNET50", str(formula_weights_file))
    (folders / "real" / "v9.nii.gz").unlink()
    with np.load(GOLDEN / "volumes.npz") as volumes:
        Volume(volumes["real_0"][:-8]).write(folders / "real" / "v9.nii.gz")
    report = medbench.evaluate(
        folders / "synth", real=folders / "real", protocol="vlm3d-2025-sound", metrics=["fid25d"], device="cpu"
    )
    assert report.results[0].n_real == 6, "all of them"


def test_ha_gans_3d_fid_is_its_recipe_step_by_step(folders: Path, tmp_path: Path, monkeypatch) -> None:
    """On a small cube, with weights without meaning: stretched, mapped to -1..1, MedicalNet's ResNet-50, Fréchet."""
    torch.manual_seed(0)
    network = build_50().eval()
    torch.save({"state_dict": {f"module.{key}": one for key, one in network.state_dict().items()}}, tmp_path / "r.pth")
    monkeypatch.setenv("MEDBENCH_WEIGHTS_MEDICALNET_RESNET50", str(tmp_path / "r.pth"))
    text = Path(str(protocols.__file__)).with_name("ha-gan-3d.toml").read_text(encoding="utf-8")
    mine = tmp_path / "cube.toml"
    mine.write_text("floor_splits = 1\n" + text.replace("[256, 256, 256]", "[32, 32, 32]"), encoding="utf-8")
    report = medbench.evaluate(
        folders / "synth", real=folders / "real", protocol=str(mine), metrics=["fid3d"], device="cpu"
    )

    def features(side: str) -> np.ndarray:
        grid = Grid(shape=(32, 32, 32), fit="resize")
        cubes = [to_grid(Volume.read(file), grid).voxels for file in sorted((folders / side).glob("*.nii.gz"))]
        unit = [(cube.astype(np.float32).clip(-1024, 600) + 212) / 812 for cube in cubes]
        seen = np.stack([one[::-1, ::-1].transpose(2, 1, 0) for one in unit])[:, None]
        with torch.inference_mode():
            return np.asarray(network(torch.from_numpy(seen)), dtype=np.float64)

    real, synthetic = features("real"), features("synth")
    expected = np.square(real.mean(0) - synthetic.mean(0)).sum()
    roots = [(one - one.mean(0)) / np.sqrt(len(one) - 1) for one in (real, synthetic)]
    expected += sum(np.square(root).sum() for root in roots) - 2 * np.linalg.norm(roots[0] @ roots[1].T, ord="nuc")
    assert report.results[0].value == pytest.approx(expected, rel=1e-3)
