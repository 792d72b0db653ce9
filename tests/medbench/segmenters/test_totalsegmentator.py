"""What the segmenters make of TotalSegmentator's labels, and that an evaluation uses them.

test_totalsegmentator_real.py runs the real one.
"""

import json
import re
from pathlib import Path

import numpy as np
import pytest

import medbench
from medbench import protocols
from medbench.datasets.phantom.dataset import generate
from medbench.datasets.phantom.thorax import LABELS
from medbench.errors import GeometryError, Unavailable
from medbench.segmenters.total_models import HEART_CHAMBERS, TOTAL, installed_version
from medbench.segmenters.totalsegmentator import TotalSegmentator, TotalSegmentatorHeartChambers, region_names

DOCS = Path(__file__).parents[3] / "docs" / "segmenters.md"


def test_regions_have_the_names_that_the_phantom_uses():
    total, heart = set(region_names(TOTAL).values()), set(region_names(HEART_CHAMBERS).values())
    assert set(LABELS.values()) - total - heart == {"body", "aorta_ascending", "aorta_descending"}
    assert {"lung_left", "lung_right", "spine", "ribs", "heart", "aorta"} <= total
    assert not any(re.match(r"(lung_.+_lobe|vertebrae_|rib_(left|right))", name) for name in total)
    assert "sacrum" in total
    assert "costal_cartilages" in total


@pytest.mark.parametrize("task", [TOTAL, HEART_CHAMBERS])
def test_the_documented_table_is_that_of_the_installed_version(task):
    _, _, section = DOCS.read_text(encoding="utf-8").partition(f"### Labels of `{task.name}`")
    section = section.partition("\n#")[0]
    documented = {int(value): name for value, name in re.findall(r"(\d+) `([\w]+)`", section)}
    assert documented == region_names(task)


def test_the_tasks_are_two_segmenters_and_a_licence_is_the_users_declaration(models):
    total, chambers = TotalSegmentator(device="cpu"), TotalSegmentatorHeartChambers(device="cpu")
    assert total != chambers == eval(repr(chambers))
    assert total.weights_sha256() != chambers.weights_sha256()
    tool = f"1, TotalSegmentator {installed_version()}, task"
    assert total.info.version == f"{tool} total"
    assert chambers.info.version == f"{tool} heartchambers_highres, licence declared by the user"
    assert "a licence that the user declares to hold" in chambers.info.license


def test_without_models_or_licence_nothing_is_segmented(volume, models):
    next(models.glob("Dataset291*/*/plans.json")).unlink()
    with pytest.raises(Unavailable, match="Dataset291 absent or incomplete"):
        TotalSegmentator(device="cpu").segment(volume)
    with pytest.raises(Unavailable, match="needs a licence"):
        TotalSegmentatorHeartChambers(device="cpu").segment(volume)


def test_the_users_configuration_stays_as_it_is(models, licensed, volume, fake):
    before = licensed.read_bytes()
    own = "import json; own = json.load(open(os.environ['TOTALSEG_HOME_DIR'] + '/config.json'))\n"
    number = json.loads(before)["license_number"]
    checks = f"assert own['license_number'] == {number!r} and own['send_usage_stats'] is False, own\n"
    fake(own + checks + "return like(image, np.zeros(image.shape))")
    assert not TotalSegmentatorHeartChambers(device="cpu").segment(volume).voxels.any()
    assert licensed.read_bytes() == before
    assert list(licensed.parent.iterdir()) == [licensed]


def test_lobes_are_merged_and_the_grid_is_kept(models, volume, fake):
    fake("labels = np.zeros(image.shape); labels.flat[:118] = range(118); return like(image, labels)")
    found = TotalSegmentator(device="cpu").segment(volume)
    assert np.array_equal(found.affine, volume.affine)
    assert found.voxels.dtype == np.uint8
    assert list(found.voxels.flat[:16]) == [*range(10), 10, 10, 12, 12, 12, 15]
    assert set(found.voxels.flat) == {0, *found.names}
    assert found.names[int(found.voxels.flat[35])] == "spine"
    assert found.names[int(found.voxels.flat[110])] == "ribs"


@pytest.mark.parametrize("changed", ["image.affine + 0.01", "image.affine[:, [1, 0, 2, 3]]"])
def test_another_grid_is_refused(changed, models, volume, fake):
    fake(f"return nibabel.nifti1.Nifti1Image(np.zeros(image.shape, np.uint8), {changed})")
    with pytest.raises(GeometryError, match="another affine"):
        TotalSegmentator(device="cpu").segment(volume)


# In an evaluation

BY_INTENSITY = """
hu = image.get_fdata()
labels = np.where(hu > 400, 52, np.where(hu > 200, 51, 0))
left = np.arange(hu.shape[0])[:, None, None] < hu.shape[0] // 2
labels = np.where((hu < -600) & (hu > -950), np.where(left, 11, 14), labels)
print("segmented", file=open(os.environ["COUNTED"], "a"))
return like(image, labels)
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Write phantoms and their masks, real and synthetic."""
    root = tmp_path_factory.mktemp("folders")
    for side, seeds in (("real", range(4)), ("synthetic", range(40, 44))):
        for seed in seeds:
            volume, labels = generate(seed, (32, 32, 16))
            volume.write(root / side / f"{seed}.nii.gz")
            labels.write(root / f"{side}-masks" / f"{seed}.nii.gz")
        names = {"2": "lung_left", "3": "lung_right", "6": "heart"}
        (root / f"{side}-masks" / "labels.json").write_text(json.dumps(names), encoding="utf-8")
    return {name: root / name for name in ("real", "synthetic", "real-masks", "synthetic-masks")}


def rvr_of(folders, **more):
    options = {"metrics": ["rvr"], "device": "cpu", "protocol": "medlord-2.5d"} | more
    return medbench.evaluate(folders["synthetic"], real=folders["real"], **options).results[0]


def test_masks_may_stand_in_for_the_segmenter(folders):
    masks = {"masks": folders["synthetic-masks"], "real_masks": folders["real-masks"]}
    rvr = rvr_of(folders, segmenter="precomputed", **masks)
    assert rvr.protocol["compared"] == ["lung_left", "lung_right", "heart"]
    assert any(note.startswith("aorta left out") for note in rvr.notes)


def test_rvr_of_what_it_labelled_each_volume_once(folders, models, fake, monkeypatch, tmp_path):
    monkeypatch.setenv("COUNTED", str(tmp_path / "counted"))
    fake(BY_INTENSITY)
    first, again = rvr_of(folders), rvr_of(folders)
    assert first.protocol["compared"] == ["lung_left", "lung_right", "heart", "aorta"]
    assert first.protocol["segmenter"]["version"] == TotalSegmentator.info.version
    assert first.value == again.value > 0
    assert (tmp_path / "counted").read_text().count("segmented") == 8
    next(models.glob("Dataset291*/*/plans.json")).write_text("others", encoding="utf-8")
    assert rvr_of(folders).fingerprint != first.fingerprint


@pytest.mark.parametrize(("name", "task"), [("medlord-2.5d", TOTAL), ("medlord-2.5d-heart", HEART_CHAMBERS)])
def test_the_protocols_ask_for_regions_that_their_segmenter_has(name, task):
    protocol = protocols.load(name)
    assert protocol.regions
    assert set(protocol.regions) <= set(region_names(task).values())
