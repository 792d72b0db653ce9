"""From the public code's files to samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from medbench.errors import CheckpointError, DataError, SpecError
from medbench.generators.base import SampleRequest
from medbench.imaging.volume import LabelMap
from medbench.storage.tensors import read_weights
from medbench_models.shared.config import SamplingConfig, VqvaeConfig
from medbench_models.shared.samplers import ddim
from medbench_models.shared.schedules import Discrete, cosine_alphas
from medbench_models.shared.unstated import Unstated
from medbench_models.shared.vqvae import Vqvae
from medbench_models.voldit import presets
from medbench_models.voldit.config import AdapterConfig, DitConfig, NetworkConfig
from medbench_models.voldit.convert import Files, convert, main
from medbench_models.voldit.generator import VolDiT

DATA = Path(__file__).parents[2] / "data" / "voldit"
VQVAE = VqvaeConfig(channels=(4, 4, 4), res_layers=1, codebook_size=16)
NETWORK = NetworkConfig(
    vqvae=VQVAE.model_copy(update={"codebook_size": 4096}),
    dit=DitConfig(patch=2, width=48, depth=2, heads=3),
    adapter=AdapterConfig(masks=(("left", "right"),)),
)
SHAPE = (64, 64, 32)
STATED = Unstated(7.87, shape=SHAPE, spacing_mm=(0.7, 0.7, 1.0), orientation="RAS")


@pytest.fixture(autouse=True)
def golden_preset(small_voldit, monkeypatch: pytest.MonkeyPatch) -> None:
    """The networks of the golden files under the name of a published size."""
    config = small_voldit.model_copy(update={"network": NETWORK, "sampling": SamplingConfig(sampler="ddim", steps=5)})
    monkeypatch.setitem(presets.PRESETS, "paper", config)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    torch.manual_seed(0)
    torch.save({"epoch": 1, "model": Vqvae(VQVAE).state_dict()}, tmp_path / "vqgan.pth")
    return Files(tmp_path / "vqgan.pth", DATA / "dit_tiny.pth")


def loaded(path: Path) -> VolDiT:
    model = VolDiT("paper", device="cpu")
    model.load(path)
    return model


@torch.no_grad()
def test_a_converted_checkpoint_samples_as_the_public_code(files: Files, tmp_path: Path) -> None:
    """Its averaged transformer, the stated factor divided out, codes once more, decoded, in the whole window."""
    model = loaded(convert("paper", files, tmp_path / "m.safetensors", unstated=STATED))
    made = next(model.sample(SampleRequest(seeds=[3])))
    networks, schedule = model.networks, Discrete(cosine_alphas(300))
    noise = torch.randn(1, 8, 8, 8, 4, generator=torch.Generator().manual_seed(3))
    latent = ddim(schedule, networks.dit, noise, [240, 180, 120, 60, 0], torch.Generator())
    decoded = networks.vqvae.decode_stage_2_outputs(latent / 7.87)[0, 0].clamp(-1, 1)
    assert np.abs(made.voxels - 1000.0 * decoded.numpy()).max() <= 0.501
    assert made.spacing_mm == pytest.approx((0.7, 0.7, 1.0))
    assert networks.description.network.vqvae.codebook_size == 16  # the file's, though the preset says 4096
    assert networks.adapter is None


@torch.no_grad()
def test_the_adapter_brings_its_own_transformer(golden, files: Files, tmp_path: Path) -> None:
    path = golden.saved(golden.public_adapter("p2_all"))
    made = convert("paper", Files(files.vqvae, path, steered=True), tmp_path / "m.safetensors", unstated=STATED)
    weights, description = read_weights(made)
    assert description["converted_from"]["dit_weights"] == "as under the adapter"
    assert torch.equal(weights["dit.out.bias"], golden.public_dit(2)["final_layer.linear.bias"])
    labels = np.zeros(SHAPE, np.uint8)
    labels[:32] = 1
    condition = LabelMap(labels, np.eye(4), {1: "right"})
    model = loaded(made)
    steered, free = (
        next(model.sample(SampleRequest(seeds=[0], conditions=conditions))).voxels for conditions in ([condition], None)
    )
    assert not np.array_equal(steered, free)


def test_what_a_file_saw_is_declared(files: Files, tmp_path: Path) -> None:
    made = convert("paper", files, tmp_path / "m.safetensors", unstated=STATED)
    [saw] = read_weights(made)[1]["saw"]
    assert saw["dataset"] == "luna"
    assert "not published" in saw["note"]
    assert VolDiT.info.trained_on["paper"][0].dataset == "luna"


def test_the_scale_factor_must_be_said(files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No file holds it, and the public default of 1 is not the one of any known weights."""
    given = ["--vqvae", files.vqvae, "--dit", files.dit, "--shape", "64x64x32", "--out", tmp_path / "m.safetensors"]
    with pytest.raises(SystemExit) as stopped:
        main([*map(str, given)])
    assert stopped.value.code == 2
    assert "--scale-factor" in capsys.readouterr().err
    main([*map(str, given), "--scale-factor", "7.87"])
    assert "assumed: scale factor 7.87, 300 time steps" in capsys.readouterr().err
    assert loaded(tmp_path / "m.safetensors").networks.description.scale_factor == 7.87
    for wrong, words in (
        (["--scale-factor", "0"], "must be positive"),
        (["--adapter", "x"], "give --dit, or --adapter"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main([*map(str, given), "--scale-factor", "1", *wrong])
        assert stopped.value.code == 2
        assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("stated", "error", "words"),
    [
        (Unstated(7.87, orientation="SAR"), SpecError, "three letters"),
        (Unstated(7.87, shape=(64, 60, 32)), DataError, "multiple of 16, and 64x64x32 is nearest"),
        (Unstated(7.87, shape=(64, 64, 64)), CheckpointError, "choose another preset or --shape"),
    ],
)
def test_impossible_settings_are_refused(files: Files, tmp_path: Path, stated, error, words: str) -> None:
    with pytest.raises(error, match=words):
        convert("paper", files, tmp_path / "m.safetensors", unstated=stated)
    assert not (tmp_path / "m.safetensors").exists()


def test_swapped_files_are_refused(files: Files, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no codebook"):
        convert("paper", Files(files.dit, files.vqvae), tmp_path / "m.safetensors", unstated=STATED)


def test_a_file_of_the_public_code_names_the_conversion() -> None:
    with pytest.raises(CheckpointError, match=r"python -m medbench_models\.voldit\.convert --vqvae FILE"):
        loaded(DATA / "dit_tiny.pth")


def test_the_help_says_what_could_not_be_verified(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr().out
    assert "AICM-HD/voldit" in told
    assert "could be verified" in told
    assert "its own minimum and maximum" in told
