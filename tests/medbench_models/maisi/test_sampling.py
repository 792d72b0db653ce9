"""Samples of small networks with random weights: grid, seeds, conditions, and checkpoints that are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from medbench.errors import CheckpointError, DataError
from medbench.generators.base import SampleRequest
from medbench.imaging.volume import LabelMap
from medbench_models.maisi.checkpoint import Description
from medbench_models.maisi.config import MaisiConfig
from medbench_models.maisi.generator import MaisiPt, MaisiSt
from medbench_models.maisi.networks import Autoencoder, Denoiser, build_controlnet
from medbench_models.shared.checkpoint import save

AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])


@pytest.fixture
def checkpoint(small: MaisiConfig, small_preset: str, tmp_path: Path) -> Path:
    """The small networks with random weights; those that begin with zero are drawn too."""
    network = small.network
    torch.manual_seed(0)
    parts = {
        "autoencoder": Autoencoder(network.autoencoder),
        "unet": Denoiser(network).unet,
        "controlnet": build_controlnet(network),
    }
    for part in (parts["unet"], parts["controlnet"]):
        for value in part.parameters():
            if not value.any():
                torch.nn.init.normal_(value, std=0.1)
    description = Description(
        model="maisi-st",
        preset=small_preset,
        network=network,
        scale_factor=0.7,
        shape=(16, 16, 8),
        affine=tuple(tuple(row) for row in AFFINE.tolist()),
        regions=("chest", "abdomen"),
        seed=0,
        steps={},
        scores={},
        trained_on=0,
    )
    path = tmp_path / "random.safetensors"
    save(path, {name: part.state_dict() for name, part in parts.items()}, description)
    return path


@pytest.fixture
def model(checkpoint: Path) -> MaisiSt:
    loaded = MaisiSt("tiny", device="cpu")
    loaded.load(checkpoint)
    return loaded


def condition(shape: tuple[int, int, int], spacing: float = 2.0) -> LabelMap:
    voxels = np.ones(shape, np.uint8)
    voxels[: shape[0] // 2] = 2
    return LabelMap(voxels, np.diag([spacing, spacing, spacing, 1.0]), {1: "body", 2: "lung_left"})


def test_a_sample_lies_on_the_checkpoints_grid(model: MaisiSt) -> None:
    first, second = model.sample(SampleRequest(seeds=[1, 2]))
    assert first.shape == (16, 16, 8)
    assert np.array_equal(first.affine, AFFINE)
    assert first.voxels.dtype == np.int16
    assert not np.array_equal(first.voxels, second.voxels)


def test_a_steered_sample_lies_on_its_label_maps_grid(model: MaisiSt) -> None:
    asked = condition((24, 16, 8), spacing=1.25)
    (volume,) = model.sample(SampleRequest(seeds=[1], conditions=[asked]))
    assert volume.shape == (24, 16, 8)
    assert np.array_equal(volume.affine, asked.affine)


def test_spacing_and_label_map_change_the_sample(model: MaisiSt) -> None:
    maps = [condition((16, 16, 8)), condition((16, 16, 8), spacing=20.0), condition((16, 16, 8))]
    maps[2].voxels[:] = 1
    first, wider, fuller = model.sample(SampleRequest(seeds=[1, 1, 1], conditions=maps))
    assert not np.array_equal(first.voxels, wider.voxels)
    assert not np.array_equal(first.voxels, fuller.voxels)


def test_a_shape_that_it_cannot_make_is_told_the_nearest(model: MaisiSt) -> None:
    with pytest.raises(DataError, match="multiple of 8, and 16x24x8 is nearest"):
        next(model.sample(SampleRequest(seeds=[1], conditions=[condition((16, 22, 8))])))


def test_weights_without_a_controlnet_cannot_be_steered(checkpoint: Path, model: MaisiSt) -> None:
    tensors, description = _opened(checkpoint)
    bare = {name: value for name, value in tensors.items() if not name.startswith("controlnet.")}
    description["network"]["controlnet"] = None
    path = _written(checkpoint.with_name("bare.safetensors"), bare, description)
    model.load(path)
    assert next(model.sample(SampleRequest(seeds=[1]))).shape == (16, 16, 8)
    with pytest.raises(CheckpointError, match="no ControlNet: train stage 3, or leave out --conditional"):
        next(model.sample(SampleRequest(seeds=[1], conditions=[condition((16, 16, 8))])))


def _set(key: str, value: object) -> Callable[[dict[str, object]], None]:
    return lambda description: description.update({key: value})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_set("scale_factor", 0.0), "impossible scale factor"),
        (_set("scale_factor", "much"), "describes itself in a way"),
        (_set("model", "medlord"), "belongs to the model 'medlord', not to maisi-st"),
        (lambda description: description["network"]["unet"].update(channels=[8, 16]), "another unet configuration"),
        (lambda description: description["network"].update(process="ddpm"), "another process configuration"),
    ],
)
def test_checkpoints_of_something_else_are_refused(
    checkpoint: Path, change: Callable[[dict[str, object]], None], words: str
) -> None:
    tensors, description = _opened(checkpoint)
    change(description)
    path = _written(checkpoint.with_name("changed.safetensors"), tensors, description)
    with pytest.raises(CheckpointError, match=words) as refusal:
        MaisiSt("tiny", device="cpu").load(path)
    assert path.name in str(refusal.value)


def test_neither_model_takes_the_others_weights(checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match="belongs to the model 'maisi-st', not to maisi-pt"):
        MaisiPt("tiny", device="cpu").load(checkpoint)


def test_missing_tensors_are_named(checkpoint: Path) -> None:
    tensors, description = _opened(checkpoint)
    del tensors["unet.conv_in.conv.weight"]
    path = _written(checkpoint.with_name("less.safetensors"), tensors, description)
    with pytest.raises(CheckpointError, match=r"1 missing \(unet\.conv_in\.conv\.weight\)"):
        MaisiSt("tiny", device="cpu").load(path)


def test_a_public_file_is_told_how_to_be_converted(tmp_path: Path) -> None:
    torch.save({"unet_state_dict": {}}, tmp_path / "diff_unet.pt")
    with pytest.raises(CheckpointError, match=r"diff_unet\.pt is a file of the public code.*maisi\.convert"):
        MaisiPt("rflow", device="cpu").load(tmp_path / "diff_unet.pt")


def _opened(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, object]]:
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return tensors, json.loads(file.metadata()["medbench"])


def _written(path: Path, tensors: dict[str, torch.Tensor], description: dict[str, object]) -> Path:
    save_file(tensors, path, metadata={"medbench": json.dumps(description)})
    return path
