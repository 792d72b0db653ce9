import numpy as np
import pytest
import torch
from torch.nn import functional

from medbench.errors import CheckpointError
from medbench.features import medicalnet
from medbench.features.medicalnet import WEIGHTS, WEIGHTS_50, MedicalNetResNet10, MedicalNetResNet50, build, build_50

# Stride of the first convolution and dilation of all, stage by stage: Tencent/MedicalNet, med3d/models/resnet.py.
STAGES = {"layer1": (1, 1), "layer2": (2, 1), "layer3": (1, 2), "layer4": (1, 4)}


def weights_without_meaning(network):
    """In the layout of the published files; the norms have statistics of their own."""
    generator = torch.Generator().manual_seed(0)
    made = {}
    for key, value in network.state_dict().items():
        if key.endswith("num_batches_tracked"):
            made[key] = torch.tensor(7)
        elif key.endswith("running_var") or (value.ndim == 1 and key.endswith("weight")):
            made[key] = torch.rand(value.shape, generator=generator) + 0.5
        else:
            scale = (2 / value[0].numel()) ** 0.5 if value.ndim == 5 else 0.1
            made[key] = torch.randn(value.shape, generator=generator) * scale
    return made


@pytest.fixture(scope="module")
def state():
    return weights_without_meaning(build())


@pytest.fixture(scope="module")
def weights_file(state, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / WEIGHTS.file
    wrapped = {"state_dict": {f"module.{key}": value for key, value in state.items()}}
    # The published file is of 2019 and of torch's old format.
    torch.save(wrapped, path, _use_new_zipfile_serialization=False)
    return path


@pytest.fixture
def extractor(weights_file, monkeypatch):
    monkeypatch.setenv(WEIGHTS.variable, str(weights_file))
    return MedicalNetResNet10(device="cpu")


def volume(*shape):
    return np.random.default_rng(1).random(shape, dtype=np.float32)


def reference(state, voxels):
    """The network written down with functions, from its paper and the layout of its weights."""

    def norm(x, name):
        statistics = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        return functional.batch_norm(x, *statistics, state[f"{name}.weight"], state[f"{name}.bias"], eps=1e-5)

    x = torch.from_numpy((voxels - voxels.mean()) / voxels.std())[None, None]
    x = functional.conv3d(x, state["conv1.weight"], stride=2, padding=3)
    x = functional.max_pool3d(norm(x, "bn1").relu(), 3, stride=2, padding=1)
    for stage, (stride, dilation) in STAGES.items():
        name = f"{stage}.0"
        around = {"dilation": dilation, "padding": dilation}
        h = norm(functional.conv3d(x, state[f"{name}.conv1.weight"], stride=stride, **around), f"{name}.bn1").relu()
        h = norm(functional.conv3d(h, state[f"{name}.conv2.weight"], **around), f"{name}.bn2")
        if stage != "layer1":
            x = norm(functional.conv3d(x, state[f"{name}.downsample.0.weight"], stride=stride), f"{name}.downsample.1")
        x = (x + h).relu()
    return x.mean(dim=(2, 3, 4))[0].numpy()


def test_the_layout_is_that_of_the_published_file():
    """72 tensors of 14,361,292 numbers, read off the published file by others."""
    state = build().state_dict()
    assert len(state) == 72
    assert sum(value.numel() for value in state.values()) == 14_361_292


def test_features_are_those_of_the_networks_definition(extractor, state):
    voxels = volume(40, 33, 24)
    found = extractor.features(voxels)
    assert found.shape == (MedicalNetResNet10.info.dimension,)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, reference(state, voxels), rtol=1e-3, atol=1e-4)


def test_a_linear_change_of_intensity_changes_nothing(extractor):
    voxels = volume(24, 24, 16)
    np.testing.assert_allclose(extractor.features(0.5 * voxels + 0.2), extractor.features(voxels), atol=1e-3)


def test_a_constant_volume_has_features(extractor):
    assert np.all(np.isfinite(extractor.features(np.full((16, 16, 16), 0.3, dtype=np.float32))))


def test_axes_are_told_apart(extractor):
    voxels = volume(32, 24, 16)
    assert not np.allclose(extractor.features(voxels), extractor.features(voxels.transpose(2, 1, 0)), rtol=1e-3)


def test_large_volumes_are_averaged_down_first(extractor, monkeypatch):
    monkeypatch.setattr(medicalnet, "_MOST_VOXELS", 16**3)
    blocks = volume(16, 16, 16)
    large = blocks.repeat(2, axis=0).repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_allclose(extractor.features(large), extractor.features(blocks), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("made", "fault"),
    [
        (lambda state: state, "has no entry 'state_dict'"),
        (lambda state: {"state_dict": {key: v for key, v in state.items() if "layer4" not in key}}, "missing"),
        (lambda state: {"state_dict": {**state, "conv_seg.0.weight": torch.zeros(1)}}, "1 unexpected"),
    ],
)
def test_other_files_are_refused(state, made, fault, monkeypatch, tmp_path):
    torch.save(made(state), tmp_path / "other.pth")
    monkeypatch.setenv(WEIGHTS.variable, str(tmp_path / "other.pth"))
    with pytest.raises(CheckpointError, match=fault) as caught:
        MedicalNetResNet10(device="cpu").features(volume(16, 16, 16))
    assert "other.pth" in str(caught.value)


def test_resnet50_has_the_layout_of_its_paper():
    """Bottlenecks 3, 4, 6, 3; 46,155,072 parameters; the dilations of its stages."""
    network = build_50()
    assert len(network.state_dict()) == 318
    assert sum(value.numel() for value in network.parameters()) == 46_155_072
    for stage, (_, dilation) in STAGES.items():
        assert network.get_submodule(f"{stage}.0.conv2").dilation == (dilation,) * 3
        assert network.get_submodule(f"{stage}.0.conv2").stride == ((2,) * 3 if stage == "layer2" else (1,) * 3)


def test_resnet50_sees_a_volume_in_minus_one_to_one_as_it_is(monkeypatch, tmp_path):
    network = build_50().eval()
    state = weights_without_meaning(network)
    network.load_state_dict(state)
    torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}}, tmp_path / "resnet_50.pth")
    monkeypatch.setenv(WEIGHTS_50.variable, str(tmp_path / "resnet_50.pth"))
    voxels = volume(24, 20, 16)
    with torch.inference_mode():
        turned = np.ascontiguousarray(voxels[::-1, ::-1].transpose(2, 1, 0))
        expected = network(torch.from_numpy(2 * turned - 1)[None, None])[0].numpy()
    found = MedicalNetResNet50(device="cpu").features(voxels)
    assert found.shape == (2048,)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())
    assert not np.allclose(MedicalNetResNet50(device="cpu").features(0.5 * voxels), found, rtol=0.01)
