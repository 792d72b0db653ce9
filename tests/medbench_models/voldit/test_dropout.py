import pytest
import torch
from torch import nn

from medbench.training.chance import Chance
from medbench.training.checkpointing import checkpoint_activations
from medbench_models.voldit.dropout import SampleDropout, by_sample, seed_layers


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 50), nn.Dropout(0.5), nn.Sequential(nn.ReLU(), nn.Dropout(0.2)), nn.Dropout(0.0))


def test_a_sample_loses_the_same_numbers_in_any_batch() -> None:
    made, features = network(), torch.randn(4, 4)
    layers = by_sample(made)
    assert [layer.rate for layer in layers] == [0.5, 0.2]
    seed_layers(layers, Chance(0, 0).batches(4)[0].integers(2**62, 2))
    whole = made(features)
    parts = []
    for process in range(2):
        seed_layers(layers, Chance(0, 0, process, 2).batches(2)[0].integers(2**62, 2))
        parts.append(made(features[2 * process : 2 * process + 2]))
    torch.testing.assert_close(torch.cat(parts), whole)
    seed_layers(layers, Chance(0, 1).batches(4)[0].integers(2**62, 2))
    assert not torch.allclose(made(features), whole)


def test_numbers_are_dropped_at_the_rate_and_the_mean_stays() -> None:
    layer = SampleDropout(0.3)
    layer.seeds = [1, 2]
    found = layer(torch.ones(2, 100, 100))
    assert float((found == 0.0).float().mean()) == pytest.approx(0.3, abs=0.01)
    assert float(found.mean()) == pytest.approx(1.0, abs=0.02)
    assert not torch.equal(found[0], found[1])


def test_in_evaluation_nothing_is_dropped() -> None:
    layer, features = SampleDropout(0.3).eval(), torch.randn(2, 5)
    assert torch.equal(layer(features), features)


def test_activations_that_are_computed_again_lose_the_same_numbers() -> None:
    found = []
    for again in (False, True):
        torch.manual_seed(0)
        made = network()
        seed_layers(by_sample(made), Chance(0, 0).batches(4)[0].integers(2**62, 2))
        if again:
            checkpoint_activations([made[2]])
        made(torch.ones(4, 4)).square().sum().backward()
        found.append(made[0].weight.grad)
    torch.testing.assert_close(*found)


def test_a_batch_that_nobody_drew_for_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        SampleDropout(0.3)(torch.ones(2, 5))
