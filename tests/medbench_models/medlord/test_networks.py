"""Networks with checkpointed layers compute the same."""

import copy

import torch

from medbench_models.medlord.config import MedLoRDConfig
from medbench_models.medlord.networks import build_unet, checkpoint_layers


def test_checkpointed_layers_have_the_same_outputs_and_gradients(small: MedLoRDConfig) -> None:
    torch.manual_seed(0)
    plain = build_unet(small.network.unet, 8)
    torch.nn.init.normal_(plain.out[2].conv.weight)
    frugal = copy.deepcopy(plain)
    checkpoint_layers(frugal)
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
