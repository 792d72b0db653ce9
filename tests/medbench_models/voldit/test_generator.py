import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from medbench.datasets.phantom.dataset import PhantomDataset
from medbench.datasets.phantom.thorax import LABELS
from medbench.errors import CheckpointError, DataError, SpecError
from medbench.generators.base import SampleRequest
from medbench.imaging.volume import LabelMap
from medbench.segmenters.phantom import PhantomSegmenter
from medbench.storage.files import sha256_of
from medbench.storage.tensors import read_description
from medbench_models.voldit.generator import VolDiT

SHIPPED = VolDiT("tiny", device="cpu").default_checkpoint()


@pytest.fixture(scope="module")
def shipped() -> VolDiT:
    model = VolDiT("tiny", device="cpu")
    model.load(None)
    return model


def test_the_shipped_checkpoint_is_small_and_says_how_it_was_made() -> None:
    description = read_description(SHIPPED)
    assert description is not None
    assert SHIPPED.stat().st_size < 3_000_000
    card = json.loads(SHIPPED.with_suffix(".json").read_text(encoding="utf-8"))
    assert card["command"] == "medbench fit --model voldit --dataset phantom --preset tiny --seed 0"
    assert card["sha256"] == sha256_of(SHIPPED)
    assert card["seed"] == description["seed"] == 0
    tiny = VolDiT.presets["tiny"]
    assert description["steps"]["stage2"] == tiny.stage2.steps
    assert description["steps"]["stage3"] == tiny.stage3.steps
    assert {one["dataset"] for one in description["saw"]} == {"phantom"}


def test_samples_are_hu_on_the_phantoms_grid(shipped: VolDiT) -> None:
    real = PhantomDataset().cases("test")[0].read_volume()
    (volume,) = shipped.sample(SampleRequest(seeds=[0]))
    assert volume.shape == real.shape == VolDiT.info.native_shape
    np.testing.assert_allclose(volume.affine, real.affine)
    assert volume.voxels.min() == -1000
    assert 100 < volume.voxels.max() <= 1000


def labelled(voxels: np.ndarray, names: dict[int, str]) -> LabelMap:
    return LabelMap(voxels.astype(np.uint8), np.eye(4), names)


@pytest.mark.parametrize(
    ("label_map", "words"),
    [
        (labelled(np.ones((64, 64, 64)), {1: "body"}), "64x64x64 voxels do not fit: .* and this one 64x64x32"),
        (labelled(np.full((64, 64, 32), 200), {}), r"label 200 \(label_200\), which this model does not know"),
        (labelled(np.full((64, 64, 32), 3), {3: "liver"}), r"label 3 \(liver\), which this model does not know"),
        (labelled(np.zeros((64, 64, 32)), {1: "body"}), "none of the model's regions"),
    ],
)
def test_conditions_that_make_no_sense_are_refused(shipped: VolDiT, label_map: LabelMap, words: str) -> None:
    with pytest.raises(DataError, match=words):
        next(shipped.sample(SampleRequest(seeds=[0], conditions=[label_map])))


def test_missing_weights_are_refused() -> None:
    with pytest.raises(SpecError, match="load"):
        next(VolDiT("tiny", device="cpu").sample(SampleRequest(seeds=[0])))


def test_weights_without_adapter_sample_and_refuse_conditions(tmp_path: Path) -> None:
    with safe_open(SHIPPED, framework="pt") as file:
        bare = {name: file.get_tensor(name) for name in file.keys() if not name.startswith("adapter.")}  # noqa: SIM118
    description = read_description(SHIPPED)
    assert description is not None
    description["network"]["adapter"] = None
    save_file(bare, tmp_path / "bare.safetensors", metadata={"medbench": json.dumps(description)})
    model = VolDiT("tiny", device="cpu")
    model.load(tmp_path / "bare.safetensors")
    assert next(model.sample(SampleRequest(seeds=[0]))).shape == (64, 64, 32)
    condition = PhantomDataset().cases("test")[0].read_label_map()
    with pytest.raises(CheckpointError, match="no adapter: train stage 3, or leave out --conditional"):
        next(model.sample(SampleRequest(seeds=[0], conditions=[condition])))


def test_samples_follow_their_label_maps(shipped: VolDiT) -> None:
    """As the metric adherence sees the lungs of held-out phantoms."""
    segmenter, found = PhantomSegmenter(device="cpu"), []
    conditions = [case.read_label_map() for case in PhantomDataset().cases("test")[:3]]
    for condition, sample in zip(conditions, shipped.sample(SampleRequest(seeds=range(3), conditions=conditions))):
        assert np.array_equal(sample.affine, condition.affine)
        seen = segmenter.segment(sample).voxels
        lungs = [value for value, name in LABELS.items() if name.startswith("lung")]
        found.append([_dice(seen == value, condition.voxels == value) for value in lungs])
    assert np.median(found, axis=0).min() >= 0.8


def _dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * np.sum(a & b) / (a.sum() + b.sum()))


def test_listing_the_model_does_not_import_torch() -> None:
    code = "import sys, medbench_models.voldit.generator as g; g.VolDiT.info; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_transformer_that_was_tuned_with_masks_is_given_empty_ones(shipped: VolDiT) -> None:
    seen: list[torch.Tensor] = []
    embedding = shipped.networks.adapter.embedding
    hook = embedding.register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))
    next(shipped.sample(SampleRequest(seeds=[0])))
    hook.remove()
    assert VolDiT.presets["tiny"].network.adapter.tuned
    assert [one.shape for one in seen] == [(1, 1, 64, 64, 32)]
    assert not seen[0].any()


def test_masks_are_embedded_once_for_all_steps(shipped: VolDiT) -> None:
    seen: list[object] = []
    shipped.networks.adapter.embedding.register_forward_hook(lambda *call: seen.append(call))
    condition = PhantomDataset().cases("test")[0].read_label_map()
    next(shipped.sample(SampleRequest(seeds=[0], conditions=[condition])))
    assert len(seen) == 1
