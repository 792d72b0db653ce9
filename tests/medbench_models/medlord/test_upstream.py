"""The authors' public checkpoints and outputs (random tiny weights; see tests/data/README.md)."""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from medbench.errors import CheckpointError
from medbench_models.medlord.config import ControlNetConfig, UnetConfig
from medbench_models.medlord.controlnet import ControlNet
from medbench_models.medlord.networks import build_unet
from medbench_models.medlord.upstream import read
from medbench_models.shared.config import VqvaeConfig
from medbench_models.shared.samplers import ddim, posterior
from medbench_models.shared.schedules import Discrete, add_noise, cosine_alphas, parts, target
from medbench_models.shared.vqvae import Vqvae

DATA = Path(__file__).parents[2] / "data" / "medlord"
TOLERANCE = {"atol": 1e-5, "rtol": 0.0}
VQVAE = VqvaeConfig(channels=(8, 16), res_layers=2, codebook_size=64)
UNET = UnetConfig(channels=(16, 24), res_blocks=2, attention=(False, True), head_channels=12, norm_groups=8)
CONTROLNET = ControlNetConfig(
    regions=("mask0", "mask1"),
    ratio=0.5,
    embedding_channels=(4, 6),
    embedding_stride=2,
    transformers=True,
    head_channels=(0, 6),
    norm_groups=4,
)
SCALE_FACTOR = 1.506323
SCHEDULE = Discrete(cosine_alphas(300))


def golden(name: str) -> dict[str, torch.Tensor]:
    with np.load(DATA / f"{name}.npz") as stored:
        return {key: torch.from_numpy(stored[key]) for key in stored.files}


@pytest.fixture(scope="module")
def ldm_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of stage 2 as the public trainer lays it out."""
    raw, averaged = (torch.load(DATA / f"ldm_tiny_{name}.pth", weights_only=True) for name in ("raw", "averaged"))
    path = tmp_path_factory.mktemp("ldm") / "best_model.pth"
    document = {"epoch": 3, "best_loss": 0.1, "model": raw, "optimizer": {}, "lr_scheduler": None}
    torch.save({**document, "ema": {"decay": 0.999, "shadow": averaged}}, path)
    return path


@pytest.fixture(scope="module")
def vqvae():
    network = Vqvae(VQVAE).eval()
    network.load_state_dict(read("vqvae", DATA / "vqgan_tiny.pth", network.state_dict()))
    return network


def unet(path: Path, which: str):
    network = build_unet(UNET, 8).eval()
    network.load_state_dict(read("unet", path, network.state_dict(), which))
    return network


def sampled(predict, noise: torch.Tensor) -> torch.Tensor:
    return ddim(SCHEDULE, predict, noise, SCHEDULE.evenly(5), torch.Generator())


def controlnet(which: str) -> ControlNet:
    network = ControlNet(CONTROLNET, UNET, 8).eval()
    network.load_state_dict(read("controlnet", DATA / "controlnet_tiny.pth", network.state_dict(), which))
    return network


@torch.no_grad()
def test_the_vqvae_gives_upstreams_latents_codes_and_images(vqvae) -> None:
    wanted = golden("vqvae_io")
    latent = vqvae.encoder(wanted["image"])
    torch.testing.assert_close(latent, wanted["encode"], **TOLERANCE)
    quantised, loss, indices = vqvae.quantizer.quantizer(latent)
    assert torch.equal(indices, wanted["indices"])
    torch.testing.assert_close(quantised, wanted["quantised"], **TOLERANCE)
    torch.testing.assert_close(loss, wanted["quantisation_loss"], **TOLERANCE)
    torch.testing.assert_close(vqvae(wanted["image"])[0], wanted["reconstruction"], **TOLERANCE)


@torch.no_grad()
def test_latents_are_quantised_again_before_decoding(vqvae) -> None:
    wanted = golden("vqvae_io")
    decoded = vqvae.decode_stage_2_outputs(wanted["latent_noisy"])
    torch.testing.assert_close(decoded, wanted["decode_stage_2"], **TOLERANCE)
    assert (decoded - wanted["decode_without_requantise"]).abs().max() > 1.0


@torch.no_grad()
@pytest.mark.parametrize(("which", "tag"), [("raw", "raw"), ("averaged", "ema")])
@pytest.mark.parametrize("step", [0, 137, 299])
def test_the_unet_gives_upstreams_outputs(ldm_file: Path, which: str, tag: str, step: int) -> None:
    wanted = golden("unet_io")
    found = unet(ldm_file, which)(wanted["x"], torch.tensor([step]))
    torch.testing.assert_close(found, wanted[f"out_{tag}_t{step}"], **TOLERANCE)


@torch.no_grad()
def test_a_batch_holds_several_time_steps(ldm_file: Path) -> None:
    wanted = golden("unet_io")
    found = unet(ldm_file, "averaged")(wanted["x_batch2"], wanted["t_batch2"])
    torch.testing.assert_close(found, wanted["out_ema_batch2"], **TOLERANCE)


@torch.no_grad()
@pytest.mark.parametrize("step", [137, 299])
def test_the_controlnet_gives_upstreams_residuals(ldm_file: Path, step: int) -> None:
    wanted = golden("controlnet_io")
    masks, steps = wanted["cond"].float(), torch.tensor([step])
    residuals, middle = controlnet("averaged")(wanted["x"], steps, masks)
    for index, residual in enumerate(residuals):
        torch.testing.assert_close(residual, wanted[f"ema_t{step}_down{index}"], **TOLERANCE)
    torch.testing.assert_close(middle, wanted[f"ema_t{step}_mid"], **TOLERANCE)
    for which, tag in (("raw", "raw"), ("averaged", "ema")):
        steered = unet(ldm_file, which)(
            wanted["x"],
            steps,
            down_block_additional_residuals=tuple(residuals),
            mid_block_additional_residual=middle,
        )
        torch.testing.assert_close(steered, wanted[f"unet_{tag}_controlled_t{step}"], **TOLERANCE)


@torch.no_grad()
def test_raw_weights_of_the_controlnet_are_others(ldm_file: Path) -> None:
    wanted = golden("controlnet_io")
    network = controlnet("raw")
    embedded = network.embedding(wanted["cond"].float())
    torch.testing.assert_close(embedded, wanted["cond_embedding_raw"], **TOLERANCE)
    residuals, middle = network(wanted["x"], torch.tensor([137]), wanted["cond"].float())
    for index, residual in enumerate(residuals):
        torch.testing.assert_close(0.6 * residual, wanted[f"raw_scale0.6_t137_down{index}"], **TOLERANCE)
    torch.testing.assert_close(0.6 * middle, wanted["raw_scale0.6_t137_mid"], **TOLERANCE)


@pytest.mark.parametrize("timesteps", [5, 300, 1000])
def test_the_schedule_is_upstreams_in_float64(timesteps: int) -> None:
    wanted = golden("scheduler")
    schedule = Discrete(cosine_alphas(timesteps))
    torch.testing.assert_close(schedule.alphas_cumprod, wanted[f"alphas_cumprod_T{timesteps}"], atol=1e-12, rtol=0.0)
    counts = {5: [5], 300: [300, 100, 50, 7, 5], 1000: [1000, 100, 50, 7, 5]}[timesteps]
    for count in counts:
        assert schedule.evenly(count) == wanted[f"timesteps_T{timesteps}_n{count}"].tolist()


def test_noise_and_velocity_are_upstreams() -> None:
    wanted = golden("scheduler")
    noisy = add_noise(SCHEDULE, wanted["clean"], wanted["noise"], wanted["t"])
    velocity = target(SCHEDULE, wanted["clean"], wanted["noise"], wanted["t"])
    torch.testing.assert_close(noisy, wanted["noisy"], **TOLERANCE)
    torch.testing.assert_close(velocity, wanted["velocity"], **TOLERANCE)


@pytest.mark.parametrize("name", ["ddpm_n5_respaced", "ddpm_full_first5", "ddpm_full_last5"])
def test_ddpm_steps_are_upstreams(name: str) -> None:
    wanted = golden(name)
    latent = wanted["x_init"]
    for index, step in enumerate(wanted["timesteps"].tolist()):
        clean, _ = parts(SCHEDULE, latent, wanted[f"model_output_{index}"], torch.tensor([step]))
        noise = wanted.get(f"noise_{index}", torch.zeros_like(latent))
        latent = posterior(SCHEDULE, latent, clean, (step, step - 1), noise) if step else clean
        torch.testing.assert_close(latent, wanted[f"x_prev_{index}"], atol=2e-5, rtol=0.0)


def test_a_whole_ddim_sample_is_upstreams(ldm_file: Path, vqvae) -> None:
    wanted = golden("ddim_n5_sample")
    latent = sampled(unet(ldm_file, "averaged"), wanted["x_init"]) / SCALE_FACTOR
    torch.testing.assert_close(latent, wanted["final_latent_unscaled"], **TOLERANCE)
    with torch.no_grad():
        decoded = vqvae.decode_stage_2_outputs(latent)
    torch.testing.assert_close(decoded, wanted["decoded"], **TOLERANCE)


@torch.no_grad()
def test_a_steered_ddim_sample_is_upstreams(ldm_file: Path) -> None:
    wanted = golden("ddim_n5_conditional")
    network, control, masks = unet(ldm_file, "raw"), controlnet("averaged"), wanted["cond"].float()

    def predict(latent: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        residuals, middle = control(latent, steps, masks)
        return network(
            latent,
            steps,
            down_block_additional_residuals=tuple(residuals),
            mid_block_additional_residual=middle,
        )

    latent = sampled(predict, wanted["x_init"])
    torch.testing.assert_close(latent, wanted["x_prev_4"], **TOLERANCE)


FULL_SIZE = {
    "vqvae_ds4": VqvaeConfig(channels=(128, 256), res_layers=2, codebook_size=16384),
    "vqvae_ds8": VqvaeConfig(channels=(128, 256, 512), res_layers=2, codebook_size=16384),
    "unet": UnetConfig(
        channels=(64, 128, 256, 512),
        res_blocks=2,
        attention=(False, False, True, True),
        head_channels=32,
        norm_groups=32,
    ),
    "unet_3level": UnetConfig(
        channels=(128, 256, 512), res_blocks=3, attention=(False, False, True), head_channels=64, norm_groups=32
    ),
    "unet_wide": UnetConfig(
        channels=(128, 256, 512, 512),
        res_blocks=3,
        attention=(False, False, True, True),
        head_channels=64,
        norm_groups=32,
    ),
    "controlnet": ControlNetConfig(
        regions=("aorta", "atrium_l", "atrium_r", "myocardium", "ventricle_l", "ventricle_r"),
        ratio=0.5,
        embedding_channels=(32, 64),
        embedding_stride=2,
        transformers=True,
        head_channels=(0, 0, 32, 32),
        norm_groups=32,
    ),
}


@pytest.mark.parametrize("name", FULL_SIZE)
def test_full_size_checkpoints_fit(name: str, tmp_path: Path) -> None:
    listed = json.loads((DATA / "statedicts.json").read_text(encoding="utf-8"))[name]["state_dict"]
    config = FULL_SIZE[name]
    with torch.device("meta"):
        state = {key: torch.empty(shape) for key, shape in listed}
        if isinstance(config, VqvaeConfig):
            network = Vqvae(config)
        elif isinstance(config, UnetConfig):
            network = build_unet(config, 8)
        else:
            network = ControlNet(config, FULL_SIZE["unet"], 8)
    torch.save({"model": state, "ema": None}, tmp_path / "full.pth")
    kind = name.partition("_")[0]
    assert read(kind, tmp_path / "full.pth", network.state_dict()).keys() == network.state_dict().keys()


def test_another_network_is_refused_with_a_list(ldm_file: Path, vqvae) -> None:
    with pytest.raises(CheckpointError, match=r"vqgan_tiny\.pth does not fit the network: .* missing .* unexpected"):
        read("unet", DATA / "vqgan_tiny.pth", build_unet(UNET, 8).state_dict())
    wider = Vqvae(VQVAE.model_copy(update={"codebook_size": 128}))
    with pytest.raises(CheckpointError, match="of another shape"):
        read("vqvae", DATA / "vqgan_tiny.pth", wider.state_dict())


def test_a_pickle_with_code_is_refused_and_never_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"

    class Bomb:
        def __reduce__(self) -> object:
            return Path.touch, (ran,)

    torch.save({"model": Bomb()}, tmp_path / "bomb.pth")
    with pytest.raises(CheckpointError, match="may be code"):
        read("vqvae", tmp_path / "bomb.pth", {})
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Bomb(), protocol=2))
    with pytest.raises(CheckpointError):
        read("vqvae", tmp_path / "plain.pth", {})
    assert not ran.exists()


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    whole = (DATA / "vqgan_tiny.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="no readable checkpoint"):
        read("vqvae", tmp_path / "cut.pth", {})


def test_something_else_is_refused(tmp_path: Path) -> None:
    for content in ([torch.zeros(1)], {"epoch": 3}):
        torch.save(content, tmp_path / "odd.pth")
        with pytest.raises(CheckpointError, match="checkpoint"):
            read("vqvae", tmp_path / "odd.pth", {})
    buffer = io.BytesIO()
    torch.save({"w": torch.zeros(2)}, buffer)
    (tmp_path / "bare.pth").write_bytes(buffer.getvalue())
    assert read("vqvae", tmp_path / "bare.pth", {"w": torch.zeros(2)}).keys() == {"w"}
