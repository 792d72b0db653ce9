from pathlib import Path

import pytest
import torch

from medbench.errors import CheckpointError, Unavailable
from medbench.training.chance import Chance
from medbench_models.shared.losses import PerceptualLoss, adversarial_loss, psnr, spectral_loss


def test_spectral_loss_ignores_shifts_and_has_a_finite_gradient_in_air() -> None:
    image = torch.randn(1, 1, 8, 8, 8)
    assert float(spectral_loss(image.roll(3, dims=2), image)) == pytest.approx(0.0, abs=1e-10)
    air = torch.full((1, 1, 8, 8, 8), -1.0, requires_grad=True)
    spectral_loss(air, torch.full_like(air, -1.0)).backward()
    assert air.grad is not None
    assert bool(air.grad.isfinite().all())


def test_spectral_loss_of_a_constant_offset() -> None:
    image = torch.zeros(1, 1, 4, 4, 4)
    # Only the zero frequency differs: its ortho amplitude is 8 x 0.5, among 4 x 4 x 3 stored frequencies.
    assert float(spectral_loss(image + 0.5, image)) == pytest.approx(16.0 / 48.0, rel=1e-3)


def test_adversarial_loss_is_least_squares() -> None:
    logits = torch.tensor([0.0, 1.0, 3.0])
    assert float(adversarial_loss(logits, real=True)) == pytest.approx((1 + 0 + 4) / 3)
    assert float(adversarial_loss(logits, real=False)) == pytest.approx((0 + 1 + 9) / 3)


def test_psnr_of_a_known_error() -> None:
    image = torch.zeros(2, 1, 4, 4, 4)
    assert psnr(image + 0.02, image).tolist() == pytest.approx([40.0, 40.0], abs=1e-3)  # 20 HU of 2000


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
    loss, chance = PerceptualLoss(), torch.Generator().manual_seed(1)
    image = torch.rand(1, 1, 40, 40, 36, generator=chance) * 2 - 1
    assert float(loss(image, image, Chance(0, 0).batches(1)[0])) == 0.0
    other = (image + 0.1 * torch.randn(image.shape, generator=chance)).requires_grad_()
    before = loss(other, image, Chance(0, 0).batches(1)[0])
    before.backward()
    assert float(before.detach()) > 0.0
    assert not any(weight.requires_grad for weight in loss.parameters())
    step = (other - 0.1 * other.grad / other.grad.norm()).detach()
    assert float(loss(step, image, Chance(0, 0).batches(1)[0])) < float(before.detach())


def test_the_perceptual_loss_refuses_another_networks_file(squeezenet_file: Path) -> None:
    torch.save({"conv1.weight": torch.zeros(1)}, squeezenet_file)
    with pytest.raises(CheckpointError, match=r"does not fit lpips-squeezenet: .* missing"):
        PerceptualLoss()


def test_the_perceptual_loss_names_its_missing_weights() -> None:
    with pytest.raises(Unavailable, match="lpips-squeezenet"):
        PerceptualLoss()
