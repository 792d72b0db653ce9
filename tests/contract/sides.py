"""Sides of a comparison in memory: a few tiny volumes with everything that a metric may ask for."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medbench import plugin_files
from medbench.imaging.slices import plane_slices
from medbench.imaging.volume import LabelMap, Volume
from medbench.metrics.base import MetricInfo
from medbench.metrics.evidence import Evidence, Input
from medbench.progress import Progress, silent
from medbench.spec import Grid, Plane, Protocol, canonical_json, fingerprint

GOLDEN = Path(__file__).parents[1] / "golden"
_volumes = plugin_files.import_file(GOLDEN / "volumes.py")
_instruments = plugin_files.import_file(GOLDEN / "instruments.py")
_derived: dict[tuple[str, str, str], dict[str, np.ndarray]] = {}

PROTOCOL = Protocol(
    name="contract",
    summary="tiny volumes",
    grid=Grid(shape=_volumes.SHAPE),
    segmenter="thresholds",
    regions=("lung_left", "lung_right", "heart"),
    downstream="tiny",
)


class Body:
    """One volume with its label map, what instruments see in it, and what an autoencoder makes of it.

    Args:
        seed: decides all of it.
        subject: whose volume it is; its own where None.
        broken: whether feature networks and autoencoder answer with NaN.
    """

    def __init__(self, seed: int, *, subject: str | None = None, broken: bool = False) -> None:
        self.id = f"body{seed}"
        self.subject = subject or f"person{seed}"
        self.broken = broken
        self.mask: LabelMap = _volumes.anatomy(seed)
        self.volume: Volume = _volumes.painted(self.mask, seed, noise=50)
        self.seen: LabelMap = _instruments.Thresholds(device="cpu").segment(self.volume)
        self.again = Volume((self.volume.voxels // 16 * 16).astype(np.float32), self.volume.affine)
        if broken:
            self.again.voxels[0] = np.nan

    @functools.cached_property
    def slices(self) -> dict[Plane, np.ndarray]:
        """Features of its slices."""
        network = _instruments.Slices(device="cpu")
        found = {}
        for plane in PROTOCOL.slices.planes:
            slices = plane_slices(self.volume.voxels, plane, protocol=PROTOCOL.slices, window=PROTOCOL.window)
            found[plane] = self._broken(np.concatenate([network.features(chunk) for chunk in slices]))
        return found

    @functools.cached_property
    def vector(self) -> np.ndarray:
        """Features of the whole volume."""
        scaled = (PROTOCOL.window.scale(self.volume.voxels.astype(np.float32)) + 1) / 2
        return self._broken(_instruments.Volumes(device="cpu").features(scaled))

    def _broken(self, features: np.ndarray) -> np.ndarray:
        if self.broken:
            features[..., 0] = np.nan
        return features

    def arrays(self) -> list[np.ndarray]:
        """Return everything that a metric is handed of it."""
        images = (self.volume, self.mask, self.seen, self.again)
        return [image.voxels for image in images] + [image.affine for image in images] + [
            *self.slices.values(),
            self.vector,
        ]  # fmt: skip


class TinySide:
    """A side of bodies (see ``medbench.metrics.evidence.Side``); remembers what was asked of it.

    Args:
        bodies: the volumes.
        keeps: whether what is derived of a volume is computed once, as the pipeline does, or each time.
    """

    masks_stand_for_segmenter = False

    def __init__(self, bodies: Sequence[Body], *, keeps: bool = True) -> None:
        self.bodies = list(bodies)
        self.keeps = keeps
        self.asked: set[str] = set()

    @property
    def ids(self) -> list[str]:
        return [body.id for body in self.bodies]

    @property
    def subjects(self) -> list[str]:
        return [body.subject for body in self.bodies]

    @property
    def content(self) -> str:
        return fingerprint(self.ids)

    def only(self, ids: Sequence[str]) -> TinySide:
        return TinySide([self.bodies[self.ids.index(name)] for name in ids], keeps=self.keeps)

    def slice_features(self, plane: Plane) -> Iterator[np.ndarray]:
        self.asked.add("features")
        return (body.slices[plane] for body in self.bodies)

    def volume_features(self) -> Iterator[np.ndarray]:
        self.asked.add("features")
        return (body.vector for body in self.bodies)

    def region_voxels(self) -> pd.DataFrame:
        rows = [
            {name: int((body.seen.voxels == value).sum()) for value, name in body.seen.names.items()}
            | {"voxels": body.seen.voxels.size, "voxel_ml": float(np.prod(body.seen.spacing_mm)) / 1000.0}
            for body in self.bodies
        ]
        return pd.DataFrame(rows, index=pd.Index(self.ids, name="id"))

    def volumes(self) -> Iterator[Volume]:
        return (body.volume for body in self.bodies)

    def segmentations(self) -> Iterator[LabelMap]:
        return (body.seen for body in self.bodies)

    def masks(self) -> Iterator[LabelMap]:
        return (body.mask for body in self.bodies)

    def reconstructions(self) -> Iterator[tuple[Volume, Volume]]:
        self.asked.add("reconstructions")
        return ((body.volume, body.again) for body in self.bodies)

    def derived(
        self,
        name: str,
        compute: Callable[..., Mapping[str, np.ndarray]],
        *,
        of: Sequence[Input],
        settings: Mapping[str, Any],
    ) -> Iterator[dict[str, np.ndarray]]:
        inputs = {"volume": "volume", "segmentation": "seen", "mask": "mask", "reconstructed": "again"}
        if "reconstructed" in of:
            self.asked.add("reconstructions")
        for body in self.bodies:
            key = (body.id, name, canonical_json(settings))
            if not self.keeps or key not in _derived:
                _derived[key] = dict(compute(*(getattr(body, inputs[what]) for what in of)))
            yield _derived[key]


@dataclass
class Scratch:
    """A place to train in."""

    root: Path
    device: str = "cpu"
    progress: Progress = silent

    @property
    def logs(self) -> Path:
        return self.folder("logs", {})

    def folder(self, name: str, settings: Mapping[str, Any]) -> Path:
        folder = self.root / name / fingerprint(settings)
        folder.mkdir(parents=True, exist_ok=True)
        return folder


@dataclass(frozen=True)
class Scene:
    """Makes evidence of as many subjects as a metric needs.

    Args:
        info: of the metric.
        scratch: a folder.
    """

    info: MetricInfo
    scratch: Path
    sides: dict[str, list[Body]] = field(init=False)

    def __post_init__(self) -> None:
        most = {"real": max(self.info.min_real, 4), "synthetic": max(self.info.min_synthetic, 4), "held_out": 8}
        first = {"real": 0, "synthetic": 100, "held_out": 200}
        sides = {side: [_body(first[side] + number) for number in range(count)] for side, count in most.items()}
        object.__setattr__(self, "sides", sides)

    def evidence(self, *, keeps: bool = True, intervals: bool = True, **sides: Sequence[Body]) -> Evidence:
        """Return evidence.

        Args:
            keeps: see ``TinySide``.
            intervals: whether more than the value is wanted.
            sides: ``real``, ``synthetic``, ``held_out``, in place of the usual ones.
        """
        made = {name: TinySide(bodies, keeps=keeps) for name, bodies in (self.sides | sides).items()}
        return Evidence(PROTOCOL, **made, workspace=Scratch(self.scratch), intervals=intervals)

    def judged(self) -> tuple[str, ...]:
        """Return the sides whose subjects the metric counts."""
        return ("held_out",) if self.info.judges == "autoencoder" else ("real", "synthetic")

    def fewest(self, side: str) -> int:
        """Return the fewest subjects of a side."""
        return self.info.min_synthetic if side == "synthetic" else self.info.min_real


@functools.cache
def _body(seed: int) -> Body:
    return Body(seed)
