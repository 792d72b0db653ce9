"""Volumes through the VQ-GAN, at once and in windows."""

import torch

from medbench_models.med_lsdm import windows
from medbench_models.med_lsdm.config import AutoencoderConfig
from medbench_models.med_lsdm.vqgan import VqGan


def build(window: tuple[int, int, int]) -> VqGan:
    torch.manual_seed(0)
    return VqGan(AutoencoderConfig(hidden=4, codes=16, norm_groups=4, window=window), 1).eval()


@torch.no_grad()
def test_what_is_no_larger_than_a_window_passes_at_once() -> None:
    vqgan, image = build((16, 16, 8)), torch.rand(1, 1, 16, 8, 8)
    assert windows.encode(vqgan, image).shape == (1, 8, 2, 4, 2)
    torch.testing.assert_close(windows.encode(vqgan, image), vqgan.encode(image.movedim(-1, 2)), atol=0, rtol=0)
    assert windows.through(vqgan, image).shape == image.shape


@torch.no_grad()
def test_larger_volumes_pass_in_windows_that_agree_where_they_do_not_overlap() -> None:
    vqgan, image = build((16, 16, 8)), torch.rand(1, 1, 16, 16, 16)
    latent = windows.encode(vqgan, image)
    assert latent.shape == (1, 8, 4, 4, 4)
    torch.testing.assert_close(latent[:, :, :1], vqgan.encode(image[..., :8].movedim(-1, 2))[:, :, :1])
    assert windows.decode(vqgan, vqgan.codebook(latent)[0]).shape == image.shape
    assert windows.passes_at_once(vqgan.config, (12, 40, 8)) == [12, 16, 8]
