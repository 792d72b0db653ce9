"""Radiomics features of a whole volume: intensities and textures of the body, as the IBSI defines them.

The body is the region of interest: the largest connected part above -500 HU, holes (lungs, bowel gas) filled slice by
slice. An axis longer than 128 voxels is resampled to 128 first, so that time and memory are bounded. Intensities are
clipped to the protocol's window and rounded to whole HU; textures see bins of 25 HU from the window's lower end.

MIRP computes the features (https://oncoray.github.io/mirp, compliant with the IBSI reference values); what is exactly
a multiple of another feature, or divides by a mean HU (whose zero is arbitrary), is left out.

Source: Zwanenburg et al. 2020, The Image Biomarker Standardization Initiative, Radiology 295:328, arXiv:1612.07003.
"""

from __future__ import annotations

import contextlib
import logging
import re
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any, Final

import numpy as np

from medbench.imaging.grid import to_grid
from medbench.imaging.volume import Volume
from medbench.spec import Grid, Window

FAMILIES: Final = {
    "stat": "statistics",
    "ih": "statistics",
    "cm": "glcm",
    "rlm": "glrlm",
    "szm": "glszm",
    "ngt": "ngtdm",
}
"""Prefix of MIRP's feature names, and the family that a figure is reported under."""

_LONGEST_AXIS = 128
_BODY_ABOVE_HU = -500
_SMALLEST_BODY = 0.01  # share of the volume
_BIN_HU = 25.0
_HISTOGRAM = ("ih_entropy", "ih_uniformity")  # the others repeat intensity statistics on bins
_LEFT_OUT = (
    "stat_cov",  # over the mean HU
    "stat_qcod",  # over a sum of HU
    "cm_sum_avg",  # 2 joint averages
    "cm_dissimilarity",  # the difference average
    "cm_clust_tend",  # the sum variance
)
_SETTINGS_IN_NAMES = re.compile(r"(_d1)?(_3d(_v_mrg)?)?(_fbs_w[\d.]+)?$")


def settings(window: Window) -> dict[str, Any]:
    """Return everything that decides the features of a volume on the canonical grid, JSON-ready.

    Example:
        >>> sorted(settings(Window(low=-1000, high=1000)))
        ['mirp', 'version', 'window']
    """
    return {"version": 1, "mirp": version("mirp"), "window": window.model_dump(mode="json")}


def radiomics(volume: Volume, window: Window) -> dict[str, np.ndarray]:
    """Return the radiomics features of a volume's body.

    Args:
        volume: on the canonical grid, HU.
        window: HU beyond it are clipped.

    Returns:
        names: (features,) like ``cm_contrast``; values: (features,) float64, NaN where one is not defined;
        body_voxels: voxels of the body on the working grid, 0 where none was found and the whole volume took its
        place; spacing_mm: (3,) of the working grid.
    """
    small = to_grid(volume, Grid(shape=_working_shape(volume.shape), fit="resize"))
    hu = small.voxels.astype(np.float32).clip(window.low, window.high)
    body = body_mask(hu)
    region = body if body.any() else np.ones_like(body)
    found = _extract(hu, region, window)
    return {
        "names": np.array(list(found), dtype=np.str_),
        "values": np.array(list(found.values()), dtype=np.float64),
        "body_voxels": np.array(int(body.sum())),
        "spacing_mm": np.array(small.spacing_mm),
    }


def body_mask(hu: np.ndarray) -> np.ndarray:
    """Return the largest connected part above -500 HU, its holes filled in each xy slice.

    Args:
        hu: (x, y, z).

    Returns:
        (x, y, z) bool; empty where that part fills less than 1 % of the volume.

    Example:
        >>> hu = np.full((8, 8, 2), -1000)
        >>> hu[2:6, 2:6] = 40
        >>> int(body_mask(hu).sum())
        32
    """
    from scipy import ndimage

    parts, count = ndimage.label(hu > _BODY_ABOVE_HU)
    sizes = np.bincount(parts.reshape(-1), minlength=count + 1)[1:]
    if not count or sizes.max() < _SMALLEST_BODY * hu.size:
        return np.zeros(hu.shape, dtype=bool)
    body: np.ndarray = parts == sizes.argmax() + 1
    for number in range(body.shape[2]):
        body[:, :, number] = ndimage.binary_fill_holes(body[:, :, number])
    return body


def _working_shape(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    x, y, z = (min(size, _LONGEST_AXIS) for size in shape)
    return (x, y, z)


def _extract(hu: np.ndarray, region: np.ndarray, window: Window) -> dict[str, float]:
    from mirp import extract_features

    with _quiet():
        (table,) = extract_features(
            image=hu,
            mask=region.astype(np.uint8),
            image_modality="ct",
            base_feature_families=["stat", "ih", "glcm", "glrlm", "glszm", "ngtdm"],
            base_discretisation_method="fixed_bin_size",
            base_discretisation_bin_width=_BIN_HU,
            resegmentation_intensity_range=[window.low, window.high],
            glcm_distance=1.0,
            glcm_spatial_method="3d_volume_merge",
            glrlm_spatial_method="3d_volume_merge",
            glszm_spatial_method="3d",
            ngtdm_spatial_method="3d",
        )
    found = {}
    for column in table.columns:
        name = _SETTINGS_IN_NAMES.sub("", str(column))
        family = name.partition("_")[0]
        if family in FAMILIES and name not in _LEFT_OUT and (family != "ih" or name in _HISTOGRAM):
            found[name] = float(table[column].iloc[0])
    return found


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep MIRP's remarks off the terminal.

    It calls ``logging.basicConfig`` (which does nothing as long as the root logger has a handler) and warns where a
    region has one level only or a feature divides by zero: that feature becomes NaN, which the metric names.
    """
    root, silent = logging.getLogger(), logging.NullHandler()
    root.addHandler(silent)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"mirp\b")
            warnings.simplefilter("ignore", RuntimeWarning)
            yield
    finally:
        root.removeHandler(silent)
