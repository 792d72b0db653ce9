"""From the public code's files to samples."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medbench.errors import CheckpointError, MissingExtraError, SpecError
from medbench.generators.base import SampleRequest
from medbench.storage.files import sha256_of
from medbench.storage.tensors import read_weights
from medbench_models.ha_gan import presets
from medbench_models.ha_gan.convert import CODE, main
from medbench_models.ha_gan.generator import HaGan
from medbench_models.ha_gan.networks import Generator
from medbench_models.shared.slab_gan import sampling
from medbench_models.shared.slab_gan.convert import Unstated, convert, read
from medbench_models.shared.slab_gan.networks import pyramid

DATA = Path(__file__).parents[3] / "data" / "ha_gan"
CUBE = (16, 16, 16)


@pytest.fixture(autouse=True)
def small_cube(ha_gan_small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small networks under the name of the preset with published weights."""
    monkeypatch.setitem(presets.PRESETS, "copdgene", ha_gan_small.config.model_copy(update={"cube": CUBE}))


@pytest.fixture
def generator() -> Generator:
    torch.manual_seed(0)
    network = presets.PRESETS["copdgene"].network
    return Generator(network, pyramid(network, CUBE)).eval()


@pytest.fixture
def file(generator: Generator, tmp_path: Path) -> Path:
    path = tmp_path / "G_iter80000.pth"
    state = {f"module.{name}": value for name, value in generator.state_dict().items()}
    torch.save({"model": state, "optimizer": {"state": {}, "param_groups": []}}, path)
    return path


def test_samples_are_what_the_generator_makes_turned_to_ras(
    generator: Generator, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = convert(CODE, "copdgene", file, tmp_path / "out.safetensors", unstated=Unstated(spacing_mm=(1.5, 1.5, 2.0)))
    noise = torch.randn(1, 4)
    monkeypatch.setattr(sampling.torch, "randn", lambda *shape, **_: noise)
    model = HaGan("copdgene", device="cpu")
    model.load(out)
    volume = next(model.sample(SampleRequest(seeds=[0])))
    with torch.no_grad():
        made = generator.volume(noise)[0, 0].numpy()  # z, y, x of LPS
    wanted = np.flip(made.transpose(2, 1, 0), (0, 1)) * 812 - 212
    assert np.abs(volume.voxels - wanted).max() <= 0.5 + 1e-2
    assert volume.spacing_mm == (1.5, 1.5, 2.0)
    _, description = read_weights(out)
    assert description["converted_from"] == {"generator_sha256": sha256_of(file)}
    assert [one["dataset"] for one in description["saw"]] == ["COPDGene"]


def test_another_network_is_refused_by_names(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"E_iter500\.pth does not fit the generator of the preset 'copdgene'"):
        convert(CODE, "copdgene", DATA / "E_iter500.pth", tmp_path / "out", unstated=Unstated())


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_a_damaged_file_is_named(file: Path, tmp_path: Path, share: float) -> None:
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    with pytest.raises(CheckpointError, match=r"G_iter80000\.pth is (no readable|damaged)") as refusal:
        convert(CODE, "copdgene", file, tmp_path / "out", unstated=Unstated())
    assert "\n" not in str(refusal.value)


def test_files_without_a_model_and_with_code_are_refused(tmp_path: Path) -> None:
    bare, evil = tmp_path / "bare.pth", tmp_path / "evil.pth"
    torch.save({"fc1.weight": torch.zeros(1)}, bare)
    torch.save({"model": print}, evil)
    with pytest.raises(CheckpointError, match="no state dict under 'model'"):
        read(bare, title="HA-GAN")
    with pytest.raises(CheckpointError, match="may be code"):
        read(evil, title="HA-GAN")


@pytest.mark.parametrize(
    ("preset", "unstated", "words"),
    [
        ("tiny", Unstated(), "choose from paper, cube128, copdgene"),
        ("copdgene", Unstated(orientation="XYZ"), "three letters"),
        ("copdgene", Unstated(spacing_mm=(1.0, 0.0, 1.0)), "--spacing must be positive"),
        ("huge", Unstated(), "no preset 'huge'"),
    ],
)
def test_impossible_wishes(file: Path, tmp_path: Path, preset: str, unstated: Unstated, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        convert(CODE, preset, file, tmp_path / "out", unstated=unstated)


def test_the_command_line_converts_and_refuses_in_one_line(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.safetensors"
    main(["--generator", str(file), "--out", str(out), "--spacing", "1x1x2", "--trained-on", "own"])
    _, description = read_weights(out)
    assert [one["dataset"] for one in description["saw"]] == ["own"]
    assert capsys.readouterr().out == f"checkpoint: {out}\n"
    with pytest.raises(SystemExit) as end:
        main([])
    assert end.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_public_file_itself_is_not_loaded(file: Path) -> None:
    with pytest.raises(CheckpointError, match=r"convert it with `python -m medbench_models\.ha_gan\.convert"):
        HaGan("copdgene", device="cpu").load(file)


def test_weights_that_are_not_here_name_the_converter() -> None:
    with pytest.raises(MissingExtraError, match=r"python -m medbench_models\.ha_gan\.convert --preset copdgene"):
        HaGan("copdgene", device="cpu").default_checkpoint()
