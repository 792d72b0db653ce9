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


def draw(rng: np.random.Generator) -> Thorax:
    """Draw one thorax."""
    between = rng.uniform
    axis = np.array([-0.62, 0.55, -0.56], np.float32) + rng.normal(0, 0.08, 3).astype(np.float32)
    left = between(300, 420)
    lung_x = between(61, 67)
    return Thorax(
        body=np.array([between(140, 153), between(96, 111)], np.float32),
        squareness=between(2.2, 2.8),
        fat=between(8, 17),
        muscle=between(13, 17),
        lung=np.array([between(52, 58), between(76, 86), between(112, 130)], np.float32),
        lung_x=lung_x,
        dome=np.array([between(-52, -40), between(-60, -48)], np.float32),
        rib_period=between(30, 34),
        rib_phase=between(0, 34),
        rib_slope=between(0.18, 0.30),
        spine_period=between(27, 31),
        spine_phase=between(0, 31),
        heart=np.array([-16, 14, -24], np.float32) + rng.normal(0, 2.5, 3).astype(np.float32),
        axis=axis / np.linalg.norm(axis),
        ventricle=np.array([between(38, 46), between(20, 24)], np.float32),
        wall=between(10, 13),
        chambers=rng.uniform(0.92, 1.08, 3).astype(np.float32),
        aorta=np.array([between(14.5, 17.5), between(11.5, 13.5)], np.float32),
        pulmonary=between(12, 14.5),
        vessels=tuple(_vessels(rng, lung_x)),
        hu={
            "fat": between(-110, -90),
            "muscle": between(45, 65),
            "mediastinum": between(-90, -60),
            "abdomen": between(40, 60),
            "liver": between(80, 120),
            "spleen": between(100, 140),
            "lung": between(-880, -820),
            "vessel": between(20, 120),
            "cortex": between(420, 560),
            "marrow": between(180, 260),
            "disc": between(70, 110),
            "left_blood": left,
            "right_blood": between(180, left - 60),
            "myocardium": between(90, 130),
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
                    end = (start + turned * length * rng.uniform(0.8, 1.2)).astype(np.float32)
                    grown.append(Capsule(start, end, radius))
                    branches.append((end, turned))
            tips = branches
            radius *= 0.72
            length *= 0.78
    return grown
