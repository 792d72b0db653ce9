"""GANs on slabs that train in seconds."""

from dataclasses import dataclass

import pytest

from medbench_models.crf_gan import presets as crf_gan
from medbench_models.crf_gan.config import CrfGanConfig, TrainingConfig
from medbench_models.crf_gan.config import NetworkConfig as CrfGanNetwork
from medbench_models.crf_gan.generator import CrfGan
from medbench_models.ha_gan import presets as ha_gan
from medbench_models.ha_gan.config import HaganConfig
from medbench_models.ha_gan.config import NetworkConfig as HaganNetwork
from medbench_models.ha_gan.generator import HaGan
from medbench_models.shared.config import SlabPreset, SlabTrainingConfig
from medbench_models.shared.slab_gan.plugin import SlabGanPlugin

_NETWORK = {"latent": 4, "widths": (8, 8, 8, 8, 32, 8), "doublings": 1, "slabs": 2, "critic_width": 32}
_TRAINING = {"steps": 6, "batch": 2, "energy_weight": 1.0, "ema_decay": 0.9}
HAGAN = HaganConfig(
    follows="a test",
    network=HaganNetwork(**_NETWORK, small_critic_width=16, code_width=16),
    gan=SlabTrainingConfig(**_TRAINING),
    cube=None,
)
CRF_GAN = CrfGanConfig(
    follows="a test",
    network=CrfGanNetwork(**_NETWORK, nodes=8),
    gan=TrainingConfig(**_TRAINING, field_steps=4),
    cube=None,
)


@dataclass(frozen=True)
class Small:
    """A model whose preset ``tiny`` has networks of a few channels on volumes of 16 x 16 x 16 voxels."""

    plugin: type[SlabGanPlugin]
    config: SlabPreset
    patch: pytest.MonkeyPatch

    def change(self, **gan: object) -> None:
        self.replace(self.config.model_copy(update={"gan": self.config.gan.model_copy(update=gan)}))

    def replace(self, config: SlabPreset) -> None:
        self.patch.setitem(self.plugin.presets, "tiny", config)

    def made(self) -> SlabGanPlugin:
        return self.plugin("tiny", device="cpu")


@pytest.fixture
def ha_gan_small(monkeypatch: pytest.MonkeyPatch) -> Small:
    monkeypatch.setitem(ha_gan.PRESETS, "tiny", HAGAN)
    return Small(HaGan, HAGAN, monkeypatch)


@pytest.fixture
def crf_gan_small(monkeypatch: pytest.MonkeyPatch) -> Small:
    monkeypatch.setitem(crf_gan.PRESETS, "tiny", CRF_GAN)
    return Small(CrfGan, CRF_GAN, monkeypatch)


@pytest.fixture(params=["ha_gan_small", "crf_gan_small"])
def model(request: pytest.FixtureRequest) -> Small:
    return request.getfixturevalue(request.param)
