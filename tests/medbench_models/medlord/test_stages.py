"""What the three stages of training promise, on networks of a few channels."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from medbench.errors import CheckpointError, Unavailable
from medbench.progress import silent
from medbench.training.averaging import learning_rate
from medbench.training.checkpointing import checkpoint_activations
from medbench.training.loop import launch, step_chance
from medbench_models.medlord.config import MedLoRDConfig
from medbench_models.medlord.data import Crops, augmented, random_crops, scaled
from medbench_models.medlord.diffusion import DiffusionTask, Latents, Steered, SteeredLatents
from medbench_models.medlord.encoding import encode
from medbench_models.medlord.networks import build_controlnet, build_unet, build_vqvae, codebook_of, layers_of_unet
from medbench_models.medlord.stage1 import VqvaeTask
from medbench_models.shared.conditions import one_hot
from medbench_models.shared.losses import PerceptualLoss
from medbench_models.shared.schedules import Discrete, add_noise, cosine_alphas, target

SCHEDULE = Discrete(cosine_alphas(50))


def latents(count: int = 6) -> Latents:
    chance = np.random.default_rng(0)
    return Latents(chance.integers(0, 16, (count, 4, 4, 4)).astype(np.uint16), torch.randn(16, 8))


def steered(small: MedLoRDConfig) -> Steered:
    torch.manual_seed(0)
    return Steered(build_controlnet(small.network), build_unet(small.network.unet, 8))


def test_a_controlnet_that_is_not_trained_changes_nothing(small: MedLoRDConfig) -> None:
    network = steered(small)
    latent, steps, masks = torch.randn(2, 8, 4, 4, 4), torch.tensor([3, 40]), torch.rand(2, 2, 16, 16, 16).round()
    [unet] = network._frozen
    torch.nn.init.normal_(unet.out[2].conv.weight)
    with torch.no_grad():
        assert torch.equal(network(latent, steps, masks), unet(latent, steps))


def test_stage_3_trains_the_controlnet_and_leaves_the_unet_as_it_is(small: MedLoRDConfig) -> None:
    network = steered(small)
    [unet] = network._frozen
    torch.nn.init.normal_(unet.out[2].conv.weight)
    before = copy.deepcopy(unet.state_dict())
    labels = np.random.default_rng(1).integers(0, 3, (6, 16, 16, 16)).astype(np.uint8)
    examples = SteeredLatents(latents(), labels, regions=2, dropout=0.0)
    task = DiffusionTask(network, small.stage3, train=examples, select=examples, schedule=SCHEDULE, seed=0)
    task.setup(launch("cpu"))
    start = {name: value.clone() for name, value in network.state_dict().items()}
    for index in range(3):
        task.step(index, step_chance(0, index))
    assert all(torch.equal(before[name], value) for name, value in unet.state_dict().items())
    assert all(name.startswith("controlnet.") for name in task.weights())
    assert any(not torch.equal(start[name], value) for name, value in network.state_dict().items())


def test_dropout_empties_whole_channels_at_its_rate() -> None:
    labels = np.ones((1, 2, 2, 2), np.uint8)
    examples = SteeredLatents(latents(1), labels, regions=1, dropout=0.1)
    empty = [
        float(examples.conditions(torch.tensor([0]), torch.Generator().manual_seed(seed))[0].max()) == 0.0
        for seed in range(2000)
    ]
    assert np.mean(empty) == pytest.approx(0.1, abs=0.02)


def test_passes_that_accumulate_have_the_gradient_of_one_pass_of_all(small: MedLoRDConfig) -> None:
    def task(accumulate: int) -> DiffusionTask:
        torch.manual_seed(0)
        unet = build_unet(small.network.unet, 8)
        torch.nn.init.normal_(unet.out[2].conv.weight)
        config = small.stage2.model_copy(update={"batch": 3, "accumulate": accumulate, "loss": "mse"})
        made = DiffusionTask(unet, config, train=examples, select=examples, schedule=SCHEDULE, seed=0)
        made.setup(launch("cpu"))
        made.fabric.clip_gradients = lambda *parts, **limit: None  # to a norm of 1, which would hide their scale
        return made

    examples = latents()
    stepped, by_hand = task(2), task(2)
    found: list[torch.Tensor] = []
    weights = list(stepped.network.parameters())
    stepped.optimiser.step = lambda: found.extend(p.grad.clone() for p in weights if p.grad is not None)
    stepped.step(0, step_chance(0, 0))
    chance, drawn = step_chance(0, 0), []
    for _ in range(2):  # what the two passes draw, in their order
        rows = torch.randint(len(examples), (3,), generator=chance)
        steps = by_hand.schedule.random_times(3, chance)
        drawn.append((rows, steps, torch.randn(3, 8, 4, 4, 4, generator=chance)))
    rows, steps, noise = (torch.cat(parts) for parts in zip(*drawn))
    clean = examples.clean(rows)
    velocity = by_hand.net(add_noise(SCHEDULE, clean, noise, steps), steps)
    torch.nn.functional.mse_loss(velocity, target(SCHEDULE, clean, noise, steps)).backward()
    wanted = [p.grad for p in by_hand.network.parameters() if p.grad is not None]
    assert len(found) == len(wanted) > 0
    for a, b in zip(found, wanted):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-4)


@pytest.fixture
def volumes() -> np.ndarray:
    chance = np.random.default_rng(0)
    return np.cumsum(chance.normal(0, 120, (4, 16, 16, 16)), axis=1).clip(-1000, 1000).astype(np.int16)


def test_passes_of_stage_1_have_the_gradient_of_their_mean(small: MedLoRDConfig, volumes: np.ndarray) -> None:
    """Without codes and discriminator a pass depends on the crops alone, so that two of two crops are one of four."""

    def gradients(batch: int, accumulate: int) -> list[torch.Tensor]:
        config = small.stage1.model_copy(
            update={"batch": batch, "accumulate": accumulate, "crop": (16, 16, 16), "spectral_weight": 0.0}
        )
        task = VqvaeTask(small.network, config, train=volumes, select=volumes[:1], seed=0)
        task.setup(launch("cpu"))
        crops = iter(scaled(volumes, small.network.window).split(batch))
        task._batch = lambda chance: next(crops)
        found: list[torch.Tensor] = []
        weights = list(task.vqvae.parameters())
        task.optimiser.step = lambda: found.extend(one.grad.clone() for one in weights if one.grad is not None)
        task.step(0, step_chance(0, 0))
        return found

    at_once, in_passes = gradients(4, 1), gradients(2, 2)
    assert len(at_once) == len(in_passes) > 0
    for a, b in zip(at_once, in_passes):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-4)


def test_every_stage_trains_in_bfloat16_with_weights_in_float32(small: MedLoRDConfig, volumes: np.ndarray) -> None:
    labels = np.random.default_rng(1).integers(0, 3, (6, 16, 16, 16)).astype(np.uint8)
    examples = SteeredLatents(latents(), labels, regions=2, dropout=0.0)
    unet = build_unet(small.network.unet, 8)
    tasks = [
        VqvaeTask(small.network, small.stage1, train=volumes, select=volumes[:1], seed=0),
        DiffusionTask(unet, small.stage2, train=latents(), select=latents(), schedule=SCHEDULE, seed=0),
        DiffusionTask(steered(small), small.stage3, train=examples, select=examples, schedule=SCHEDULE, seed=0),
    ]
    for task in tasks:
        seen: set[torch.dtype] = set()
        task.setup(launch("cpu", "bf16-mixed"))
        network = task.vqvae if isinstance(task, VqvaeTask) else task.network
        for module in network.modules():
            if isinstance(module, torch.nn.Conv3d):
                module.register_forward_hook(lambda module, inputs, output, seen=seen: seen.add(output.dtype))
        for index in range(10):
            assert all(torch.isfinite(loss) for loss in task.step(index, step_chance(0, index)).values())
        assert torch.bfloat16 in seen
        assert {value.dtype for value in task.weights().values()} == {torch.float32}
        assert np.isfinite(task.validate()["score"])


def test_checkpointed_layers_have_the_same_outputs_and_gradients(small: MedLoRDConfig) -> None:
    torch.manual_seed(0)
    plain = build_unet(small.network.unet, 8)
    torch.nn.init.normal_(plain.out[2].conv.weight)
    frugal = copy.deepcopy(plain)
    checkpoint_activations(layers_of_unet(frugal))
    copied = copy.deepcopy(frugal)  # as the moving average does: it must call itself, not what it was copied from
    latent, steps = torch.randn(2, 8, 4, 4, 4), torch.tensor([3, 40])
    for network in (frugal, copied):
        network.zero_grad()
        plain.zero_grad()
        wanted, found = plain(latent, steps), network(latent, steps)
        torch.testing.assert_close(found, wanted)
        wanted.square().sum().backward()
        found.square().sum().backward()
        for (name, a), b in zip(plain.named_parameters(), network.parameters()):
            torch.testing.assert_close(b.grad, a.grad, msg=name)


def test_volumes_are_encoded_once_to_the_latents_of_the_vqvae(small: MedLoRDConfig, tmp_path: Path) -> None:
    torch.manual_seed(0)
    vqvae = build_vqvae(small.network.vqvae).eval()
    volumes = np.random.default_rng(0).integers(-1000, 1000, (2, 16, 16, 16)).astype(np.int16)
    window = small.network.window
    indices = encode(vqvae, volumes, tmp_path / "codes.npy", window=window, progress=silent)
    found = Latents(indices, codebook_of(vqvae).embedding.weight).clean(torch.arange(2))
    with torch.no_grad():
        wanted = vqvae.encode_stage_2_inputs(scaled(volumes, window))
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)
    before = (tmp_path / "codes.npy").stat().st_mtime_ns
    encode(vqvae, volumes, tmp_path / "codes.npy", window=window, progress=silent)
    assert (tmp_path / "codes.npy").stat().st_mtime_ns == before


def test_even_crops_reach_both_ends() -> None:
    volumes = np.arange(64, dtype=np.int32).reshape(1, 64, 1, 1)
    chance = torch.Generator().manual_seed(0)
    crops = random_crops(volumes, Crops((32, 1, 1), align=4, centred=False), batch=200, chance=chance)
    starts = crops[:, 0, 0, 0]
    assert starts.min() == 0 and starts.max() == 32
    assert np.mean((starts < 8) | (starts > 24)) > 0.35  # evenly, not about the middle


def test_augmentation_turns_a_little_and_flips_half(monkeypatch: pytest.MonkeyPatch) -> None:
    image = torch.zeros(1, 1, 16, 12, 8)
    image[..., :6, :] = 1.0  # one half along axis 1
    flipped = [float(augmented(image, torch.Generator().manual_seed(seed))[0, 0, 8, 1, 4]) for seed in range(400)]
    assert np.mean(np.array(flipped) < 0.5) == pytest.approx(0.5, abs=0.08)


def test_learning_rates() -> None:
    assert learning_rate("constant", 7, 10, peak=3.0) == 3.0
    assert learning_rate("exponential", 0, 10, peak=1.0) == 1.0
    assert learning_rate("exponential", 10, 10, peak=1.0) == pytest.approx(0.08)
    with pytest.raises(ValueError, match="choose from constant, cosine, exponential"):
        learning_rate("linear", 0, 10, peak=1.0)


@pytest.fixture
def squeezenet_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Random weights in the layout of torchvision's file."""
    from torchvision.models import squeezenet1_1

    torch.manual_seed(0)
    path = tmp_path / "squeezenet1_1.pth"
    torch.save(squeezenet1_1(weights=None).state_dict(), path)
    monkeypatch.setenv("MEDBENCH_WEIGHTS_LPIPS_SQUEEZENET", str(path))
    return path


@pytest.mark.usefixtures("squeezenet_file")
def test_the_perceptual_loss_is_zero_for_the_same_image_and_pulls_others_towards_it() -> None:
    loss, chance = PerceptualLoss(), torch.Generator()
    image = torch.rand(1, 1, 40, 40, 36, generator=chance.manual_seed(1)) * 2 - 1
    assert float(loss(image, image, chance.manual_seed(0))) == 0.0
    other = (image + 0.1 * torch.randn(image.shape, generator=chance)).requires_grad_()
    before = loss(other, image, chance.manual_seed(0))
    before.backward()
    assert float(before.detach()) > 0.0
    assert not any(weight.requires_grad for weight in loss.parameters())
    step = (other - 0.1 * other.grad / other.grad.norm()).detach()
    assert float(loss(step, image, chance.manual_seed(0))) < float(before.detach())


def test_the_perceptual_loss_refuses_another_networks_file(squeezenet_file: Path) -> None:
    torch.save({"conv1.weight": torch.zeros(1)}, squeezenet_file)
    with pytest.raises(CheckpointError, match=r"lpips-squeezenet.* features\.0\.weight is missing"):
        PerceptualLoss()


@pytest.mark.usefixtures("squeezenet_file")
def test_stage_1_logs_every_loss_it_has(small: MedLoRDConfig, volumes: np.ndarray) -> None:
    config = small.stage1.model_copy(update={"perceptual_weight": 0.1, "crop": (16, 16, 16), "batch": 1})
    task = VqvaeTask(small.network, config, train=volumes, select=volumes[:1], seed=0)
    task.setup(launch("cpu"))
    task.perceptual.forward = lambda reconstruction, image, chance: (
        (reconstruction - image).abs().mean()
    )  # crops too small
    logged = [set(task.step(index, step_chance(0, index))) for index in range(10)]
    always = {"l1", "mse", "spectral", "commitment", "perceptual"}
    assert logged[0] == always
    assert logged[9] == always | {"adversarial", "discriminator"}


def test_the_perceptual_loss_names_its_missing_weights() -> None:
    with pytest.raises(Unavailable, match="lpips-squeezenet"):
        PerceptualLoss()


def test_masks_are_one_channel_a_region() -> None:
    masks = one_hot(torch.tensor([[[[0, 1], [2, 2]]]], dtype=torch.uint8), 2)
    assert masks.shape == (1, 2, 1, 2, 2)
    assert masks.sum(dim=1).tolist() == [[[[0.0, 1.0], [1.0, 1.0]]]]
