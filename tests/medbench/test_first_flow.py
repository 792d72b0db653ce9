"""The first flow, end to end: ``medbench run --model medlord --dataset luna``, through every real code path.

The tree has LUNA16's layout, with scans cut from the public CTs of tests/data. Every file of weights has the format of
the published one and weights without meaning: RadImageNet, MedicalNet, LPIPS, TotalSegmentator's five models, and the
public MedLoRD files of tiny widths, converted as a user converts them. So the numbers mean nothing; that each is there
does: ``docs/first-flow.md`` says what passes through what.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from cli.main import app
from medbench import protocols, registry
from medbench.datasets.luna import dataset as luna
from medbench.datasets.luna.split import LunaSplit, Subset
from medbench.features import lpips, medicalnet
from medbench.imaging.volume import Volume
from medbench.records.results import Report
from medbench.segmenters import total_models
from medbench_models.medlord import presets
from medbench_models.medlord.config import ControlNetConfig, MedLoRDConfig, NetworkConfig, UnetConfig
from medbench_models.medlord.convert import Files, Unstated, convert
from medbench_models.shared.config import SamplingConfig, VqvaeConfig

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

DATA = Path(__file__).parents[1] / "data"
SHAPE = (32, 32, 32)
SIZE = 40  # voxels of a cut along each axis
HELD_OUT = 3
SAMPLES = 6  # what coverage needs on either side; TotalSegmentator's five models take half a minute a volume
SPLIT = LunaSplit(
    rule="a test's: one scan in each folder but the last",
    reason="a dozen scans stand for 888",
    subsets=tuple(
        Subset(scans=HELD_OUT if k == 9 else 1, split="test" if k == 9 else "select" if k == 8 else "train")
        for k in range(10)
    ),
)
# The golden networks of tests/data/medlord; LUNA16's masks steer them.
NETWORK = NetworkConfig(
    vqvae=VqvaeConfig(channels=(8, 16), res_layers=2, codebook_size=64),
    unet=UnetConfig(channels=(16, 24), res_blocks=2, attention=(False, True), head_channels=12, norm_groups=8),
    controlnet=ControlNetConfig(
        regions=("lung_left", "lung_right"), embedding_channels=(4, 6), embedding_stride=2, transformers=True,
        head_channels=(0, 6), norm_groups=4,
    ),
)  # fmt: skip
# TotalSegmentator's models see HU as steps of 100 above air: which step each of the protocol's regions lies nearest to.
STRUCTURES = {
    291: {"lung_upper_lobe_left": 1.0, "lung_middle_lobe_right": 3.0},
    292: {},
    293: {"heart": 10.0, "aorta": 12.0},
    294: {},
    295: {},
}


def cuts() -> list[Volume]:
    """Return cubes of the heart and of the abdomen, each at another place."""
    found = []
    for name, places in (("cta_heart", 6), ("ct_abdomen_pelvis", 6)):
        scan = Volume.read(DATA / f"{name}.nii.gz")
        room = np.subtract(scan.shape, SIZE)
        for place in range(places):
            x, y, z = (int(r * (place * step % 1)) for r, step in zip(room, (0.618, 0.414, 0.732)))
            cube = scan.voxels[x : x + SIZE, y : y + SIZE, z : z + SIZE]
            found.append(Volume(cube.copy(), np.diag([*scan.spacing_mm, 1.0])))
    return found


def write_mhd(path: Path, voxels: np.ndarray, affine: np.ndarray, *, flipped: bool = False) -> None:
    """Write RAS+ voxels as LUNA16 does, in LPS; flipped ones with the direction -1 -1 1, as 14 of its scans are."""
    import SimpleITK

    stored = voxels if flipped else voxels[::-1, ::-1]
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(stored.T))
    image.SetSpacing(np.diag(affine)[:3].tolist())
    far = 0.0 if flipped else -1.0
    image.SetOrigin([far * affine[axis, axis] * (voxels.shape[axis] - 1) for axis in (0, 1)] + [0.0])
    image.SetDirection([-1, 0, 0, 0, -1, 0, 0, 0, 1] if flipped else [1, 0, 0, 0, 1, 0, 0, 0, 1])
    path.parent.mkdir(parents=True, exist_ok=True)
    SimpleITK.WriteImage(image, str(path))


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """LUNA16's layout: ten folders of .mhd and .raw, and masks with LUNA16's values 3 and 4 for the lungs."""
    monkeypatch.setattr(luna, "published_split", lambda: SPLIT)
    root, scans = tmp_path / "data" / "luna", iter(enumerate(cuts()))
    for number, subset in enumerate(SPLIT.subsets):
        for _ in range(subset.scans):
            index, scan = next(scans)
            uid = f"1.3.6.1.4.1.14519.5.2.1.6279.6001.{100 + index}"
            write_mhd(root / f"subset{number}" / f"{uid}.mhd", scan.voxels, scan.affine, flipped=index % 4 == 0)
            dark = scan.voxels < np.quantile(scan.voxels, 0.3)
            left = np.arange(SIZE)[:, None, None] < SIZE // 2
            mask = np.where(dark, np.where(left, 3, 4), 0).astype(np.uint8)
            write_mhd(root / "seg-lungs-LUNA16" / f"{uid}.mhd", mask, scan.affine, flipped=index % 4 == 0)
    return root


@pytest.fixture
def weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, formula_weights_file: Path, write_total_model: Callable[..., None]
) -> None:
    """Format-true files of every weight that the flow takes."""
    import torchvision
    from totalsegmentator.map_to_binary import class_map_5_parts, map_taskid_to_partname_ct

    monkeypatch.setenv("MEDBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("MEDBENCH_WEIGHTS_RADIMAGENET_RESNET50", str(formula_weights_file))
    torch.manual_seed(0)
    alexnet = {f"features.{key}": value for key, value in torchvision.models.alexnet().features.state_dict().items()}
    torch.save(alexnet, tmp_path / "alexnet.pth")
    monkeypatch.setenv(lpips.BACKBONE.variable, str(tmp_path / "alexnet.pth"))
    wrapped = {"state_dict": {f"module.{key}": value for key, value in medicalnet.build().state_dict().items()}}
    torch.save(wrapped, tmp_path / medicalnet.WEIGHTS.file)
    monkeypatch.setenv(medicalnet.WEIGHTS.variable, str(tmp_path / medicalnet.WEIGHTS.file))
    for model, structures in STRUCTURES.items():
        part = {name: value for value, name in class_map_5_parts[map_taskid_to_partname_ct[model]].items()}
        centres = {0: 7.0} | {part[name]: centre for name, centre in structures.items()}
        folder = total_models._folder_name(model)
        write_total_model(
            tmp_path / "results", folder, trainer="nnUNetTrainerNoMirroring", classes=len(part) + 1, centres=centres,
            spacing=1.5,
        )  # fmt: skip
    monkeypatch.setenv("TOTALSEG_WEIGHTS_PATH", str(tmp_path / "results"))


@pytest.fixture
def medlord(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: None) -> None:
    """The public files in their layout, converted to where ``luna-ds8`` is looked for."""
    config: MedLoRDConfig = presets.PRESETS["luna-ds8"]
    small = {"network": NETWORK, "sampling": SamplingConfig(sampler="ddim", steps=5)}
    monkeypatch.setitem(presets.PRESETS, "luna-ds8", config.model_copy(update=small))
    raw, averaged = (
        torch.load(DATA / "medlord" / f"ldm_tiny_{name}.pth", weights_only=True) for name in ("raw", "averaged")
    )
    ldm = tmp_path / "ldm_luna_ds8.pth"
    torch.save({"epoch": 3, "model": raw, "optimizer": {}, "ema": {"decay": 0.999, "shadow": averaged}}, ldm)
    files = Files(DATA / "medlord" / "vqgan_tiny.pth", ldm, DATA / "medlord" / "controlnet_tiny.pth")
    out = tmp_path / "home" / "weights" / "medlord-luna-ds8.safetensors"
    out.parent.mkdir(parents=True)
    convert("luna-ds8", files, out, unstated=Unstated(scale_factor=1.506323, shape=SHAPE, spacing_mm=(2.0, 2.0, 2.0)))


@pytest.fixture
def protocol(tmp_path: Path) -> Path:
    """A copy of the LUNA protocol with a small grid."""
    copied = tmp_path / "small.toml"
    source = Path(protocols.__file__).parent / "medlord-2.5d.toml"
    text = source.read_text(encoding="utf-8").replace("medlord-2.5d", "medlord-2.5d-small")
    grid = f'[grid]\nshape = {list(SHAPE)}\nfit = "resize"\n'
    copied.write_text(f"reference_count = {SAMPLES}\n{text}\n{grid}", encoding="utf-8")
    return copied


def test_every_default_metric_gives_a_number(tree: Path, medlord: None, protocol: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    arguments = ("run", "--model", "medlord", "--preset", "luna-ds8", "--dataset", "luna", "--data-root", tree)
    options = ("--conditions", "train", "--samples", SAMPLES, "--protocol", protocol, "--device", "cpu")
    found = CliRunner().invoke(app, [str(argument) for argument in (*arguments, *options, "--out", out)])
    assert found.exit_code == 0, found.output
    report = Report.read(out / "results.json")
    wanted = {name for name in registry.names("metrics") if registry.load("metrics", name).info.by_default}
    assert {result.metric for result in report.results} == wanted, report.skipped
    assert not any(result.stand_ins for result in report.results)
    lpips_of = next(result for result in report.results if result.metric == "reconstruction").parts["lpips"]
    assert isinstance(lpips_of, dict) and lpips_of["mean"] > 0
    assert any("luna" in leak for leak in report.leaks)
    record = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert {stage["status"] for stage in record["stages"].values()} == {"done"}
    shown = json.loads(CliRunner().invoke(app, ["leaderboard", "show", "--json"]).stdout)
    assert {row["model"] for track in shown for row in track["rows"] if not row["reported"]} == {"medlord"}
