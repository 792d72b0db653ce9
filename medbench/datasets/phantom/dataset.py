"""The embedded data set: procedural thoraxes with ground-truth labels, deterministic, any shape, no download."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from medbench.datasets.base import Case, Check, DatasetInfo, Split
from medbench.datasets.phantom import thorax
from medbench.datasets.phantom.paint import paint
from medbench.datasets.phantom.thorax import LABELS, Array
from medbench.imaging.volume import LabelMap, Volume
from medbench.spec import Grid

Shape = tuple[int, int, int]

FIELD_OF_VIEW_MM: Final = (332.8, 332.8, 208.0)
DEFAULT_SHAPE: Final[Shape] = (64, 64, 32)
# Metrics take the first cases of "train" as their reference; training a generator takes them all.
SIZES: Final[dict[Split, int]] = {"train": 640, "select": 32, "test": 16}
_SEED_OFFSETS: Final[dict[Split, int]] = {"train": 0, "select": 100_000, "test": 200_000}
_BLOCK_POINTS: Final = 4_000_000


def affine(shape: Shape) -> NDArray[np.float64]:
    """Return the affine (4, 4) of a phantom: RAS+, mm, origin at the centre of the field of view."""
    spacing = np.divide(FIELD_OF_VIEW_MM, shape)
    matrix = np.diag([*spacing, 1.0])
    matrix[:3, 3] = -(np.array(shape) - 1) / 2 * spacing
    return matrix


def generate(seed: int, shape: Shape = DEFAULT_SHAPE) -> tuple[Volume, LabelMap]:
    """Make one phantom.

    Anatomy, pose and a smooth warp depend on the seed alone, not on the shape; voxels larger than 3 mm are the mean
    (labels: the majority) of 2 x 2 x 2 points, so that thin structures keep their partial volume.

    Args:
        seed: 0 .. 2**32-1.
        shape: voxels along x, y, z.

    Returns:
        The volume (int16 HU) and its label map (values of ``LABELS``), on one grid.
    """
    from scipy import ndimage

    rng = np.random.default_rng([seed, 0x7468_6F72])
    anatomy = thorax.draw(rng)
    warp = _draw_warp(rng)
    noise_sd = float(rng.uniform(8, 20))
    noise_rng = np.random.default_rng([seed, 0x6E6F_6973])

    factor = 2 if max(np.divide(FIELD_OF_VIEW_MM, shape)) > 3.0 else 1
    hu = np.empty(shape, np.float32)
    label = np.empty(shape, np.uint8)
    slab = max(1, _BLOCK_POINTS // (shape[0] * shape[1] * factor**3))
    for start in range(0, shape[2], slab):
        stop = min(start + slab, shape[2])
        points = warp(_coordinates(shape, factor, start, stop))
        block_hu, block_label = paint(anatomy, *points)
        hu[..., start:stop] = _block_mean(block_hu, factor)
        label[..., start:stop] = _block_majority(block_label, factor)
    noise = ndimage.gaussian_filter(noise_rng.standard_normal(shape, dtype=np.float32), 0.6)
    hu = ndimage.gaussian_filter(hu, 0.35) + noise * np.float32(noise_sd / noise.std())
    voxels = np.clip(np.rint(hu), -1024, 3071).astype(np.int16)
    matrix = affine(shape)
    return Volume(voxels, matrix), LabelMap(label, matrix, LABELS)


def _draw_warp(rng: np.random.Generator) -> Callable[[Sequence[Array]], tuple[Array, ...]]:
    """Draw the pose and smooth deformation shared by all structures: shift, scale, a 4 x 4 x 4 grid of displacements.

    It maps three coordinate axes (mm) to three warped coordinate grids (mm).
    """
    shift = rng.normal(0, [2.5, 2.5, 5.0]).astype(np.float32)
    scale = np.float32(rng.uniform(0.95, 1.04))
    nodes = rng.normal(0, 2.5, (3, 4, 4, 4)).astype(np.float32)

    def warp(axes: Sequence[Array]) -> tuple[Array, ...]:
        displacement = nodes
        for axis, (coordinates, extent) in enumerate(zip(axes, FIELD_OF_VIEW_MM), start=1):
            position = (coordinates / np.float32(extent) + np.float32(0.5)) * 3
            displacement = _interpolate(displacement, axis, position)
        grids = np.meshgrid(*axes, indexing="ij")
        return tuple((grids[i] - shift[i]) / scale + displacement[i] for i in range(3))

    return warp


def _interpolate(nodes: Array, axis: int, position: Array) -> Array:
    """Linear interpolation of nodes along one axis at positions 0 .. 3."""
    lower = np.clip(np.floor(position), 0, nodes.shape[axis] - 2).astype(int)
    weight = (position - lower).reshape([-1 if a == axis else 1 for a in range(nodes.ndim)]).astype(np.float32)
    between: Array = nodes.take(lower, axis) * (1 - weight) + nodes.take(lower + 1, axis) * weight
    return between


def _coordinates(shape: Shape, factor: int, start: int, stop: int) -> list[Array]:
    """Return the coordinate axes (mm) of the slices ``start`` to ``stop``, ``factor`` points a voxel and axis."""
    axes = []
    for axis, (n, extent) in enumerate(zip(shape, FIELD_OF_VIEW_MM)):
        first, last = (start, stop) if axis == 2 else (0, n)
        index = np.arange(first * factor, last * factor, dtype=np.float64)
        axes.append((((index + 0.5) / (n * factor) - 0.5) * extent).astype(np.float32))
    return axes


def _block_mean(points: Array, factor: int) -> Array:
    x, y, z = (n // factor for n in points.shape)
    means: Array = points.reshape(x, factor, y, factor, z, factor).mean(axis=(1, 3, 5))
    return means


def _block_majority(points: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    if factor == 1:
        return points
    values = np.flatnonzero(np.bincount(points.reshape(-1), minlength=256)).astype(np.uint8)
    corners = [points[i::factor, j::factor, k::factor] for i, j, k in itertools.product(range(factor), repeat=3)]
    majority = corners[0].copy()
    mixed = np.any([corner != majority for corner in corners], axis=0)
    ballots = np.stack([corner[mixed] for corner in corners])
    votes = np.stack([(ballots == value).sum(axis=0, dtype=np.uint8) for value in values])
    majority[mixed] = values[votes.argmax(axis=0)]
    return majority


class PhantomDataset:
    """Procedural thoraxes: body, lungs with vessels, spine, ribs, heart chambers, aorta, pulmonary artery.

    Args:
        root: ignored; the data are computed.
        shape: voxels along x, y, z over a fixed field of view of 332.8 x 332.8 x 208 mm.
    """

    info: ClassVar = DatasetInfo(
        name="phantom",
        version="1",
        summary="procedural thoraxes with ground-truth labels, any shape, no download",
        license="Apache-2.0 (part of medbench)",
        source="medbench",
        protocol="phantom-2.5d",
    )

    def __init__(self, root: Path | None = None, *, shape: Shape = DEFAULT_SHAPE) -> None:
        del root
        self.shape = shape
        self.grid: Grid | None = Grid(shape=shape)

    def cases(self, split: Split) -> Sequence[Case]:
        """Return the cases of a split; each volume and label map is computed when it is read."""
        return [self._case(split, index) for index in range(SIZES[split])]

    def identity(self) -> dict[str, object]:
        """Return name, version and shape."""
        return {"name": self.info.name, "version": self.info.version, "shape": list(self.shape)}

    def verify(self) -> list[Check]:
        """Check that generating is deterministic here: one case twice, voxel for voxel."""
        first, second = (generate(_SEED_OFFSETS["test"], self.shape)[0].voxels for _ in range(2))
        same = bool(np.array_equal(first, second))
        return [Check(check="deterministic", ok=same, detail="held-out case 0 generated twice", mend="")]

    def _case(self, split: Split, index: int) -> Case:
        seed = _SEED_OFFSETS[split] + index
        name = f"{split}-{index:04d}"
        return Case(
            id=name,
            split=split,
            patient=name,
            read_volume=partial(_volume, seed, self.shape),
            read_label_map=partial(_label_map, seed, self.shape),
        )


_left_over: dict[tuple[int, Shape, int], Volume | LabelMap] = {}


def _volume(seed: int, shape: Shape) -> Volume:
    found = _half(seed, shape, 0)
    assert isinstance(found, Volume)
    return found


def _label_map(seed: int, shape: Shape) -> LabelMap:
    found = _half(seed, shape, 1)
    assert isinstance(found, LabelMap)
    return found


def _half(seed: int, shape: Shape, which: int) -> Volume | LabelMap:
    """Return a phantom's volume (0) or label map (1); the other one is kept until somebody asks for it or another."""
    kept = _left_over.pop((seed, shape, which), None)
    if kept is None:
        both = generate(seed, shape)
        kept = both[which]
        _left_over.clear()
        _left_over[seed, shape, 1 - which] = both[1 - which]
    return kept
