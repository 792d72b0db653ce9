"""The thorax as implicit shapes: HU and labels at coordinates, painted structure by structure."""

from __future__ import annotations

import itertools
from copy import copy
from typing import Final

import numpy as np
from numpy.typing import NDArray

from medbench.datasets.phantom.thorax import LABELS, Array, Capsule, Thorax

Where = NDArray[np.bool_] | tuple[NDArray[np.intp], ...]
Corner = NDArray[np.floating] | tuple[float, float, float]
_VALUE: Final = {name: value for value, name in LABELS.items()}
_LUNGS: Final = (_VALUE["lung_left"], _VALUE["lung_right"])
_ROUNDING_MM: Final = 1.0  # a box is that much larger: a point may count as inside by a rounding


def paint(thorax: Thorax, x: Array, y: Array, z: Array) -> tuple[Array, NDArray[np.uint8]]:
    """Evaluate a thorax at coordinates.

    Args:
        thorax: what was drawn.
        x: coordinates in mm, any shape; ``y`` and ``z`` have the same.

    Returns:
        HU (float32) and label values (uint8, see ``LABELS``), both of the coordinates' shape.
    """
    canvas = _Canvas(x, y, z, thorax)
    abdomen = _below_diaphragm(canvas, thorax)
    _paint_trunk(canvas, thorax, abdomen)
    _paint_lungs(canvas, thorax, abdomen)
    _paint_skeleton(canvas, thorax)
    _paint_heart(canvas, thorax, abdomen)
    _paint_great_vessels(canvas, thorax)
    return canvas.hu, canvas.label


class _Canvas:
    """Coordinates with the HU and labels painted so far; later paint covers earlier paint."""

    def __init__(self, x: Array, y: Array, z: Array, thorax: Thorax) -> None:
        self.x, self.y, self.z = x, y, z
        self._squareness = np.float32(thorax.squareness)
        self._extremes = tuple(_extremes(axis, coordinates) for axis, coordinates in enumerate((x, y, z)))
        self._powers = (np.abs(x) ** self._squareness, np.abs(y) ** self._squareness)
        self.hu: Array = np.full(x.shape, -1000.0, np.float32)
        self.label: NDArray[np.uint8] = np.zeros(x.shape, np.uint8)

    def fill(self, where: Where, hu: float | Array, region: str | None = "body") -> None:
        """Set HU, and the label unless ``region`` is None (the label below then stays)."""
        self.hu[where] = hu[where] if isinstance(hu, np.ndarray) else hu
        if region is not None:
            self.label[where] = _VALUE[region]

    def tube(self, capsule: Capsule) -> Where:
        """Return the indices of the points inside a capsule; only the box around it is looked at."""
        low = np.minimum(capsule.start, capsule.end) - capsule.radius
        high = np.maximum(capsule.start, capsule.end) + capsule.radius
        box = self.box(low, high)
        points = np.stack([self.x[box], self.y[box], self.z[box]], axis=-1)
        along, offset = capsule.end - capsule.start, points - capsule.start
        share = np.clip(offset @ along / float(along @ along), 0.0, 1.0)
        distance: Array = np.linalg.norm(offset - share[..., None] * along, axis=-1)
        inside = np.nonzero(distance <= capsule.radius)
        return tuple(index + side.start for index, side in zip(inside, box))

    def within(self, half: Array) -> NDArray[np.bool_]:
        """Return the inside of the trunk's super-ellipse with half axes (mm) along x and y."""
        scale = np.float32(1) / half**self._squareness
        return np.asarray(self._powers[0] * scale[0] + self._powers[1] * scale[1] < 1)

    def ellipsoid(
        self, centre: Array, half_axes: Array, frame: Array | None = None, *, power: float = 2.0
    ) -> NDArray[np.bool_]:
        """Return the inside, looking only at the box around it.

        Args:
            centre: mm.
            half_axes: mm.
            frame: the axes' directions in its rows; those of the coordinates where not given.
            power: above 2, a super-ellipsoid.
        """
        reach = half_axes if frame is None else np.linalg.norm(frame * half_axes[:, None], axis=0)
        box = self.box(centre - reach - _ROUNDING_MM, centre + reach + _ROUNDING_MM)
        offsets = [coordinates[box] - middle for coordinates, middle in zip((self.x, self.y, self.z), centre)]
        if frame is not None:
            offsets = [row[0] * offsets[0] + row[1] * offsets[1] + row[2] * offsets[2] for row in frame]
        inside = np.zeros(self.x.shape, bool)
        inside[box] = sum(np.abs(o / h) ** power for o, h in zip(offsets, half_axes)) < 1
        return inside

    def part(self, low: Corner, high: Corner) -> _Canvas:
        """Return the canvas of a box of points that holds all with coordinates (mm) from ``low`` to ``high``."""
        box, part = self.box(low, high), copy(self)
        part.x, part.y, part.z = self.x[box], self.y[box], self.z[box]
        part.hu, part.label = self.hu[box], self.label[box]  # views: what is painted here is painted there
        part._powers = self._powers[0][box], self._powers[1][box]
        part._extremes = tuple((least[side], most[side]) for (least, most), side in zip(self._extremes, box))
        return part

    def box(self, low: Corner, high: Corner) -> tuple[slice, slice, slice]:
        """Return a box of points that holds all with coordinates (mm) from ``low`` to ``high``."""
        x, y, z = (_extent(*self._extremes[axis], low[axis], high[axis]) for axis in range(3))
        return x, y, z

    def lungs(self, where: Where | slice) -> NDArray[np.bool_]:
        """Return which of these points are lung so far."""
        label = self.label[where]
        return np.asarray((label == _LUNGS[0]) | (label == _LUNGS[1]))


def _extremes(axis: int, coordinates: Array) -> tuple[Array, Array]:
    """Smallest and largest coordinate (mm) on each plane across an axis: a warp bends planes a little."""
    others = tuple(a for a in range(3) if a != axis)
    return coordinates.min(axis=others), coordinates.max(axis=others)


def _extent(smallest: Array, largest: Array, low: float, high: float) -> slice:
    touched = np.flatnonzero((largest >= low) & (smallest <= high))
    return slice(int(touched[0]), int(touched[-1]) + 1) if touched.size else slice(0, 0)


def _cage(thorax: Thorax) -> Array:
    """Half axes (mm) of the space inside the chest wall."""
    return thorax.body - np.float32(thorax.fat + thorax.muscle)


def _below_diaphragm(canvas: _Canvas, thorax: Thorax) -> NDArray[np.bool_]:
    """Below the higher of two domes, each a Gaussian hill of 42 mm."""
    highest = float(thorax.dome.max()) + _ROUNDING_MM
    box = canvas.box((-np.inf, -np.inf, -np.inf), (np.inf, np.inf, highest))
    x, y, z = canvas.x[box], canvas.y[box], canvas.z[box]
    forward = (y / 78) ** 2
    right, left = (
        np.exp(-(((x - side * 62) / 62) ** 2) - forward) * 42 + (height - 42)
        for side, height in zip((1.0, -1.0), thorax.dome)
    )
    below = np.zeros(canvas.x.shape, bool)
    below[box] = z < np.maximum(right, left)
    return below


def _paint_trunk(canvas: _Canvas, thorax: Thorax, abdomen: NDArray[np.bool_]) -> None:
    hu = thorax.hu
    cage = _cage(thorax)
    canvas.fill(canvas.within(thorax.body), hu["fat"])
    canvas.fill(canvas.within(thorax.body - np.float32(thorax.fat)), hu["muscle"])
    inside = canvas.within(cage)
    canvas.fill(inside, hu["mediastinum"])
    below = inside & abdomen
    canvas.fill(below, hu["abdomen"])
    liver = canvas.ellipsoid(np.array([48, 8, -82], np.float32), np.array([74, 70, 60], np.float32))
    spleen = canvas.ellipsoid(np.array([-80, -32, -88], np.float32), np.array([30, 34, 40], np.float32))
    canvas.fill(below & liver, hu["liver"])
    canvas.fill(below & spleen, hu["spleen"])


def _paint_lungs(canvas: _Canvas, thorax: Thorax, abdomen: NDArray[np.bool_]) -> None:
    allowed = canvas.within(_cage(thorax)) & ~abdomen
    # Dependent lung is denser: 0.6 HU more for each mm towards the back.
    parenchyma = np.float32(thorax.hu["lung"]) - 0.6 * canvas.y
    for side, region in ((-1.0, "lung_left"), (1.0, "lung_right")):
        centre = np.array([side * thorax.lung_x, -2, -22], np.float32)
        canvas.fill(allowed & canvas.ellipsoid(centre, thorax.lung, power=2.4), parenchyma, region)
    for vessel in thorax.vessels:
        inside = canvas.tube(vessel)
        lung = canvas.lungs(inside)
        canvas.fill(tuple(index[lung] for index in inside), thorax.hu["vessel"], None)
    trachea = np.array([[1, -12, 110], [1, -14, 32]], np.float32)
    canvas.fill(canvas.tube(Capsule(trachea[0], trachea[1], 8.5)), -960, "body")
    for side in (-1.0, 1.0):
        canvas.fill(canvas.tube(Capsule(trachea[1], np.array([side * 30, -16, 12], np.float32), 6.0)), -940, None)


def _paint_skeleton(canvas: _Canvas, thorax: Thorax) -> None:
    hu = thorax.hu
    cage = _cage(thorax)
    outside = ~canvas.within(cage)
    shell = outside & canvas.within(cage + np.float32(12.0))
    # Ribs slope down towards the front; heights repeat with the period.
    y, z = canvas.y[shell], canvas.z[shell]
    height = (z + thorax.rib_slope * (y + cage[1]) + thorax.rib_phase) % thorax.rib_period
    band = np.abs(height - thorax.rib_period / 2)
    aside = (np.abs(canvas.x[shell]) > 18) | (y < 0)
    rib, middle = np.zeros(shell.shape, bool), np.zeros(shell.shape, bool)
    rib[shell], middle[shell] = (band < 7.0) & aside, (band < 3.5) & aside
    canvas.fill(rib, hu["cortex"], "ribs")
    core = middle & canvas.within(cage + np.float32(8.5)) & ~canvas.within(cage + np.float32(3.5))
    canvas.fill(core, hu["marrow"], "ribs")
    sternum = shell & (canvas.y > 0) & (np.abs(canvas.x) < 18) & (canvas.z > -45)
    canvas.fill(sternum, hu["marrow"] + 60, "ribs")
    back = -cage[1] + 12
    _paint_spine(canvas.part((-20, -np.inf, -np.inf), (20, back + 24, np.inf)), thorax, back)


def _paint_spine(canvas: _Canvas, thorax: Thorax, back: np.float32) -> None:
    hu = thorax.hu
    body = ((canvas.x / 19) ** 2 + ((canvas.y - back - 6) / 17) ** 2) < 1
    rim = ((canvas.x / 15) ** 2 + ((canvas.y - back - 6) / 13) ** 2) >= 1
    disc = (canvas.z + thorax.spine_phase) % thorax.spine_period < 7.0
    canvas.fill(body, hu["marrow"], "spine")
    canvas.fill(body & rim, hu["cortex"] - 80, "spine")
    canvas.fill(body & disc, hu["disc"], "spine")
    arch = ((canvas.x / 16) ** 2 + ((canvas.y - back + 18) / 13) ** 2) < 1
    canal = ((canvas.x / 8.5) ** 2 + ((canvas.y - back + 17) / 7.5) ** 2) < 1
    process = (np.abs(canvas.x) < 5) & (canvas.y < back - 26) & (canvas.y > back - 46)
    level = (canvas.z + thorax.spine_phase) % thorax.spine_period > 9.0
    canvas.fill((arch | process) & level & ~body, hu["cortex"] - 140, "spine")
    canvas.fill(canal & ~body, 30, "spine")


def _heart_frame(axis: Array) -> Array:
    """Rows: base-to-apex direction, then the direction towards the right heart, then the third axis."""
    rightward = np.array([0.75, 0.55, 0.0], np.float32)
    rightward -= axis * float(rightward @ axis)
    rightward /= np.linalg.norm(rightward)
    return np.stack([axis, rightward, np.cross(axis, rightward)]).astype(np.float32)


def _paint_heart(canvas: _Canvas, thorax: Thorax, abdomen: NDArray[np.bool_]) -> None:
    hu = thorax.hu
    frame = _heart_frame(thorax.axis)
    length, width = (float(v) for v in thorax.ventricle)
    centre = thorax.heart
    base = centre - thorax.axis * length * 0.75
    rv_scale, la_scale, ra_scale = (np.float32(v) for v in thorax.chambers)

    rim = canvas.ellipsoid(centre - thorax.axis * 14, np.array([80, 62, 58], np.float32), frame)
    canvas.fill(rim & canvas.lungs(slice(None)) & ~abdomen, hu["mediastinum"])

    la = canvas.ellipsoid(base + np.array([4, -24, 12], np.float32), np.array([27, 19, 23], np.float32) * la_scale)
    canvas.fill(la, hu["left_blood"] - 10, "heart_atrium_left")
    ra_centre = centre + np.array([52, 4, 10], np.float32)
    ra = canvas.ellipsoid(ra_centre, np.array([24, 26, 32], np.float32) * ra_scale)
    canvas.fill(ra, hu["right_blood"], "heart_atrium_right")
    rv_centre = centre + frame[1] * 36 - thorax.axis * 4
    rv = canvas.ellipsoid(rv_centre, np.array([42, 20, 31], np.float32) * rv_scale, frame)
    canvas.fill(rv, hu["right_blood"], "heart_ventricle_right")

    outer = np.array([length, width, width], np.float32) + np.float32(thorax.wall)
    along = sum(direction * axis for direction, axis in zip(thorax.axis, (canvas.x, canvas.y, canvas.z)))
    not_base = along > float(thorax.axis @ base)
    canvas.fill(canvas.ellipsoid(centre, outer, frame) & not_base, hu["myocardium"], "heart_myocardium")
    cavity = canvas.ellipsoid(centre, np.array([length, width, width], np.float32), frame)
    canvas.fill(cavity, hu["left_blood"], "heart_ventricle_left")


def _paint_great_vessels(canvas: _Canvas, thorax: Thorax) -> None:
    hu = thorax.hu
    ascending, descending = (float(v) for v in thorax.aorta)
    root = thorax.heart - thorax.axis * float(thorax.ventricle[0]) * 0.8 + np.array([8, 8, 12], np.float32)
    top = np.array([13, 10, 56], np.float32)
    back = _cage(thorax)[1]
    down = np.array([-24, -back + 34, 50], np.float32)

    trunk = thorax.heart + np.array([6, 26, 32], np.float32)
    fork = thorax.heart + np.array([-2, 2, 60], np.float32)
    for start, end, radius in (
        (trunk, fork, thorax.pulmonary),
        (fork, fork + np.array([-42, -12, 4], np.float32), thorax.pulmonary * 0.72),
        (fork, fork + np.array([56, -14, -4], np.float32), thorax.pulmonary * 0.72),
    ):
        canvas.fill(canvas.tube(Capsule(start, end, radius)), hu["right_blood"], "pulmonary_artery")
    cava = np.array([[34, 4, 100], [34, 2, 8]], np.float32)
    canvas.fill(canvas.tube(Capsule(cava[0], cava[1], 9.5)), hu["right_blood"] - 20, "body")
    canvas.fill(canvas.tube(Capsule(root, top, ascending)), hu["left_blood"], "aorta_ascending")
    bend = np.array([-2, -8, 96], np.float32)
    curve = [(1 - t) ** 2 * top + 2 * t * (1 - t) * bend + t**2 * down for t in np.linspace(0, 1, 9, dtype=np.float32)]
    for index, (start, end) in enumerate(itertools.pairwise(curve)):
        share = (index + 0.5) / (len(curve) - 1)
        region = "aorta_ascending" if share < 0.5 else "aorta_descending"
        radius = ascending * (1 - share) + descending * share
        canvas.fill(canvas.tube(Capsule(start, end, radius)), hu["left_blood"], region)
    end = np.array([-22, -back + 34, -200], np.float32)
    canvas.fill(canvas.tube(Capsule(down, end, descending)), hu["left_blood"], "aorta_descending")
