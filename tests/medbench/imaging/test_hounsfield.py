"""HU is judged by where all values lie: real CT and its cut-outs pass, common mistakes are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medbench.datasets.phantom.dataset import generate
from medbench.imaging.hounsfield import intensities, intensity_findings, judge
from medbench.imaging.volume import Volume, as_int16

DATA = Path(__file__).parents[2] / "data"
REAL = ("ct_abdomen_pelvis.nii.gz", "cta_heart.nii.gz", "phantom")


def voxels(name):
    return generate(1, (64, 64, 32))[0].voxels if name == "phantom" else Volume.read(DATA / name).voxels


def told(values):
    return list(judge(intensities(Volume(np.asarray(values)))))


def padded(values, hu):
    """Fill what lies outside a round field of view."""
    x, y = np.meshgrid(*[np.linspace(-1, 1, size) for size in values.shape[:2]], indexing="ij")
    values = values.copy()
    values[x * x + y * y > 1.02] = hu
    return values


@pytest.mark.parametrize("name", REAL)
def test_real_ct_passes_whole_and_cut_out(name):
    whole, chance = voxels(name), np.random.default_rng(0)
    assert told(whole) == []
    for size in (32, 48):
        for _ in range(20):
            start = [chance.integers(0, max(1, length - size)) for length in whole.shape]
            cut = whole[tuple(slice(first, first + size) for first in start)]
            assert [one for one in told(cut) if one[0] == "error" or one[1] == "doubtful_hu"] == []


INTERCEPT, TWICE, INVERTED = "rescale intercept", "rescale applied twice", "light and dark are exchanged"


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize(
    ("mistake", "cause"),
    [
        (lambda hu: hu + 1024, INTERCEPT),
        (lambda hu: hu + 1000, INTERCEPT),
        (lambda hu: padded(hu + 1024, -2000), INTERCEPT),
        (lambda hu: padded(hu + 1024, -1024), INTERCEPT),
        (lambda hu: hu - 1024, TWICE),
        (lambda hu: -hu, INVERTED),
        (lambda hu: 3071 - hu, INVERTED),
        (lambda hu: 2047 - hu, INVERTED),
        (lambda hu: hu - 8192, "no CT lacks soft tissue"),
        (lambda hu: 64511 - hu, "no CT lacks soft tissue"),
    ],
    ids=[
        "+1024",
        "+1000",
        "+1024 padded",
        "+1024 padded with -1024",
        "-1024",
        "-hu",
        "3071-hu",
        "2047-hu",
        "-8192",
        "mono",
    ],
)
def test_common_mistakes_are_refused_with_their_cause(name, mistake, cause):
    wrong = mistake(voxels(name).astype(np.float32))
    severity, check, detail = told(wrong if wrong.max() > 32767 else as_int16(wrong))[0]
    assert (severity, check) == ("error", "not_hu")
    assert cause in detail


@pytest.mark.parametrize("values", [(0, 28, 200), (0, 1), (0, 255), (0, 1, 2)])
def test_a_label_map_is_told_from_a_badly_scaled_scan(values):
    labels = np.array(values, np.int16)[np.indices((12, 12, 12))[0] * len(values) // 12]
    ((severity, check, detail),) = told(labels)
    assert (severity, check) == ("error", "label_map")
    assert f"{len(values)} integer values" in detail and "--masks" in detail


def test_a_map_of_many_labels_is_one_where_they_form_regions():
    labels = np.repeat(np.arange(100, dtype=np.int16), 20)[:, None, None] * np.ones((1, 4, 4), np.int16)
    assert told(labels)[0][1] == "label_map"
    noise = np.random.default_rng(0).integers(0, 256, (20, 20, 20)).astype(np.int16)
    assert told(noise)[0][1] == "not_hu"


def test_padding_alone_does_not_hide_what_the_rest_is():
    values = np.full((20, 20, 20), -1000, np.int16)
    values[4:8, 4:8, 4:8] = 1064
    assert told(values)[0][:2] == ("error", "not_hu")


def test_findings_name_their_file(tmp_path):
    (finding,) = intensity_findings(tmp_path / "a.nii", Volume(np.full((3, 3, 3), 5, np.int16)))
    assert (finding.file, finding.check) == (str(tmp_path / "a.nii"), "constant")
