"""The kinds of damage an audit does, each at rising strengths, and what of a set of volumes a strength damages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from medbench.audit import damage
from medbench.evaluation.instruments import Instruments
from medbench.imaging.volume import Volume
from medbench.records.samples import StoredVolume

MODES: Final = 2
COPY_NOISE_HU: Final = 5.0
_SHARES: Final = (0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Bench:
    """What damage is done to, and with.

    Args:
        held_out: the undamaged volumes, one a place in every damaged set.
        training: volumes of the reference, for copies.
        instruments: reads volumes and masks on the canonical grid.
        region: the structure that goes missing; None where the volumes have no masks.
        seed: of all chance.
    """

    held_out: Sequence[StoredVolume]
    training: Sequence[StoredVolume]
    instruments: Instruments
    region: str | None
    seed: int

    def read(self, place: int) -> Volume:
        """Return the undamaged volume of a place."""
        return self.instruments.open(self.held_out[place]).volume()

    def order(self, share: float) -> Sequence[int]:
        """Return the places that a share strikes."""
        return damage.struck(len(self.held_out), share=share, seed=self.seed)


@dataclass(frozen=True)
class Kind:
    """A kind of damage.

    Args:
        name: as in results.
        unit: of the strengths.
        strengths: rising, above 0.
        summary: what is done, in half a sentence.
        at: returns the damaged volume of a place, or None where that place stays as it is.
    """

    name: str
    unit: str
    strengths: tuple[float, ...]
    summary: str
    at: Callable[[Bench, int, float], Volume | None]


def _noise(bench: Bench, place: int, strength: float) -> Volume:
    return damage.noise(bench.read(place), sd_hu=strength, seed=_seed(bench, place))


def _blur(bench: Bench, place: int, strength: float) -> Volume:
    return damage.blur(bench.read(place), sigma_mm=strength)


def _hu_shift(bench: Bench, place: int, strength: float) -> Volume:
    return damage.hu_shift(bench.read(place), hu=strength)


def _missing_structure(bench: Bench, place: int, strength: float) -> Volume | None:
    if bench.region is None or place not in bench.order(strength):
        return None
    label_map = bench.instruments.open(bench.held_out[place]).mask()
    return damage.without_structure(bench.read(place), label_map, region=bench.region)


def _shuffled_slices(bench: Bench, place: int, strength: float) -> Volume:
    return damage.shuffled_slices(bench.read(place), share=strength, seed=_seed(bench, place))


def _stitching(bench: Bench, place: int, strength: float) -> Volume:
    return damage.stitched(bench.read(place), shift_mm=strength)


def _mode_collapse(bench: Bench, place: int, strength: float) -> Volume | None:
    if place not in bench.order(strength):
        return None
    modes = bench.order(1.0)[-MODES:]
    return bench.read(modes[place % len(modes)])


def _training_copies(bench: Bench, place: int, strength: float) -> Volume | None:
    if place not in bench.order(strength):
        return None
    chosen = damage.struck(len(bench.training), share=1.0, seed=bench.seed)
    copied = bench.instruments.open(bench.training[chosen[place % len(chosen)]]).volume()
    return damage.noise(copied, sd_hu=COPY_NOISE_HU, seed=_seed(bench, place))


def _seed(bench: Bench, place: int) -> int:
    return bench.seed * 1_000_003 + place


KINDS: Final = (
    Kind("noise", "HU", (10.0, 20.0, 40.0, 80.0, 160.0), "white noise, standard deviation", _noise),
    Kind("blur", "mm", (1.5, 3.0, 6.0, 12.0), "Gaussian smoothing, standard deviation", _blur),
    Kind("hu_shift", "HU", (10.0, 20.0, 40.0, 80.0), "a constant added to all voxels", _hu_shift),
    Kind("missing_structure", "share", _SHARES, "volumes in which one structure is filled up", _missing_structure),
    Kind("shuffled_slices", "share", _SHARES, "axial slices in each other's places", _shuffled_slices),
    Kind("stitching", "mm", (5.0, 10.0, 20.0, 40.0), "upper half shifted to anterior", _stitching),
    Kind("mode_collapse", "share", _SHARES, f"volumes replaced by copies of {MODES} of them", _mode_collapse),
    Kind(
        "training_copies",
        "share",
        _SHARES,
        f"volumes replaced by training volumes with noise of {COPY_NOISE_HU:g} HU",
        _training_copies,
    ),
)
