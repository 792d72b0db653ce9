import json

import numpy as np
import pytest

from medbench.datasets.phantom.dataset import generate
from medbench.errors import GeometryError, Unavailable
from medbench.imaging.volume import LabelMap, Volume
from medbench.metrics.downstream.dataset import labelled, remapped, write_dataset

REGIONS = ("lung_left", "lung_right", "spine")


@pytest.fixture(scope="module")
def phantoms():
    return [generate(seed, (16, 16, 8)) for seed in range(3)]


def test_labels_become_consecutive_and_keep_their_names():
    label_map = LabelMap(np.array([[[0, 7, 200, 9]]], np.uint8), np.eye(4), {7: "liver", 200: "heart", 9: "aorta"})
    affine = np.diag([2.0, 2, 2, 1])
    found = remapped(label_map, ["heart", "liver", "spleen"], affine=affine)
    assert found.voxels.tolist() == [[[0, 2, 1, 0]]]
    assert found.names == {1: "heart", 2: "liver", 3: "spleen"}
    assert np.array_equal(found.affine, affine)


def test_the_data_set_lies_as_nnunet_reads_it(tmp_path, phantoms):
    write_dataset(tmp_path / "set", phantoms[:2], REGIONS)
    found = sorted(path.relative_to(tmp_path / "set").as_posix() for path in (tmp_path / "set").rglob("*.*"))
    assert found == [
        "dataset.json",
        "imagesTr/case00001_0000.nii.gz",
        "imagesTr/case00002_0000.nii.gz",
        "labelsTr/case00001.nii.gz",
        "labelsTr/case00002.nii.gz",
    ]
    assert json.loads((tmp_path / "set" / "dataset.json").read_text()) == {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, "lung_left": 1, "lung_right": 2, "spine": 3},
        "numTraining": 2,
        "file_ending": ".nii.gz",
    }
    assert np.array_equal(Volume.read(tmp_path / "set" / "imagesTr" / "case00002_0000.nii.gz").voxels,
                          phantoms[1][0].voxels)  # fmt: skip


def test_more_regions_than_labels_are_refused(tmp_path):
    with pytest.raises(Unavailable, match="255 regions at most, there are 300"):
        write_dataset(tmp_path / "set", [], [str(number) for number in range(300)])


def test_only_the_first_volumes_are_described_and_hashed(make_side, phantoms):
    scans, maps = zip(*phantoms)
    found = labelled(make_side(3, scans=scans, drawn=maps), 2, sources=("mask",))
    assert found.volumes == tuple(volume.content_hash() for volume in scans[:2])
    assert len(set(found.labels)) == 2
    assert "lung_left" in found.regions
    assert len(list(found.cases())) == len(list(found.images())) == 2


def test_names_belong_to_what_labels_are(make_side, phantoms):
    volume, labels = phantoms[0]
    renamed = LabelMap(labels.voxels, labels.affine, {**labels.names, 2: "lobe"})
    one, other = (
        labelled(make_side(1, scans=[volume], drawn=[drawn]), 1, sources=("mask",)) for drawn in (labels, renamed)
    )
    assert one.labels != other.labels


def test_a_label_map_on_another_grid_is_refused(make_side, phantoms):
    side = make_side(1, scans=[phantoms[0][0]], drawn=[LabelMap(np.zeros((4, 4, 4), np.uint8))])
    with pytest.raises(GeometryError, match=r"shape \(4, 4, 4\) lies beside a volume of shape \(16, 16, 8\)"):
        labelled(side, 1, sources=("mask",))
