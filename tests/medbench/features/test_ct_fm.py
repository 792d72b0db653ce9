import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from medbench.errors import CheckpointError, Unavailable
from medbench.features.ct_fm import WEIGHTS, CtFm, build
from medbench.features.seen import as_seen
from medbench.imaging.volume import Volume
from medbench.spec import Window
from medbench.storage import weights as weights_module
from medbench.storage.weights import fetch_weights


@pytest.fixture(scope="module")
def state():
    """Weights without meaning, whose norms have statistics of their own."""
    generator = torch.Generator().manual_seed(0)
    made = build().state_dict()
    for name, value in made.items():
        if name.endswith(("running_var", "norm1.weight", "norm2.weight")):
            made[name] = torch.rand(value.shape, generator=generator) + 0.5
        elif value.is_floating_point():
            made[name] = torch.randn(value.shape, generator=generator) / max(1, value[0].numel()) ** 0.5
    return made


@pytest.fixture(scope="module")
def weights_file(state, tmp_path_factory):
    """A file as the hub's, named and laid out as a model's class with a hub's mixin writes it."""
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    save_file(state, path, metadata={"format": "pt"})
    return path


@pytest.fixture
def extractor(weights_file, monkeypatch):
    monkeypatch.setenv(WEIGHTS.variable, str(weights_file))
    return CtFm(device="cpu")


def voxels(*shape):
    return np.random.default_rng(1).random(shape, dtype=np.float32)


def test_the_key_set_is_that_of_the_stated_class():
    """77 million parameters, as published; five levels, the last of 512 channels."""
    with torch.device("meta"):
        state = build().state_dict()
    parameters = {name: value for name, value in state.items() if "running" not in name and "num_batches" not in name}
    assert len(state) == 161
    assert sum(value.numel() for value in parameters.values()) == 77_760_992
    assert state["conv_init.weight"].shape == (32, 1, 3, 3, 3)
    assert state["layers.3.downsample.weight"].shape == (512, 256, 3, 3, 3)
    assert state["layers.4.blocks.3.conv2.weight"].shape == (512, 512, 3, 3, 3)


@pytest.mark.parametrize("shape", [(40, 33, 24), (17, 20, 37), (16, 16, 5)])
def test_features_are_the_whole_networks_last_level(extractor, state, shape):
    """Though the first level is computed in slabs; its axes run to superior, posterior, left."""
    network = build().eval()
    network.load_state_dict(state)
    seen = voxels(*shape)
    turned = np.ascontiguousarray(seen[::-1, ::-1].transpose(2, 1, 0))
    with torch.inference_mode():
        expected = network(torch.from_numpy(turned)[None, None])[-1].mean(dim=(2, 3, 4))[0].numpy()
    found = extractor.features(seen)
    assert found.shape == (CtFm.info.dimension,)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_directions_are_told_apart(extractor):
    seen = voxels(32, 24, 20)
    for turned in (seen[::-1], seen[:, ::-1], seen[:, :, ::-1], seen.transpose(1, 0, 2)):
        assert not np.allclose(extractor.features(np.ascontiguousarray(turned)), extractor.features(seen), rtol=1e-3)


def test_it_sees_its_own_spacing_crop_and_window():
    volume = Volume(np.full((400, 40, 20), 2048.0, dtype=np.float32), np.diag([1.0, 2.0, 6.0, 1.0]))
    seen = as_seen(volume, CtFm.info, Window(low=-1000, high=1000))
    assert seen.shape == (320, 80, 40)
    np.testing.assert_allclose(seen, 1.0)


def test_the_hubs_file_is_asked_for_under_its_name_there(loopback, monkeypatch, tmp_path):
    monkeypatch.setenv("MEDBENCH_HOME", str(tmp_path))
    asked = []

    def find(repository, file, *, revision):
        asked.append((repository, file, revision))
        raise Unavailable("enough")

    monkeypatch.setattr(weights_module, "find_on_hub", find)
    with pytest.raises(Unavailable, match="enough"):
        fetch_weights(WEIGHTS)
    assert asked == [("project-lighter/ct_fm_feature_extractor", "model.safetensors", None)]
    with pytest.raises(Unavailable, match=r"medbench weights fetch ct-fm'.* get model\.safetensors from"):
        WEIGHTS.locate()


def test_another_networks_file_is_refused(state, monkeypatch, tmp_path):
    save_file({f"model.{name}": value for name, value in state.items()}, tmp_path / "wrapped.safetensors")
    monkeypatch.setenv(WEIGHTS.variable, str(tmp_path / "wrapped.safetensors"))
    with pytest.raises(CheckpointError, match=r"wrapped\.safetensors does not fit ct-fm: tensors 161 missing"):
        CtFm(device="cpu").features(voxels(16, 16, 16))
