"""Volumes, arrays and plug-ins as scripts have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from medbench import registry
from medbench.datasets.phantom.dataset import PhantomDataset
from medbench.errors import GeometryError, SpecError
from medbench.imaging.volume import Volume
from medbench.metrics.base import Measurement, MetricInfo
from medbench.metrics.evidence import Evidence
from medbench.metrics.fid25d.metric import Fid25d
from medbench.pipeline.given import named, source, volumes
from medbench.progress import silent

HU = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5).astype(np.int16)


class Mean:
    info: ClassVar = MetricInfo("mean", "1", "", "lower", "HU", 2, 2, "-")

    def __init__(self, scale: Any = 1) -> None:
        self.scale = scale

    def measure(self, evidence: Evidence) -> Measurement:
        raise NotImplementedError


@pytest.mark.parametrize(
    "item",
    [
        HU,
        HU[:, None],
        HU.astype(np.float64),
        HU.astype(np.int64),
        torch.from_numpy(HU),
        torch.from_numpy(HU)[:, None].float().requires_grad_(),
        torch.from_numpy(HU).half(),
        torch.from_numpy(HU).bfloat16(),
    ],
    ids=["int16", "channel", "float64", "int64", "tensor", "graph", "half", "bfloat16"],
)
def test_a_batch_is_its_volumes(item: Any) -> None:
    found = list(volumes(item, spacing=(1, 2, 3)))
    assert [volume.spacing_mm for volume in found] == [(1, 2, 3)] * 2
    for volume, expected in zip(found, HU):
        np.testing.assert_array_equal(volume.voxels, expected)


def test_one_volume_has_three_axes() -> None:
    (volume,) = volumes(HU[0], spacing=(1, 1, 1))
    assert volume.shape == (3, 4, 5)


def test_monais_tensors_bring_their_affine() -> None:
    from monai.data import MetaTensor

    affine = torch.diag(torch.tensor([1.0, 2.0, 3.0, 1.0]))
    (one,) = volumes(MetaTensor(torch.from_numpy(HU[0]), affine=affine), spacing=None)
    assert one.spacing_mm == (1, 2, 3)


@pytest.mark.parametrize(
    ("item", "spacing", "said"),
    [
        (HU, None, r"give spacing=\(x, y, z\) in mm"),
        (HU, (1, 0, 1), "three numbers above 0"),
        (HU[0, 0], (1, 1, 1), r"voxels came as \(4, 5\)"),
        (np.stack([HU, HU], axis=1), (1, 1, 1), r"voxels came as \(2, 2, 3, 4, 5\)"),
        (HU.astype(str), (1, 1, 1), "give HU as numbers"),
        (object(), (1, 1, 1), "a volume came as object"),
    ],
)
def test_what_is_no_volume_is_refused_in_a_line(item: Any, spacing: Any, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        list(volumes(item, spacing=spacing))


def test_volumes_and_arrays_become_files_in_their_order(tmp_path: Path) -> None:
    given = [Volume(HU[0], np.diag([-2.0, 2, 2, 1])), HU, torch.from_numpy(HU[1])]
    files = source(given, name="samples", scratch=tmp_path / "scratch", spacing=(1, 1, 1))
    items = files.volumes(masks=None, progress=silent)
    assert [item.id for item in items] == ["000000", "000001", "000002", "000003"]
    assert items[2].sha256 == items[3].sha256  # equal content, equal bytes
    np.testing.assert_array_equal(Volume.read(items[1].path).voxels, HU[0])
    np.testing.assert_array_equal(Volume.read(items[0].path).voxels, HU[0][::-1])  # x grows to the Right


def test_files_folders_and_columns_stay_where_they_are(tmp_path: Path) -> None:
    Volume(HU[0]).write(tmp_path / "a.nii.gz")
    (tmp_path / "cases.csv").write_text("file\na.nii.gz\n", encoding="utf-8")
    for given in (tmp_path, str(tmp_path / "*.gz"), [tmp_path / "a.nii.gz"], (tmp_path / "cases.csv", "file")):
        found = source(given, name="samples", scratch=tmp_path / "scratch", spacing=None)
        assert [item.path.name for item in found.volumes(masks=None, progress=silent)] == ["a.nii.gz"]
    assert not (tmp_path / "scratch").exists()
    with pytest.raises(SpecError, match="samples came as int"):
        source(3, name="samples", scratch=tmp_path, spacing=None)


def test_a_volume_that_cannot_be_one_is_refused_by_its_own_error() -> None:
    affine = torch.zeros(4, 4)
    from monai.data import MetaTensor

    with pytest.raises(GeometryError):
        list(volumes(MetaTensor(torch.from_numpy(HU[0]), affine=affine), spacing=None))


def test_objects_have_names_while_they_are_needed() -> None:
    with named([Mean, "fid25d", Mean(2), Fid25d, Fid25d()], PhantomDataset, workers=1, progress=silent) as (
        metrics,
        data,
    ):
        assert metrics[1] == metrics[3] == metrics[4] == "fid25d"
        assert data == "phantom"
        assert registry.load("metrics", metrics[0]) is Mean
        assert registry.load("metrics", metrics[2])().scale == 2
        assert registry.canonical(metrics[0]) == metrics[0] == registry.described(metrics[0])
        assert metrics[0] != metrics[2]
    with pytest.raises(registry.UnknownPluginError):
        registry.load("metrics", metrics[0])


def test_an_instance_of_a_registered_data_set_is_that_data_set() -> None:
    phantom = PhantomDataset()
    with named([], phantom, workers=1, progress=silent) as (_, data):
        assert data is not None
        assert registry.load("datasets", data)(None) is phantom
        assert registry.source_sha256(data) is None


def test_objects_stay_in_one_process() -> None:
    with (
        pytest.raises(SpecError, match=r"workers=1, or 'path/to/file.py:Class'"),
        named([Mean], None, workers=2, progress=silent),
    ):
        pass
    with named([Fid25d], None, workers=2, progress=silent) as (metrics, _):
        assert metrics == ("fid25d",)


def test_what_is_not_known_is_said(noting: Any) -> None:
    told = noting()
    with named([Mean(object())], None, workers=1, progress=told):
        pass
    assert "is compared with nothing and not found again, since the content of its 'scale'" in told.notes[0]


@pytest.mark.parametrize(("given", "said"), [([dict], "is no metric"), ("fid25d", r"give \['fid25d'\]")])
def test_what_is_no_metric_is_refused(given: Any, said: str) -> None:
    with pytest.raises(SpecError, match=said), named(given, None, workers=1, progress=silent):
        pass
