"""Features through ONNX Runtime are torch's, or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from medbench.errors import Unavailable
from medbench.features import onnx
from medbench.features.radimagenet import RadImageNetResNet50
from medbench.imaging.slices import plane_slices
from medbench.records.run import library_versions
from medbench.spec import SliceProtocol, Window
from medbench.storage.weights import WeightFile

GOLDEN = Path(__file__).parents[2] / "data" / "fid25d"
WEIGHTS = WeightFile(name="toy-network", file="toy.pth", origin="this test", license="none")
IMAGES = np.random.default_rng(1).random((3, 40, 24), dtype=np.float32)


def _build(path: Path) -> nn.Module:
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    network.load_state_dict(torch.load(path, weights_only=True))
    return network


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "toy.pth"
    torch.save(nn.Sequential(nn.Conv2d(1, 4, 3)).state_dict(), path)
    return path


@pytest.fixture(autouse=True)
def _engine(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDBENCH_WEIGHTS_TOY_NETWORK", str(file))
    monkeypatch.setenv("MEDBENCH_CPU_ENGINE", "onnxruntime")


def test_features_are_torchs_for_images_of_any_size_and_number(file: Path) -> None:
    forward = onnx.forward_of(WEIGHTS, _build, "cpu")
    assert forward is not None
    network = _build(file)
    for images in (IMAGES, IMAGES[:1, :20, :20]):
        with torch.inference_mode():
            expected = network(torch.from_numpy(images)[:, None])
        np.testing.assert_allclose(forward(torch.from_numpy(images)), expected, rtol=1e-5, atol=1e-7)


def test_a_run_records_the_engine_and_torch_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "onnxruntime" in library_versions()
    assert onnx.forward_of(WEIGHTS, _build, "cuda") is None
    monkeypatch.setenv("MEDBENCH_CPU_ENGINE", "torch")
    assert "onnxruntime" not in library_versions()
    assert onnx.forward_of(WEIGHTS, _build, "cpu") is None


def test_an_engine_that_gives_other_features_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found = onnx._run
    monkeypatch.setattr(onnx, "_run", lambda session, images: 1.0001 * found(session, images))
    onnx._forward.cache_clear()
    with pytest.raises(Unavailable, match="MEDBENCH_CPU_ENGINE=torch"):
        onnx.forward_of(WEIGHTS, _build, "cpu")


@pytest.mark.slow
def test_radimagenets_features_match_the_golden_ones(formula_weights_file: Path, monkeypatch) -> None:
    monkeypatch.setenv("MEDBENCH_WEIGHTS_RADIMAGENET_RESNET50", str(formula_weights_file))
    protocol = SliceProtocol(normalisation="minmax_per_plane")
    with np.load(GOLDEN / "volumes.npz") as volumes, np.load(GOLDEN / "features_real_0.npz") as golden:
        slices = np.concatenate(list(plane_slices(volumes["real_0"], "xy", protocol=protocol, window=Window())))
        found = RadImageNetResNet50(device="cpu").features(slices)
        np.testing.assert_allclose(found, golden["xy"], rtol=0, atol=1e-4)
