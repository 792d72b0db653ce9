"""From public files to a checkpoint that samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from medbench.errors import MissingExtraError
from medbench.generators.base import SampleRequest
from medbench.storage.files import sha256_of
from medbench_models.maisi import presets
from medbench_models.maisi.config import MaisiConfig
from medbench_models.maisi.convert import main
from medbench_models.maisi.generator import MaisiPt
from medbench_models.maisi.networks import Autoencoder, Denoiser, build_controlnet
from medbench_models.maisi.published import CHECKPOINTS_PT, LICENSE


@pytest.fixture
def files(small: MaisiConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Files in the public layout, of small networks that take the place of the preset ``rflow``."""
    for known in (presets.PRESETS, presets.PRESETS_PT):
        monkeypatch.setitem(known, "rflow", small)
    torch.manual_seed(0)
    unet = Denoiser(small.network).unet
    torch.nn.init.normal_(unet.out[2].conv.weight)
    documents = {
        "autoencoder": Autoencoder(small.network.autoencoder).state_dict(),
        "unet": {"unet_state_dict": unet.state_dict(), "scale_factor": torch.tensor(1.25)},
        "controlnet": {"controlnet_state_dict": build_controlnet(small.network).state_dict()},
    }
    paths = {name: tmp_path / f"{name}.pt" for name in documents}
    for name, document in documents.items():
        torch.save(document, paths[name])
    return paths


def arguments(files: dict[str, Path], out: Path, *more: str) -> list[str]:
    return [*(part for name, path in files.items() for part in (f"--{name}", str(path))), "--out", str(out), *more]


def test_public_files_become_a_checkpoint_that_samples(files: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "converted.safetensors"
    main(arguments(files, out, "--shape", "128x128x8", "--spacing", "2x2x3"))
    model = MaisiPt("rflow", device="cpu")
    model.load(out)
    description = model.networks.description
    assert description.scale_factor == 1.25
    assert description.converted_from == {f"{name}_sha256": sha256_of(path) for name, path in files.items()}
    (volume,) = model.sample(SampleRequest(seeds=[0]))
    assert volume.shape == (128, 128, 8)
    assert volume.spacing_mm == (2.0, 2.0, 3.0)
    assert np.unique(volume.voxels).size > 3


def test_one_without_controlnet_samples_by_seed_alone(files: dict[str, Path], tmp_path: Path) -> None:
    del files["controlnet"]
    out = tmp_path / "converted.safetensors"
    main(arguments(files, out, "--shape", "128x128x8", "--spacing", "2x2x3"))
    model = MaisiPt("rflow", device="cpu")
    model.load(out)
    assert model.networks.steered is None


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--spacing", "0.2x0.2x1"), "0.5 to 3 mm along x and y, 0.5 to 5 mm along z"),
        (("--shape", "128x128x128", "--spacing", "1.5x1.5x1.5"), "shows 192 mm: the weights know axial fields"),
        (("--shape", "500x512x128"), "multiple of 8, and 496x512x128 is nearest"),
        (("--preset", "tiny"), "no weights of the preset 'tiny' are published"),
    ],
)
def test_what_the_networks_never_saw_is_refused(
    files: dict[str, Path], tmp_path: Path, more: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [] if "tiny" in more else arguments(files, tmp_path / "out.safetensors")
    with pytest.raises(SystemExit) as end:
        main([*given, *more])
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_what_is_missing_is_told_with_its_commands() -> None:
    with pytest.raises(MissingExtraError, match=r"weights fetch maisi-autoencoder.*maisi-rflow-unet.*maisi\.convert"):
        MaisiPt("rflow", device="cpu").default_checkpoint()
    assert all(file.hub == "nvidia/NV-Generate-CT" for file in CHECKPOINTS_PT.files)


def test_both_statements_of_the_licence_are_shown() -> None:
    assert {file.license for file in CHECKPOINTS_PT.files} == {LICENSE}
    assert "NVIDIA Open Model License" in LICENSE
    assert "non-commercial" in LICENSE
