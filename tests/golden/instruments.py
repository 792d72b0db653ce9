"""Feature networks and a segmenter of the golden run: plain arithmetic in double precision, the same on every chip.

The hash of this file enters the fingerprints of what rests on it, so that nothing is imported here but numpy and the
public ``medbench``: modules may move, and the golden fingerprints stay.
"""

from types import SimpleNamespace

import numpy as np

import medbench

_CELLS = 4
_DIMENSION = 8
_ABOUT = {"version": "1", "stand_in": True, "license": "Apache-2.0", "source": "tests"}


def embedded(image, dimension=_DIMENSION):
    """Mix means and mean squares over 4 cells along each axis; float32, rounded once at the end."""
    image = image.astype(np.float64)
    moments = np.concatenate([_pooled(image), _pooled(image * image)])
    mixed = np.random.default_rng(20250313).integers(-8, 9, (dimension, len(moments))) / 8
    return (mixed @ moments).astype(np.float32)


def _pooled(image):
    for axis, length in enumerate(image.shape):
        starts = np.arange(_CELLS) * length // _CELLS
        image = np.add.reduceat(image, starts, axis=axis)
    return image.ravel() * _CELLS**image.ndim / 1000.0


class Slices:
    """Features of slices."""

    info = SimpleNamespace(name="golden-slices", sees="slices", dimension=_DIMENSION, **_ABOUT)

    def __init__(self, *, device):
        self.device = device

    def weights_sha256(self):
        """Name what stands for weights."""
        return "arithmetic"

    def features(self, slices):
        """Embed each slice."""
        return np.stack([embedded(one) for one in slices])


class Volumes:
    """Features of volumes."""

    info = SimpleNamespace(name="golden-volumes", sees="volumes", dimension=_DIMENSION, **_ABOUT)

    def __init__(self, *, device):
        self.device = device

    def weights_sha256(self):
        """Name what stands for weights."""
        return "arithmetic"

    def features(self, voxels):
        """Embed the volume."""
        return embedded(voxels)


class Thresholds:
    """Regions by HU alone: air in the middle is lung, what is bright is spine, what is brighter than fat is heart."""

    info = SimpleNamespace(name="golden-thresholds", **_ABOUT)

    def __init__(self, *, device):
        self.device = device

    def names(self):
        """Name the regions as the volumes' own label maps do."""
        return {1: "body", 2: "lung_left", 3: "lung_right", 4: "spine", 5: "heart"}

    def weights_sha256(self):
        """Name what stands for weights."""
        return "arithmetic"

    def segment(self, volume):
        """Label a volume."""
        hu = volume.voxels
        x, y, _ = np.indices(hu.shape)
        middle = (abs(x - hu.shape[0] / 2) < 9) & (abs(y - hu.shape[1] / 2) < 6.5)
        labels = np.where(hu > -500, 1, 0).astype(np.uint8)
        labels[(hu < -600) & middle & (x < hu.shape[0] / 2)] = 2
        labels[(hu < -600) & middle & (x >= hu.shape[0] / 2)] = 3
        labels[hu > 320] = 4
        labels[(hu > 130) & (hu <= 320)] = 5
        return medbench.LabelMap(labels, volume.affine, self.names())
