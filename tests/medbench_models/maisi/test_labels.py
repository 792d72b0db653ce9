from __future__ import annotations

import numpy as np
import pytest
import torch

from medbench.datasets.phantom.thorax import LABELS
from medbench.errors import DataError
from medbench.imaging.volume import LabelMap, Volume
from medbench.segmenters.total_models import HEART_CHAMBERS, TOTAL
from medbench.segmenters.totalsegmentator import region_names
from medbench_models.maisi.labels import TRANSLATED, VOCABULARY, bits_of, maisi_numbers, number_of, with_body


def test_the_vocabulary_is_maisis() -> None:
    assert len(VOCABULARY) == 132 - 8 + 1
    assert len(set(VOCABULARY.values())) == len(VOCABULARY)
    samples = {
        "vertebrae L5": 33, "vertebrae T12": 38, "vertebrae C1": 56, "right iliac vena": 61, "left rib 12": 74,
        "right rib 1": 75, "right hip": 96, "right iliopsoas": 107, "right common carotid artery": 113,
        "right subclavian artery": 124, "airway": 132, "body": 200,
    }  # fmt: skip
    assert {name: VOCABULARY[name] for name in samples} == samples


def test_every_structure_of_the_phantom_and_of_totalsegmentator_has_a_translation() -> None:
    from totalsegmentator.map_to_binary import class_map

    names = {*LABELS.values(), *region_names(TOTAL).values(), *region_names(HEART_CHAMBERS).values()}
    names |= {*class_map["total"].values(), "trachea"}
    assert [name for name in names if number_of(name) is None] == []
    assert set(TRANSLATED) <= names
    assert number_of("kidney_cyst_left") == 116
    assert number_of("vertebrae_S1") == 127
    assert number_of("urinary_bladder") == 15


def test_a_label_map_in_maisis_numbers() -> None:
    voxels = np.array([[[0, 1, 2, 9]]], np.uint8)
    found = maisi_numbers(LabelMap(voxels, np.eye(4), {1: "body", 2: "lung_left", 9: "pulmonary_artery"}))
    assert found.tolist() == [[[0, 200, 28, 200]]]


def test_what_cannot_be_translated_is_named() -> None:
    voxels = np.array([[[0, 1, 2, 3]]], np.uint8)
    with pytest.raises(DataError, match=r"no translation of: 2 \(antler\), 3 \(label_3\); leave them out"):
        maisi_numbers(LabelMap(voxels, np.eye(4), {1: "body", 2: "antler", 7: "hoof"}))


def test_a_body_is_needed_and_can_be_made() -> None:
    hu = np.full((16, 16, 4), -1000, np.int16)
    hu[4:12, 4:12] = 40
    hu[6:9, 6:9] = -800
    voxels = np.zeros(hu.shape, np.uint8)
    voxels[6:9, 6:9] = 1
    bare = LabelMap(voxels, np.eye(4), {1: "lung_left"})
    with pytest.raises(DataError, match=r"no label 'body'.*with_body"):
        maisi_numbers(bare)
    clothed = with_body(bare, Volume(hu))
    assert with_body(clothed, Volume(hu)) is clothed
    numbers = maisi_numbers(clothed)
    assert np.array_equal(numbers == 28, voxels == 1)
    assert np.array_equal(numbers == 200, (hu == 40))


def test_bits_begin_with_the_lowest() -> None:
    found = bits_of(torch.tensor([[[[1, 28, 255]]]], dtype=torch.uint8))
    assert found.shape == (1, 8, 1, 1, 3)
    assert found[0, :, 0, 0].T.tolist() == [[1, 0, 0, 0, 0, 0, 0, 0], [0, 0, 1, 1, 1, 0, 0, 0], [1.0] * 8]
