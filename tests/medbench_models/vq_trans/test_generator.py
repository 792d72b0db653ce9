import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from medbench.datasets.phantom.dataset import PhantomDataset
from medbench.errors import MissingExtraError, SpecError
from medbench.generators.base import SampleRequest
from medbench.pipeline.options import RunOptions
from medbench.pipeline.run import Run
from medbench.progress import silent
from medbench.storage.files import sha256_of
from medbench_models.vq_trans.generator import VqTrans
from medbench_models.vq_trans.presets import PRESETS

SHIPPED = VqTrans("tiny", device="cpu").checkpoints.path("tiny")


@pytest.fixture(scope="module")
def shipped() -> VqTrans:
    model = VqTrans("tiny", device="cpu")
    model.load(None)
    return model


def test_the_shipped_checkpoint_is_small_and_says_how_it_was_made(shipped: VqTrans) -> None:
    assert SHIPPED.stat().st_size < 3_000_000
    card = json.loads(SHIPPED.with_suffix(".json").read_text(encoding="utf-8"))
    assert card["command"] == "medbench fit --model vq-trans --dataset phantom --preset tiny --seed 0"
    assert card["sha256"] == sha256_of(SHIPPED)
    described, tiny = shipped.networks.description, PRESETS["tiny"]
    assert described.seed == card["seed"] == 0
    assert described.steps["stage1"] == tiny.stage1.steps
    assert described.steps["stage2"] == tiny.stage2.steps
    assert described.codes_used > 0.9


def test_held_out_phantoms_are_reconstructed(shipped: VqTrans) -> None:
    decibels = []
    for case in PhantomDataset().cases("test")[:2]:
        volume = case.read_volume()
        found = shipped.reconstruct(volume)
        assert np.array_equal(found.affine, volume.affine)
        error = np.square(found.voxels.astype(float) - volume.voxels.clip(-1000, 1000)).mean()
        decibels.append(10 * np.log10(2000**2 / error))
    assert np.mean(decibels) >= 30.0


def test_a_sample_is_a_thorax_on_the_phantoms_grid(shipped: VqTrans) -> None:
    real = PhantomDataset().cases("test")[0].read_volume()
    (volume,) = shipped.sample(SampleRequest(seeds=[0]))
    assert volume.shape == real.shape == VqTrans.info.native_shape
    np.testing.assert_allclose(volume.affine, real.affine)
    assert volume.voxels.min() == -1000
    lungs, tissue = ((volume.voxels > low) & (volume.voxels < high) for low, high in ((-950, -650), (-150, 400)))
    for part, whole in ((lungs, real.voxels < -650), (tissue, real.voxels > -150)):
        assert 0.02 < part.mean() < 0.6
        assert whole.any()


def test_label_maps_are_refused_and_not_ignored(shipped: VqTrans, tmp_path: Path) -> None:
    condition = PhantomDataset().cases("test")[0].read_label_map()
    with pytest.raises(SpecError, match="unconditional and cannot follow label maps: leave out --conditional"):
        next(shipped.sample(SampleRequest(seeds=[0], conditions=[condition])))
    with pytest.raises(SpecError, match="not conditional"):
        Run(RunOptions(model="vq-trans", dataset="phantom", conditional=True, out=tmp_path / "run"), silent)


def test_no_public_weights_exist() -> None:
    assert VqTrans("paper", device="cpu").checkpoints.files == ()
    with pytest.raises(MissingExtraError, match="medbench fit --model vq-trans --preset paper"):
        VqTrans("paper", device="cpu").default_checkpoint()


def test_missing_weights_and_presets_are_named() -> None:
    with pytest.raises(SpecError, match="load"):
        next(VqTrans("tiny", device="cpu").sample(SampleRequest(seeds=[0])))
    with pytest.raises(SpecError, match="choose one of tiny, paper"):
        VqTrans("huge", device="cpu").load(SHIPPED)


def test_every_preset_is_said_to_make_the_shape_it_makes() -> None:
    for name, preset in PRESETS.items():
        shape = VqTrans.info.native_shapes.get(name, VqTrans.info.native_shape)
        assert shape is not None
        assert preset.network.shape in (None, shape)


def test_listing_the_model_does_not_import_torch() -> None:
    code = "import sys, medbench_models.vq_trans.generator as g; g.VqTrans.info; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
