"""MedLoRD's configurations: architecture, training and sampling settings, by preset."""

from __future__ import annotations

from medbench.errors import SpecError
from medbench.spec import Spec, Window
from medbench.training import Precision


class VqvaeConfig(Spec):
    """Architecture of the VQ-VAE: each level halves every axis."""

    channels: tuple[int, ...]
    res_layers: int
    codebook_size: int
    codebook_dim: int = 8
    commitment: float = 0.25
    decay: float = 0.95
    epsilon: float = 1e-5

    @property
    def factor(self) -> int:
        """Voxels of one latent position along each axis."""
        return int(2 ** len(self.channels))


class UnetConfig(Spec):
    """Architecture of the diffusion U-Net and the noise schedule it belongs to."""

    channels: tuple[int, ...]
    res_blocks: int
    attention: tuple[bool, ...]
    head_channels: int
    norm_groups: int
    timesteps: int = 300


class ControlNetConfig(Spec):
    """Architecture of the ControlNet that steers a U-Net by label maps.

    Args:
        regions: one mask channel each, in this order.
        ratio: its widths over the U-Net's.
        embedding_channels: of the mask embedding; each but the first halves every axis.
        embedding_stride: of its first convolution.
        transformers: attention by transformer blocks instead of the U-Net's plain ones.
        head_channels: of each level.
        norm_groups: of its group norms.
    """

    regions: tuple[str, ...]
    ratio: float
    embedding_channels: tuple[int, ...]
    embedding_stride: int
    transformers: bool
    head_channels: tuple[int, ...]
    norm_groups: int


class NetworkConfig(Spec):
    """All that a checkpoint's weights depend on; a checkpoint with another one is refused."""

    vqvae: VqvaeConfig
    unet: UnetConfig
    window: Window = Window()


class Stage1Config(Spec):
    """Training of the VQ-VAE as a GAN.

    The first ``quantise_from`` share of the steps trains without quantisation, then k-means on the encoder's output
    makes the codebook. Dead codes are restarted until ``restart_until``; the adversarial term ramps up from
    ``adversarial_from`` on.
    """

    steps: int
    batch: int
    crop: tuple[int, int, int]
    rate: float
    mse_weight: float
    spectral_weight: float
    quantise_from: float
    restart_until: float
    adversarial_from: float
    adversarial_ramp: float
    adversarial_weight: float
    discriminator_channels: int
    discriminator_layers: int
    discriminator_rate: float
    precision: Precision


class Stage2Config(Spec):
    """Training of the diffusion U-Net on the scaled latents."""

    steps: int
    batch: int
    rate: float
    ema_decay: float
    precision: Precision


class MedLoRDConfig(Spec):
    """A preset."""

    network: NetworkConfig
    stage1: Stage1Config
    stage2: Stage2Config
    ddim_steps: int


PRESETS: dict[str, MedLoRDConfig] = {
    "tiny": MedLoRDConfig(
        network=NetworkConfig(
            vqvae=VqvaeConfig(channels=(24, 48), res_layers=1, codebook_size=512),
            unet=UnetConfig(channels=(32, 32), res_blocks=1, attention=(False, False), head_channels=8, norm_groups=8),
        ),
        stage1=Stage1Config(
            steps=12000,
            batch=4,
            crop=(32, 32, 32),
            rate=1.5e-3,
            mse_weight=10.0,
            spectral_weight=1.0,
            quantise_from=0.25,
            restart_until=0.8,
            adversarial_from=0.7,
            adversarial_ramp=0.1,
            adversarial_weight=0.001,
            discriminator_channels=16,
            discriminator_layers=2,
            discriminator_rate=2e-4,
            precision="bf16-mixed",
        ),
        stage2=Stage2Config(steps=3000, batch=16, rate=2e-3, ema_decay=0.995, precision="bf16-mixed"),
        ddim_steps=25,
    )
}


def preset(name: str) -> MedLoRDConfig:
    """Return a preset's configuration.

    Raises:
        SpecError: there is none of that name.
    """
    if name not in PRESETS:
        raise SpecError(f"medlord has no preset {name!r}: choose one of {', '.join(PRESETS)}")
    return PRESETS[name]
