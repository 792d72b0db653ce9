"""The anatomy behind the phantom: the proportions of a thorax, drawn from a random generator.

``draw`` decides everything that chance may decide; ``paint.paint`` is a pure function of what was drawn.
Coordinates are millimetres, RAS+ (x to the patient's Right, y Anterior, z Superior), origin at the volume's centre.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

LABELS: Final[Mapping[int, str]] = {
    1: "body",
    2: "lung_left",
    3: "lung_right",
    4: "spine",
    5: "ribs",
    6: "heart_ventricle_left",
    7: "heart_myocardium",
    8: "heart_ventricle_right",
    9: "heart_atrium_left",
    10: "heart_atrium_right",
    11: "aorta_ascending",
    12: "aorta_descending",
    13: "pulmonary_artery",
}


@dataclass(frozen=True)
class Capsule:
    """A tube of constant radius (mm) with round ends between two points (mm)."""

    start: Array
    end: Array
    radius: float


@dataclass(frozen=True)
class Thorax:
    """Everything chance decided about one thorax: lengths in mm, intensities in HU."""

    body: Array  # half axes x, y
    squareness: float  # exponent of the body's super-ellipse
    fat: float
    muscle: float
    lung: Array  # half axes x, y, z
    lung_x: float
    dome: Array  # height of the right and the left dome above the volume's centre
    rib_period: float
    rib_phase: float
    rib_slope: float
    spine_period: float
    spine_phase: float
    heart: Array  # centre
    axis: Array  # unit vector from the base of the left ventricle to its apex
    ventricle: Array  # half length and half width of the left ventricle's cavity
    wall: float
    chambers: Array  # scale of right ventricle, left atrium, right atrium
    aorta: Array  # radius of the ascending and of the descending aorta
    pulmonary: float
    vessels: tuple[Capsule, ...]
    hu: Mapping[str, float]


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    return float(rng.uniform(low, high))


def draw(rng: np.random.Generator) -> Thorax:
    """Draw one thorax."""
    axis = np.array([-0.62, 0.55, -0.56], np.float32) + rng.normal(0, 0.08, 3).astype(np.float32)
    left = _between(rng, 300, 420)
    lung_x = _between(rng, 61, 67)
    return Thorax(
        body=np.array([_between(rng, 140, 153), _between(rng, 96, 111)], np.float32),
        squareness=_between(rng, 2.2, 2.8),
        fat=_between(rng, 8, 17),
        muscle=_between(rng, 13, 17),
        lung=np.array([_between(rng, 52, 58), _between(rng, 76, 86), _between(rng, 112, 130)], np.float32),
        lung_x=lung_x,
        dome=np.array([_between(rng, -52, -40), _between(rng, -60, -48)], np.float32),
        rib_period=_between(rng, 30, 34),
        rib_phase=_between(rng, 0, 34),
        rib_slope=_between(rng, 0.18, 0.30),
        spine_period=_between(rng, 27, 31),
        spine_phase=_between(rng, 0, 31),
        heart=np.array([-16, 14, -24], np.float32) + rng.normal(0, 2.5, 3).astype(np.float32),
        axis=axis / np.linalg.norm(axis),
        ventricle=np.array([_between(rng, 38, 46), _between(rng, 20, 24)], np.float32),
        wall=_between(rng, 10, 13),
        chambers=rng.uniform(0.92, 1.08, 3).astype(np.float32),
        aorta=np.array([_between(rng, 14.5, 17.5), _between(rng, 11.5, 13.5)], np.float32),
        pulmonary=_between(rng, 12, 14.5),
        vessels=tuple(_vessels(rng, lung_x)),
        hu={
            "fat": _between(rng, -110, -90),
            "muscle": _between(rng, 45, 65),
            "mediastinum": _between(rng, -90, -60),
            "abdomen": _between(rng, 40, 60),
            "liver": _between(rng, 80, 120),
            "spleen": _between(rng, 100, 140),
            "lung": _between(rng, -880, -820),
            "vessel": _between(rng, 20, 120),
            "cortex": _between(rng, 420, 560),
            "marrow": _between(rng, 180, 260),
            "disc": _between(rng, 70, 110),
            "left_blood": left,
            "right_blood": _between(rng, 180, left - 60),
            "myocardium": _between(rng, 90, 130),
        },
    )


def _vessels(rng: np.random.Generator, lung_x: float, levels: int = 5) -> list[Capsule]:
    """Grow a binary tree of tubes from each hilum; every level is 0.72 times as wide as the one before."""
    grown: list[Capsule] = []
    for side in (-1.0, 1.0):
        tips = [(np.array([side * (lung_x - 34), -8, 6], np.float32), np.array([side, 0, 0.1], np.float32))]
        radius, length = 7.0, 34.0
        for _ in range(levels):
            branches = []
            for start, heading in tips:
                for _ in range(2):
                    turned = heading + rng.normal(0, 0.65, 3).astype(np.float32)
                    turned /= np.linalg.norm(turned)
                    end = (start + turned * length * _between(rng, 0.8, 1.2)).astype(np.float32)
                    grown.append(Capsule(start, end, radius))
                    branches.append((end, turned))
            tips = branches
            radius *= 0.72
            length *= 0.78
    return grown
