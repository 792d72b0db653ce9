import pytest
import torch

from medbench_models.shared.losses import adversarial_loss, psnr, spectral_loss


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
