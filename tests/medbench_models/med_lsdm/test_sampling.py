"""Sampling under a label map: guidance, the cut to the latents' range, and refusals."""

import numpy as np
import pytest
import torch

from medbench.errors import CheckpointError, DataError
from medbench.imaging.volume import LabelMap, Volume
from medbench_models.med_lsdm.checkpoint import Description, Loaded, build_networks
from medbench_models.med_lsdm.config import MedLsdmConfig
from medbench_models.med_lsdm.sampling import believer, build_schedule, predictor, reconstruct, sample
from medbench_models.med_lsdm.unet import Unet
from medbench_models.shared.samplers import posterior
from medbench_models.shared.schedules import parts

from .test_unet import close, filled

AFFINE = np.diag([5.0, 5.0, 6.0, 1.0])
NAMES = {1: "left", 2: "right"}


def label_map(shape: tuple[int, int, int] = (16, 16, 8), names: dict[int, str] = NAMES) -> LabelMap:
    voxels = np.ones(shape, np.uint8)
    voxels[shape[0] // 2 :] = 2
    return LabelMap(voxels, AFFINE, names)


@pytest.fixture
def loaded(small: MedLsdmConfig) -> Loaded:
    return build(small)


def build(small: MedLsdmConfig, **changed: object) -> Loaded:
    torch.manual_seed(0)
    network = small.network.model_copy(update=changed)
    networks = build_networks(network)
    for one in networks.values():
        one.eval()
    description = Description(
        model="med-lsdm", preset="tiny", network=network, shape=(16, 16, 8), affine=tuple(map(tuple, AFFINE)), seed=0,
        steps={}, scores={}, trained_on=0,
    )  # fmt: skip
    return Loaded(networks["vqgan"], networks["unet"], description)  # type: ignore[arg-type]


@torch.no_grad()
def test_guidance_has_the_published_form(golden, one_hot_map) -> None:
    unet, stored = filled(golden, "unet_segconv"), golden.unet
    latent, times = (torch.from_numpy(stored[f"unet_segconv/{name}"]) for name in ("x", "t"))
    guided = predictor(unet, one_hot_map(stored["unet_segconv/label"], 3), 1.5)
    close(guided(latent, times), stored["unet_segconv/out_cond_scale_1p5"])


@torch.no_grad()
def test_a_step_is_the_published_one(golden, one_hot_map) -> None:
    """The mean of what comes next, with the belief cut to -1..1."""
    unet, stored = filled(golden, "unet_segconv"), golden.unet
    schedule = build_schedule(unet_config())
    believed = believer(schedule, predictor(unet, one_hot_map(stored["diff/label"], 3), 1.5))
    noisy = torch.from_numpy(stored["diff/x_t"])
    clean = believed(noisy, torch.tensor([10, 480]))
    for row, time in enumerate((10, 480)):
        mean = posterior(schedule, noisy[row : row + 1], clean[row : row + 1], (time, time - 1), torch.zeros(1))
        close(mean[0], stored["diff/p_mean"][row])
        ones = torch.ones(1, 1)
        spread = posterior(schedule, 0 * ones, 0 * ones, (time, time - 1), ones)
        assert float(spread) ** 2 == pytest.approx(stored["diff/p_var"][row].item(), rel=1e-4)


def unet_config():
    from .test_unet import SMALL

    return SMALL


def test_a_belief_stays_within_the_range_of_latents() -> None:
    schedule = build_schedule(unet_config())
    latent, times = torch.full((1, 1), 3.0), torch.tensor([499])
    believed = believer(schedule, lambda latent, times: 0 * latent)
    assert float(parts(schedule, latent, 0 * latent, times)[0]) > 1000.0
    assert float(believed(latent, times)) == 1.0


def test_a_sample_has_its_maps_grid_and_depends_on_its_seed(loaded: Loaded, small: MedLsdmConfig) -> None:
    def drawn(seed: int, condition: LabelMap) -> np.ndarray:
        volume = sample(loaded, seed, small.sampling, device="cpu", condition=condition)
        assert np.array_equal(volume.affine, condition.affine)
        assert volume.shape == condition.shape
        return volume.voxels

    first = drawn(1, label_map())
    assert np.array_equal(first, drawn(1, label_map()))
    assert not np.array_equal(first, drawn(2, label_map()))
    assert drawn(1, label_map((8, 24, 20))).shape == (8, 24, 20)  # neither the depth nor the plane is fixed


@torch.no_grad()
def test_a_prediction_depends_on_the_map(loaded: Loaded) -> None:
    latent, times = torch.randn(1, 8, 2, 4, 4), torch.tensor([20])
    maps = torch.eye(3)[:2].view(2, 1, 3, 1, 1, 1).expand(2, 1, 3, 8, 16, 16)
    first, second = (predictor(loaded.unet, one, 1.5)(latent, times) for one in maps)
    assert float((first - second).abs().max()) > 1e-4


def test_labels_and_shapes_that_do_not_suit_are_named(loaded: Loaded, small: MedLsdmConfig) -> None:
    def refused(condition: LabelMap, match: str) -> None:
        with pytest.raises(DataError, match=match):
            sample(loaded, 0, small.sampling, device="cpu", condition=condition)

    refused(label_map(names={1: "left", 2: "spleen"}), r"the label 2 \(spleen\), which this model does not know")
    refused(label_map((16, 16, 6)), "the axes must be multiples of 8, 8, 4, and 16x16x8 is nearest")


def test_a_decoder_that_is_steered_samples_and_does_not_reconstruct(small: MedLsdmConfig) -> None:
    autoencoder = small.network.autoencoder.model_copy(update={"hidden": 8, "norm_groups": 8, "spade": True})
    loaded = build(small, autoencoder=autoencoder)
    volume = sample(loaded, 0, small.sampling, device="cpu", condition=label_map())
    with pytest.raises(CheckpointError, match="needs a label map: it cannot reconstruct"):
        reconstruct(loaded, volume)


def test_what_4_does_not_divide_is_reconstructed_all_the_same(loaded: Loaded) -> None:
    volume = Volume(np.zeros((13, 16, 7), np.int16), AFFINE)
    assert reconstruct(loaded, volume).shape == (13, 16, 7)
    assert isinstance(loaded.unet, Unet)
