import hashlib
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from medbench.errors import CheckpointError
from medbench.features.radimagenet import RadImageNetResNet50, build, without_batch_norms
from medbench.imaging.slices import plane_slices
from medbench.spec import SliceProtocol, Window

GOLDEN = Path(__file__).parents[2] / "data" / "fid25d"
VARIABLE = "MEDBENCH_WEIGHTS_RADIMAGENET_RESNET50"
MAISI = SliceProtocol(normalisation="minmax_per_plane")


@pytest.fixture
def extractor(formula_weights_file, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(formula_weights_file))
    return RadImageNetResNet50(device="cpu")


def golden_slices(plane):
    with np.load(GOLDEN / "volumes.npz") as volumes:
        return np.concatenate(list(plane_slices(volumes["real_0"], plane, protocol=MAISI, window=Window())))


def test_the_formula_weights_are_the_golden_ones(formula_weights):
    check = json.loads((GOLDEN / "weights_check.json").read_text())
    floats = b"".join(value.tobytes() for value in formula_weights.values() if value.dtype == np.float32)
    assert hashlib.sha256(floats).hexdigest() == check["sha256_of_all_float32_tensors_in_key_order"]
    for key, facts in check["tensors"].items():
        assert zlib.crc32(formula_weights[key].tobytes()) == facts["crc32_of_bytes"]


def test_state_dict_has_the_published_names_shapes_and_types(radimagenet_entries):
    state = build().state_dict()
    found = [(key, list(value.shape), str(value.dtype).removeprefix("torch.")) for key, value in state.items()]
    assert sorted(found) == sorted(radimagenet_entries)
    assert len(found) == 371


@pytest.mark.parametrize("plane", ["xy", "yz", "zx"])
def test_features_match_the_golden_ones(extractor, plane):
    with np.load(GOLDEN / "features_real_0.npz") as golden:
        np.testing.assert_allclose(extractor.features(golden_slices(plane)), golden[plane], rtol=0, atol=1e-4)


def test_batches_change_nothing_but_rounding(extractor, monkeypatch):
    slices = golden_slices("xy")[:5]
    whole = extractor.features(slices)
    monkeypatch.setattr("medbench.features.radimagenet._FRONT_PIXELS", 2 * slices[0].size)
    monkeypatch.setattr("medbench.features.radimagenet._BACK_PIXELS", 3 * slices[0].size)
    np.testing.assert_allclose(extractor.features(slices), whole, rtol=0, atol=1e-5)
    assert whole.dtype == np.float32
    assert whole.shape == (5, RadImageNetResNet50.info.dimension)


def test_folded_batch_norms_change_nothing_but_rounding(extractor, formula_weights):
    """Against the plain module fed with a whole plane at once, as the documented procedure does."""
    plain = build().eval()
    plain.load_state_dict({key: torch.from_numpy(np.array(value)) for key, value in formula_weights.items()})
    slices = golden_slices("yz")
    images = torch.from_numpy(slices)[:, None] - torch.tensor([0.406, 0.456, 0.485]).view(1, 3, 1, 1)
    with torch.inference_mode():
        expected = plain(images).numpy()
    np.testing.assert_allclose(extractor.features(slices), expected, rtol=0, atol=1e-5)
    folded = without_batch_norms(plain)
    assert not [layer for layer in folded.modules() if isinstance(layer, torch.nn.BatchNorm2d)]


def test_weights_of_another_network_are_refused(monkeypatch, tmp_path, formula_weights):
    state = {key: torch.from_numpy(value) for key, value in formula_weights.items() if not key.startswith("layer4")}
    state["conv1.bias"] = torch.zeros(3)
    state["fc.weight"] = torch.zeros(3)
    torch.save(state, tmp_path / "other.pth")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "other.pth"))
    with pytest.raises(CheckpointError) as caught:
        RadImageNetResNet50(device="cpu").features(np.zeros((1, 32, 32), dtype=np.float32))
    message = str(caught.value)
    for word in ("missing (layer4.0", "1 unexpected (fc.weight)", "1 of another shape (conv1.bias)"):
        assert word in message
    assert "\n" not in message


def test_safetensors_give_the_same_features(monkeypatch, tmp_path, formula_weights, extractor):
    from safetensors.torch import save_file

    slices = golden_slices("xy")[:1]
    expected = extractor.features(slices)
    path = tmp_path / "weights.safetensors"
    save_file({key: torch.from_numpy(value) for key, value in formula_weights.items()}, path)
    monkeypatch.setenv(VARIABLE, str(path))
    np.testing.assert_array_equal(extractor.features(slices), expected)
