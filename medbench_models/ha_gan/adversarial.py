"""HA-GAN's training: critic, generator and both encoders in turn, on one random slab of whole volumes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch.nn import functional

from medbench.training.averaging import Ema, descend, learning_rate, seeded, set_learning_rate
from medbench.training.loop import Stateful
from medbench_models.ha_gan.config import NetworkConfig, TrainingConfig
from medbench_models.ha_gan.networks import build_networks, shrunk
from medbench_models.shared.arrays import scaled
from medbench_models.shared.crops import random_crops, random_start
from medbench_models.shared.hierarchical import REDUCTION, Pyramid
from medbench_models.shared.losses import adversarial_entropy

_BETAS = (0.0, 0.999)


class HaganTask:
    def __init__(self, network: NetworkConfig, config: TrainingConfig, *, grids: Pyramid, train: np.ndarray, select: np.ndarray, seed: int) -> None:
        self.network = network
        self.config = config
        self.grids = grids
        self.train = train
        with seeded(seed):
            self.networks = build_networks(network, grids)
        self.averaged = Ema(self.networks.generator, config.ema_decay)

    def setup(self, fabric: Fabric) -> None:
        self.fabric = fabric
        config, one = self.config, self.networks
        def placed(module, rate):
            return fabric.setup(module, torch.optim.Adam(module.parameters(), lr=rate, betas=_BETAS))
        self.generator, self.optimiser = placed(one.generator, config.rate)
        self.critic, self.critic_optimiser = placed(one.discriminator, config.critic_rate)
        self.encoder, self.encoder_optimiser = placed(one.encoder, config.encoder_rate)
        self.code_encoder, self.code_optimiser = placed(one.code_encoder, config.encoder_rate)

    def step(self, index: int, chance: torch.Generator):
        config = self.config
        for o, r in ((self.optimiser, config.rate), (self.critic_optimiser, config.critic_rate)):
            set_learning_rate(o, learning_rate(config.schedule, index, config.steps, peak=r))
        voxels = self._batch(chance)
        first = random_start(self.grids.room, align=REDUCTION, chance=chance)
        noises = [torch.randn(config.batch, self.network.latent, generator=chance) for _ in range(2)]
        losses = {"critic": self._train_critic(voxels, first, noises[0], chance), "generator": self._train_generator(first, noises[1], chance)}
        if config.encoders_every and index % config.encoders_every == 0:
            losses["encoder"] = self._train_encoder(voxels, first)
            losses["code_encoder"] = self._train_code_encoder(voxels, first)
        self.averaged.update(self.networks.generator)
        return losses

    def _only(self, trained: torch.nn.Module) -> None:
        one = self.networks
        for module in (one.generator, one.discriminator, one.encoder, one.code_encoder):
            module.requires_grad_(module is trained)

    def _train_critic(self, voxels, first, noise, chance):
        self._only(self.networks.discriminator)
        def loss():
            r = self._seen((voxels[:, :, first : first + self.grids.slab[0]], shrunk(voxels)), chance)
            real = self.critic(*r, first)
            with torch.no_grad():
                made = self.generator(noise, first)
            fake = self.critic(*self._seen(made, chance), first)
            return adversarial_entropy(real, real=True) + adversarial_entropy(fake, real=False)
        return descend(self.fabric, self.critic, self.critic_optimiser, [loss], clip_norm=math.inf)

    def _train_generator(self, first, noise, chance):
        self._only(self.networks.generator)
        def loss():
            made = self._seen(self.generator(noise, first), chance)
            return adversarial_entropy(self.critic(*made, first), real=True)
        return descend(self.fabric, self.generator, self.optimiser, [loss], clip_norm=math.inf)

    def _train_encoder(self, voxels, first):
        self._only(self.networks.encoder)
        slab = voxels[:, :, first : first + self.grids.slab[0]]
        def loss():
            f = self.encoder(slab)
            with self.fabric.autocast():
                made = self.networks.generator.detail(f)
            return functional.l1_loss(made.float(), slab)
        return descend(self.fabric, self.encoder, self.encoder_optimiser, [loss], clip_norm=math.inf)

    def _train_code_encoder(self, voxels, first):
        self._only(self.networks.code_encoder)
        depth = self.grids.slab[0]
        def loss():
            with torch.no_grad():
                features = torch.cat([self.encoder(part) for part in voxels.split(depth, dim=2)], dim=2)
            code = self.code_encoder(features)
            with self.fabric.autocast():
                slab, small = self.networks.generator(code, first)
            return 0.5 * (functional.l1_loss(slab.float(), voxels[:, :, first : first + depth]) + functional.l1_loss(small.float(), shrunk(voxels)))
        return descend(self.fabric, self.code_encoder, self.code_optimiser, [loss], clip_norm=math.inf)

    def _seen(self, pair, chance):
        if not self.config.shift:
            return pair
        slab, small = pair
        most = self.config.shift
        outs, outl = [], []
        moves = torch.randint(-most, most + 1, (len(slab), 2), generator=chance)
        for s, l, (a, b) in zip(slab, small, moves.tolist()):
            outs.append(moved(s, 4 * a, 4 * b)); outl.append(moved(l, a, b))
        return torch.stack(outs), torch.stack(outl)

    def _batch(self, chance):
        crops = random_crops(self.train, self.train.shape[1:], align=1, centred=False, batch=self.config.batch, chance=chance)
        return scaled(crops, self.network.window).permute(0, 1, 4, 3, 2).contiguous().to(self.fabric.device)


def moved(image, a, b):
    h, w = image.shape[-2:]
    padded = functional.pad(image, (abs(b), abs(b), abs(a), abs(a)), value=-1.0)
    return padded[..., abs(a) - a : abs(a) - a + h, abs(b) - b : abs(b) - b + w]
