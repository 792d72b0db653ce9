"""From the public code's files to samples: the same voxels (random tiny weights; see tests/data/README.md)."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from medbench.errors import CheckpointError, DataError, MissingExtraError, SpecError
from medbench.generators.base import SampleRequest
from medbench.imaging.volume import LabelMap, Volume
from medbench.storage.files import sha256_of
from medbench.storage.tensors import read_weights
from medbench_models.medlord import presets, sampling
from medbench_models.medlord.config import ControlNetConfig, MedLoRDConfig, NetworkConfig, UnetConfig
from medbench_models.medlord.convert import Files, convert, main
from medbench_models.medlord.generator import MedLoRD
from medbench_models.shared.config import SamplingConfig, VqvaeConfig
from medbench_models.shared.unstated import Unstated

DATA = Path(__file__).parents[2] / "data" / "medlord"
SHAPE = (32, 32, 16)
SCALE_FACTOR = 1.506323
NETWORK = NetworkConfig(
    vqvae=VqvaeConfig(channels=(8, 16), res_layers=2, codebook_size=64),
    unet=UnetConfig(channels=(16, 24), res_blocks=2, attention=(False, True), head_channels=12, norm_groups=8),
    controlnet=ControlNetConfig(
        regions=("mask0", "mask1"),
        ratio=0.5,
        embedding_channels=(4, 6),
        embedding_stride=2,
        transformers=True,
        head_channels=(0, 6),
        norm_groups=4,
    ),
)
PLAIN = Unstated(scale_factor=SCALE_FACTOR, shape=SHAPE, orientation="RAS")


def golden(name: str) -> dict[str, torch.Tensor]:
    with np.load(DATA / f"{name}.npz") as stored:
        return {key: torch.from_numpy(stored[key]) for key in stored.files}


@pytest.fixture(autouse=True)
def golden_preset(small: MedLoRDConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The networks of the golden files under the name of the preset with published weights."""
    config = small.model_copy(update={"network": NETWORK, "sampling": SamplingConfig(sampler="ddim", steps=5)})
    monkeypatch.setitem(presets.PRESETS, "luna-ds8", config)


@pytest.fixture(scope="module")
def ldm_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    raw, averaged = (torch.load(DATA / f"ldm_tiny_{name}.pth", weights_only=True) for name in ("raw", "averaged"))
    path = tmp_path_factory.mktemp("ldm") / "best_model.pth"
    torch.save({"epoch": 3, "model": raw, "optimizer": {}, "ema": {"decay": 0.999, "shadow": averaged}}, path)
    return path


@pytest.fixture
def files(ldm_file: Path) -> Files:
    return Files(DATA / "vqgan_tiny.pth", ldm_file)


def loaded(path: Path) -> MedLoRD:
    model = MedLoRD("luna-ds8", device="cpu")
    model.load(path)
    return model


def sampled(model: MedLoRD, noise: torch.Tensor, monkeypatch: pytest.MonkeyPatch, condition=None) -> Volume:
    """Sample from the golden noise in place of a seed's."""
    monkeypatch.setattr(sampling.torch, "randn", lambda *shape, **_: noise.view(shape))
    conditions = None if condition is None else [condition]
    return next(iter(model.sample(SampleRequest(seeds=[0], conditions=conditions))))


def truncated_hu(decoded: torch.Tensor) -> np.ndarray:
    """What upstream writes: it cuts the decimals off, towards 0 HU."""
    return ((decoded[0, 0].clamp(-1, 1).numpy() + 1.0) * 1000.0 - 1000.0).astype(np.int16)


def test_a_converted_checkpoint_gives_upstreams_sample(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = golden("ddim_n5_sample")
    model = loaded(convert("luna-ds8", files, tmp_path / "m.safetensors", unstated=PLAIN))
    made = sampled(model, wanted["x_init"], monkeypatch)
    assert made.shape == SHAPE
    exact = (wanted["decoded"][0, 0].clamp(-1, 1).numpy() + 1.0) * 1000.0 - 1000.0
    assert (made.voxels != np.rint(exact)).mean() <= 0.001
    # Upstream cuts decimals off and we round (halves of an HU are not lost towards 0): at most 1 HU apart everywhere.
    off = np.abs(made.voxels.astype(int) - wanted["hu"].numpy())
    assert off.max() <= 1
    assert (truncated_hu(wanted["decoded"]) == wanted["hu"].numpy()).all()
    inside = np.abs(exact - np.rint(exact)) < 0.01  # where both roundings agree, all is equal
    whole = inside & (np.trunc(exact) == np.rint(exact))
    assert whole.sum() > 50
    assert (off[whole] == 0).all()


def test_arrays_that_run_against_ras_are_turned(files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = golden("ddim_n5_sample")["x_init"]
    stated = Unstated(scale_factor=SCALE_FACTOR, shape=SHAPE, spacing_mm=(0.7, 0.7, 1.25))
    turned, plain = (
        loaded(convert("luna-ds8", files, tmp_path / f"{one.orientation}.safetensors", unstated=one))
        for one in (stated, PLAIN)
    )
    sample, straight = (sampled(model, noise, monkeypatch) for model in (turned, plain))
    assert np.array_equal(sample.voxels, straight.voxels[::-1, ::-1])
    assert sample.spacing_mm == pytest.approx((0.7, 0.7, 1.25))
    assert (np.diag(sample.affine) > 0).all()
    odd = Volume(sample.voxels[:30, :, :13].copy(), np.eye(4))
    flipped = Volume(odd.voxels[::-1, ::-1].copy(), np.eye(4))
    assert turned.reconstruct(odd).shape == odd.shape
    # 32 rows of y are not padded, so turning the input turns the output there.
    whole, other = (Volume(one.voxels[:, :, :12].copy(), np.eye(4)) for one in (sample, straight))
    assert np.array_equal(turned.reconstruct(whole).voxels, plain.reconstruct(other).voxels[::-1, ::-1])
    assert not np.array_equal(turned.reconstruct(odd).voxels, plain.reconstruct(flipped).voxels)


@torch.no_grad()
def test_a_converted_controlnet_steers_as_upstreams(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = golden("ddim_n5_conditional")
    steering = Files(files.vqvae, files.unet, DATA / "controlnet_tiny.pth")
    path = convert("luna-ds8", steering, tmp_path / "m.safetensors", unstated=PLAIN)
    assert read_weights(path)[1]["converted_from"]["unet_weights"] == "raw"  # as upstream does
    model = loaded(path)
    # The golden masks overlap, which no label map can say: they take the place of the one-hot masks.
    monkeypatch.setattr(sampling, "one_hot", lambda numbers, regions: wanted["cond"].float())
    labels = LabelMap(np.ones(SHAPE, np.uint8), np.eye(4), {1: "mask0"})
    made = sampled(model, wanted["x_init"], monkeypatch, labels)
    decoded = model.networks.vqvae.decode_stage_2_outputs(wanted["x_prev_4"] / SCALE_FACTOR)
    exact = (decoded[0, 0].clamp(-1, 1).numpy() + 1.0) * 1000.0 - 1000.0
    assert (made.voxels != np.rint(exact)).mean() <= 0.001
    averaged = loaded(
        convert("luna-ds8", Files(*_three(steering), "averaged"), tmp_path / "a.safetensors", unstated=PLAIN)
    )
    other = sampled(averaged, wanted["x_init"], monkeypatch, labels)
    assert (made.voxels != other.voxels).mean() > 0.5


def _three(files: Files) -> tuple[Path, Path, Path | None]:
    return files.vqvae, files.unet, files.controlnet


def test_raw_and_averaged_weights_are_told_apart(files: Files, tmp_path: Path) -> None:
    stored = {}
    for which in ("raw", "averaged"):
        chosen = Files(files.vqvae, files.unet, unet_weights=which)
        path = convert("luna-ds8", chosen, tmp_path / f"{which}.safetensors", unstated=PLAIN)
        stored[which], description = read_weights(path)
        assert description["converted_from"]["unet_weights"] == which
    name = "unet.conv_in.conv.weight"
    for which, weights in stored.items():
        source = torch.load(DATA / f"ldm_tiny_{which}.pth", weights_only=True)
        assert torch.equal(weights[name], source[name.removeprefix("unet.")])  # to the bit: float32
    assert not torch.equal(stored["raw"][name], stored["averaged"][name])


def test_the_description_says_where_it_comes_from(files: Files, tmp_path: Path) -> None:
    stated = Unstated(scale_factor=1.14, timesteps=1000, shape=SHAPE)
    model = loaded(convert("luna-ds8", files, tmp_path / "m.safetensors", unstated=stated))
    found = model.networks.description
    assert found.converted_from == {
        "vqvae_sha256": sha256_of(files.vqvae),
        "unet_sha256": sha256_of(files.unet),
        "unet_weights": "averaged",
    }
    assert found.scale_factor == 1.14
    assert found.network.unet.timesteps == 1000  # the checkpoint's, though the preset says 300
    assert found.trained_on == 0
    assert found.flipped == (0, 1)
    assert Unstated(1.0).timesteps == 300


def test_the_command_line(files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "m.safetensors"
    given = ["--vqvae", files.vqvae, "--unet", files.unet, "--shape", "32x32x16", "--spacing", "1x1x2", "--out", out]
    main([*map(str, given), "--orientation", "ras"])
    assert capsys.readouterr().out == f"checkpoint: {out}\n"
    assert loaded(out).networks.description.affine[2][2] == 2.0
    with pytest.raises(SystemExit) as stopped:
        main([*map(str, given), "--scale-factor", "0"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err == "medbench: --scale-factor must be positive, and 0.0 was given\n"
    with pytest.raises(SystemExit) as stopped:
        main([*map(str, given), "--shape", "32x32"])
    assert stopped.value.code == 2
    assert "--shape: invalid XxYxZ value: '32x32'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("stated", "error", "words"),
    [
        (Unstated(1.11, timesteps=0), SpecError, "--timesteps must be positive"),
        (Unstated(1.11, spacing_mm=(1.0, -1.0, 1.0)), SpecError, "--spacing must be positive"),
        (Unstated(1.11, orientation="SAR"), SpecError, "three letters"),
        (Unstated(1.11, shape=(32, 30, 16)), DataError, "multiple of 8"),
    ],
)
def test_impossible_settings_are_refused(files: Files, tmp_path: Path, stated, error, words: str) -> None:
    with pytest.raises(error, match=words):
        convert("luna-ds8", files, tmp_path / "m.safetensors", unstated=stated)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("channels", "name"),
    [
        ((128, 256, 512), "medlord_3level"),
        ((128, 256, 512, 512), "medlord_wide"),
        ((64, 8, 8, 8), "medlord "),
        ((4,), "no public one"),
    ],
)
def test_another_unet_is_named(files: Files, tmp_path: Path, channels: tuple[int, ...], name: str) -> None:
    state = {f"down_blocks.{level}.resnets.0.norm1.weight": torch.ones(1) for level in range(len(channels))}
    torch.save({"model": state | {"conv_in.conv.weight": torch.zeros(channels[0], 8, 3, 3, 3)}}, tmp_path / "ldm.pth")
    with pytest.raises(CheckpointError, match=f"configuration {name}.*the preset has that of .*2 levels"):
        convert("luna-ds8", Files(files.vqvae, tmp_path / "ldm.pth"), tmp_path / "m.safetensors", unstated=PLAIN)


def test_swapped_files_and_unneeded_controlnets_are_refused(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CheckpointError, match="does not fit the network"):
        convert("luna-ds8", Files(files.unet, files.vqvae), tmp_path / "m.safetensors", unstated=PLAIN)
    without = NETWORK.model_copy(update={"controlnet": None})
    monkeypatch.setitem(
        presets.PRESETS, "luna-ds8", presets.PRESETS["luna-ds8"].model_copy(update={"network": without})
    )
    with pytest.raises(SpecError, match="leave out --controlnet"):
        convert(
            "luna-ds8", Files(files.vqvae, files.unet, DATA / "controlnet_tiny.pth"), tmp_path / "m", unstated=PLAIN
        )


@pytest.mark.parametrize("legacy", [False, True])
def test_a_file_of_the_public_code_names_the_conversion(legacy: bool, tmp_path: Path) -> None:
    path = tmp_path / "vqgan_luna_ds8.pth"
    torch.save({"w": torch.zeros(1)}, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(CheckpointError, match=r"python -m medbench_models\.medlord\.convert --preset luna-ds8"):
        loaded(path)


def test_the_published_weights_are_looked_for_in_the_home(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MEDBENCH_HOME", str(tmp_path))
    model = MedLoRD("luna-ds8", device="cpu")
    with pytest.raises(MissingExtraError) as refused:
        model.default_checkpoint()
    message = str(refused.value)
    assert "\n" not in message
    fetch, convert_ = "medbench weights fetch medlord-luna-ds8-", "python -m medbench_models.medlord.convert"
    assert f"run '{fetch}vqgan', then '{fetch}ldm', then '{convert_} --preset luna-ds8'" in message
    monkeypatch.setenv("MEDBENCH_WEIGHTS_MEDLORD_LUNA_DS8_VQGAN", str(files.vqvae))
    with pytest.raises(MissingExtraError, match=f"run '{fetch}ldm', then"):
        model.default_checkpoint()
    with pytest.raises(SystemExit) as stopped:
        main([])
    assert stopped.value.code == 2
    monkeypatch.setenv("MEDBENCH_WEIGHTS_MEDLORD_LUNA_DS8_LDM", str(files.unet))
    with pytest.raises(MissingExtraError, match=rf"run '{convert_} --preset luna-ds8'$"):
        model.default_checkpoint()
    main(["--shape", "32x32x16"])
    assert "assumed: scale factor 1.11, 300 time steps" in capsys.readouterr().err
    assert model.default_checkpoint() == tmp_path / "weights" / "medlord-luna-ds8.safetensors"
    model.load(None)
    with pytest.raises(MissingExtraError, match="medbench fit"):
        MedLoRD("paper", device="cpu").default_checkpoint()


@pytest.mark.filterwarnings("ignore:.*found in sys.modules")
def test_the_module_is_a_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["convert", "--help"])
    with pytest.raises(SystemExit) as end:
        runpy.run_module("medbench_models.medlord.convert", run_name="__main__")
    told = capsys.readouterr().out
    assert end.value.code == 0
    assert "usage: python -m medbench_models.medlord.convert" in told
    assert "--scale-factor" in told
    assert "1.11" in told
