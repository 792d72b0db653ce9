import json
import subprocess
import sys

import numpy as np
import pytest

from medbench.datasets.phantom.dataset import PhantomDataset
from medbench.errors import MissingExtraError, SpecError
from medbench.generators.base import SampleRequest
from medbench.storage.files import sha256_of
from medbench_models.med_lsdm.generator import MedLsdm
from medbench_models.med_lsdm.presets import PRESETS

SHIPPED = MedLsdm("tiny", device="cpu").checkpoints.path("tiny")


@pytest.fixture(scope="module")
def shipped() -> MedLsdm:
    model = MedLsdm("tiny", device="cpu")
    model.load(None)
    return model


def test_the_shipped_checkpoint_is_small_and_says_how_it_was_made(shipped: MedLsdm) -> None:
    assert SHIPPED.stat().st_size < 3_000_000
    card = json.loads(SHIPPED.with_suffix(".json").read_text(encoding="utf-8"))
    assert card["command"] == "medbench fit --model med-lsdm --dataset phantom --preset tiny --seed 0"
    assert card["sha256"] == sha256_of(SHIPPED)
    described, tiny = shipped.networks.description, PRESETS["tiny"]
    assert described.network == tiny.network
    assert described.steps["stage1"] == tiny.stage1.steps
    assert described.steps["stage2"] == tiny.stage2.steps
    assert described.scores["latents_outside"] < 0.05


def test_a_sample_shows_the_lungs_of_its_label_map(shipped: MedLsdm) -> None:
    label_map = PhantomDataset().cases("test")[0].read_label_map()
    (volume,) = shipped.sample(SampleRequest([0], [label_map]))
    np.testing.assert_allclose(volume.affine, label_map.affine)
    lungs = np.isin(label_map.voxels, [value for value, name in label_map.names.items() if name.startswith("lung")])
    body = label_map.voxels > 0
    dark = (volume.voxels < -500) & body
    assert 2 * (dark & lungs).sum() / (dark.sum() + lungs.sum()) > 0.8


def test_nothing_is_made_without_a_label_map(shipped: MedLsdm) -> None:
    with pytest.raises(SpecError, match="draws label maps and makes nothing without one"):
        next(shipped.sample(SampleRequest([0])))


def test_no_public_weights_exist() -> None:
    assert MedLsdm("paper", device="cpu").checkpoints.files == ()
    with pytest.raises(MissingExtraError, match="medbench fit --model med-lsdm --preset paper"):
        MedLsdm("paper", device="cpu").default_checkpoint()


def test_listing_the_model_does_not_import_torch() -> None:
    code = "import sys, medbench_models.med_lsdm.generator as g; g.MedLsdm.info; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
