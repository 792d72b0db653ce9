"""Memorisation: the share of samples that copy a training case, beyond what held-out real volumes show by chance.

After Dar et al. A small encoder is trained on the training volumes alone; similarity r is Pearson's correlation of two
embeddings, NCC that of the voxels. Per volume, the distance (1 - r)(1 - NCC) to the nearest training volume is set in
relation to that of the next nearest training volume of another patient: a copy lies much nearer to its original than to
anything else, a stranger about as near to both. That ratio does not depend on how many training volumes there are,
so that samples and held-out volumes, however few, are compared with all of them. A sample is flagged where its ratio
lies below that of nearly all held-out subjects; what ranks alone say about chance is exact (see ``share``).

Source: Dar et al. 2024, arXiv:2402.01054 (embedding and similarity); the ratio, its ranks and the voxels are ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from medbench.errors import NotEnoughCasesError, Unavailable
from medbench.metrics.base import Figure, Measurement, MetricInfo, require_subjects
from medbench.metrics.evidence import Derivation, Evidence, Side, volume_table
from medbench.metrics.memorization.copies import Recipe, aligned_ncc, of_volumes
from medbench.metrics.memorization.figure import draw
from medbench.metrics.memorization.nearest import (
    Nearness,
    candidates,
    columns_of_others,
    distance_ratio,
    nearness_of,
    others,
    strips,
)
from medbench.metrics.memorization.parts import PARTS
from medbench.metrics.memorization.share import Ranks, smallest_by_subject
from medbench.statistics.resampling import NOT_ASKED, Interval
from medbench.storage.seals import is_sound, place_of, sealed_path

if TYPE_CHECKING:
    from medbench.metrics.memorization.contrastive import TrainedEncoder
    from medbench.spec import Protocol

_FEWEST_HELD_OUT = 8
_CANDIDATES = 5
_COPIES_FILE = "copies.npy"


def _derives(protocol: Protocol) -> Sequence[Derivation]:
    return (of_volumes(protocol),)


class Memorization:
    """Share of samples that copy a training case, beyond the share of held-out real volumes that seem to.

    Args:
        recipe: how the encoder is trained.
    """

    info: ClassVar[MetricInfo] = MetricInfo(
        name="memorization",
        version="2",
        summary="share of samples that copy a training volume, beyond what held-out real volumes show by chance",
        better="lower",
        unit=None,
        min_real=8,
        min_synthetic=2,
        parts=PARTS,
        source="Dar et al. 2024, arXiv:2402.01054; ranks: Nelson 1963, Technometrics 5:491 (precedence test)",
        floor="own",
        by_default=False,
        derives=_derives,
        figures=(
            Figure(
                name="memorization_pairs",
                caption="The samples most like a training volume, moved by the best small shift, beside it, and the "
                "difference; r is the correlation of the embeddings, voxels that of the voxels, ratio the distance "
                "over that to the next patient.",
                alt="Slices of nearest training volumes, of samples and of the signed difference in HU",
                draw=draw,
                dark=True,
            ),
        ),
    )

    def __init__(self, recipe: Recipe | None = None) -> None:
        self.recipe = recipe or Recipe()

    def measure(self, evidence: Evidence) -> Measurement:
        """Compute the metric.

        Raises:
            Unavailable: there are no held-out volumes, or an embedding that correlates with nothing.
            NotEnoughCasesError: too few subjects, held-out ones included.
        """
        real, synthetic, held_out = evidence.real, evidence.synthetic, _held_out(evidence)
        require_subjects(self.info, real=real.subjects, synthetic=synthetic.subjects)
        training = self._stored_copies(real, evidence)
        encoder = self._encoder(training, evidence)
        at_training, at_samples, at_held_out = (
            np.stack([encoder.embed(copy) for copy in copies])
            for copies in (training, *(_copies(side, evidence) for side in (synthetic, held_out)))
        )
        samples, strangers = (
            _nearness(side, strips(embeddings, at_training), training, evidence)
            for side, embeddings in ((synthetic, at_samples), (held_out, at_held_out))
        )
        ratios = _ratios(at_training, at_samples, at_held_out, held_out.subjects)
        return _measurement(samples, strangers, ratios, evidence, held_out)

    def _stored_copies(self, side: Side, evidence: Evidence) -> np.ndarray:
        """Return the working copies of a side (n, x, y, z), memory-mapped; made where absent."""
        settings = _settings(evidence, volumes=side.content)
        path = evidence.workspace.folder("memorization-copies", settings) / _COPIES_FILE
        key = place_of(path)
        if not is_sound(path, key, evidence.workspace.progress):
            with sealed_path(path, key) as temporary:
                stored = None
                for row, (volume, copy) in enumerate(zip(side.ids, _copies(side, evidence))):
                    if stored is None:
                        shape = (len(side.ids), *copy.shape)
                        stored = np.lib.format.open_memmap(temporary, "w+", copy.dtype, shape)
                    _require_shape(volume, copy, stored)
                    stored[row] = copy
                del stored
        copies_of_all: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
        return copies_of_all

    def _encoder(self, training: np.ndarray, evidence: Evidence) -> TrainedEncoder:
        from medbench.metrics.memorization.contrastive import trained_encoder

        workspace = evidence.workspace
        settings = _settings(evidence, volumes=evidence.real.content, recipe=asdict(self.recipe))
        folder = workspace.folder("memorization", settings)
        return trained_encoder(
            training, self.recipe, folder=folder, device=workspace.device, progress=workspace.progress
        )


def _held_out(evidence: Evidence) -> Side:
    held_out = evidence.held_out
    if held_out is None:
        raise Unavailable("there are no held-out real volumes: without them nobody knows how similar strangers are")
    count = len(set(held_out.subjects))
    if count < _FEWEST_HELD_OUT:
        raise NotEnoughCasesError(
            f"memorization needs {_FEWEST_HELD_OUT} held-out subjects or more for its threshold and floor, got {count}"
        )
    return held_out


def _settings(evidence: Evidence, **further: object) -> dict[str, object]:
    """Return what decides how a volume looks to the encoder, and further settings."""
    grid = evidence.protocol.grid
    return further | {
        "version": Memorization.info.version,
        "window": evidence.protocol.window.model_dump(mode="json"),
        "grid": grid.model_dump(mode="json") if grid else None,
    }


def _copies(side: Side, evidence: Evidence) -> Iterator[np.ndarray]:
    return (arrays["copy"] for arrays in of_volumes(evidence.protocol).from_side(side))


def _require_shape(volume: str, copy: np.ndarray, others: np.ndarray) -> None:
    if copy.shape != others.shape[1:]:
        raise Unavailable(f"{volume} has another shape than the other volumes: give a protocol with a grid")


def _ratios(
    training: np.ndarray, samples: np.ndarray, held_out: np.ndarray, subjects: Sequence[str]
) -> dict[str, float | str]:
    """Return how much nearer samples lie to training than to held-out volumes, and held-out ones to each other."""

    def whole(first: np.ndarray, second: np.ndarray) -> Iterator[np.ndarray]:
        return (strip for _, strip in strips(first, second))

    beside = (others(strip, subjects, rows) for rows, strip in strips(held_out, held_out))
    most, most_beside = min(len(training), len(held_out)), min(len(training), columns_of_others(subjects))
    return {
        "nn_ratio": distance_ratio(whole(samples, training), whole(samples, held_out), among=most),
        "nn_ratio_floor": distance_ratio(whole(held_out, training), beside, among=most_beside),
    }


def _nearness(
    side: Side, similarities: Iterable[tuple[slice, np.ndarray]], training: np.ndarray, evidence: Evidence
) -> Nearness:
    """Return how near each volume of a side lies to the training volumes; voxels of a few candidates are compared."""
    found = []
    for _, strip in similarities:
        near = candidates(strip, evidence.real.subjects, most=_CANDIDATES)
        found.append((near, np.take_along_axis(strip, near, axis=1)))
    chosen, likeness = (np.concatenate(part) for part in zip(*found))
    ncc = np.empty(chosen.shape)
    for row, (name, copy) in enumerate(zip(side.ids, _copies(side, evidence))):
        _require_shape(name, copy, training)
        ncc[row] = [aligned_ncc(copy, training[index]) for index in chosen[row]]
    return nearness_of(chosen, likeness, ncc)


def _measurement(
    samples: Nearness, strangers: Nearness, ratios: Mapping[str, float | str], evidence: Evidence, held_out: Side
) -> Measurement:
    synthetic, training = evidence.synthetic, evidence.real.ids
    of_samples, of_strangers = (
        smallest_by_subject(one.ratio, side.subjects) for one, side in ((samples, synthetic), (strangers, held_out))
    )
    ranks = Ranks(held_out=len(of_strangers), samples=len(of_samples))
    threshold = float(np.sort(of_strangers)[ranks.rank - 1])
    flagged = samples.ratio < threshold
    near = int((of_samples < threshold).sum())
    interval, table = NOT_ASKED, None
    if evidence.intervals:
        interval = _interval(ranks, near)
        judged = (("synthetic", synthetic, samples), ("held_out", held_out, strangers))
        table = volume_table((name, side, _columns(one, threshold, training)) for name, side, one in judged)
    return Measurement.of(
        ranks.share(near),
        interval,
        parts={
            "copied": near / ranks.samples,
            "copied_floor": ranks.expected,
            "memorized": len(np.unique(samples.nearest[flagged])) / len(training),
            **{name: ratio for name, ratio in ratios.items() if isinstance(ratio, float)},
            "threshold_ratio": threshold,
            "median_ratio": float(np.median(of_samples)),
            "median_ratio_floor": float(np.median(of_strangers)),
        },
        table=table,
        notes=(_power(ranks),),
        skipped={name: ratio for name, ratio in ratios.items() if isinstance(ratio, str)},
        scope={"n_held_out": len(held_out.ids)},
        floor=0.0,
        floor_note=f"the value is an excess: of strangers, copied_floor = {ranks.expected:.3g} lie below the threshold "
        f"that {ranks.held_out} held-out subjects make, which is already taken off",
    )


def _interval(ranks: Ranks, near: int) -> Interval:
    return Interval(
        ranks.interval(near),
        f"exact interval of the share of copies, from the ranks of {ranks.samples} sampled among {ranks.held_out} "
        "held-out subjects; training volumes and encoder are taken as given",
    )


def _power(ranks: Ranks) -> str:
    """Say from which number of copies on the interval lies above 0 at these counts."""
    fewest = ranks.fewest_shown
    if fewest is None:
        return (
            f"{ranks.samples} samples beside {ranks.held_out} held-out subjects cannot show copying, even if all copy"
        )
    share = 100.0 * fewest / ranks.samples
    return (
        f"at these counts copying shows from {fewest} flagged of {ranks.samples} sampled subjects on ({share:.0f} %): "
        f"fewer are what {ranks.held_out} held-out subjects show by chance"
    )


def _columns(nearness: Nearness, threshold: float, training: Sequence[str]) -> dict[str, object]:
    return {
        "nearest_training": [training[index] for index in nearness.nearest],
        "similarity": nearness.similarity,
        "ncc": nearness.ncc,
        "ratio": nearness.ratio,
        "flagged": nearness.ratio < threshold,
    }
