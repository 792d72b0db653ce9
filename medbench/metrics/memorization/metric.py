"""Memorisation: how many samples copy a training case, beyond the share that held-out real volumes show.

After Dar et al. A small encoder is trained on the training volumes alone; similarity is Pearson's correlation of two
embeddings. The threshold is the 95th percentile, over the training volumes, of the similarity to the nearest held-out
volume. A sample whose nearest training volume lies above it is a copy; a training volume whose nearest sample lies
above it is memorised. Chance alone puts real volumes above it too, the more the larger the training set is beside the
held-out one: hence the excess over held-out real volumes. The same held-out volumes must not make the threshold and
be judged by it: their subjects are halved, each half makes the threshold for the other, and both turns are averaged.

Source: Dar et al. 2024, arXiv:2402.01054 (embedding, similarity, threshold, both definitions); the comparison with
held-out volumes, equal counts and the confirmation voxel by voxel are ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from medbench.errors import NotEnoughCasesError, Unavailable
from medbench.metrics.base import Figure, Measurement, MetricInfo, require_subjects
from medbench.metrics.evidence import Evidence, Side
from medbench.metrics.memorization.copies import Recipe, aligned_ncc, working_copy
from medbench.metrics.memorization.figure import draw
from medbench.metrics.memorization.nearest import (
    Likeness,
    Similarities,
    Threshold,
    Turn,
    Verdict,
    averaged,
    distance_ratios,
    newcombe_interval,
    similarity,
    turn_of,
)
from medbench.statistics.resampling import NOT_ASKED, Interval, groups_of, subject_means
from medbench.storage.files import atomic_path

if TYPE_CHECKING:
    import pandas as pd

    from medbench.metrics.memorization.contrastive import TrainedEncoder

_FEWEST_HELD_OUT = 8
_PERCENTILE = 95.0
_COPIES_FILE = "copies.npy"


class Memorization:
    """Share of samples that copy a training case, minus the share of held-out real volumes that seem to.

    Args:
        recipe: how the encoder is trained.
    """

    info: ClassVar[MetricInfo] = MetricInfo(
        name="memorization",
        version="1",
        summary="share of samples too similar to a training volume, minus the same share of held-out real volumes",
        better="lower",
        unit=None,
        min_real=8,
        min_synthetic=2,
        source="Dar et al. 2024, arXiv:2402.01054; interval: Newcombe 1998, Statistics in Medicine 17:873, method 10",
        floor="own",
        by_default=False,
        figures=(
            Figure(
                name="memorization_pairs",
                caption="The samples most like a training volume, moved by the best small shift, beside it, and the "
                "difference; r is the correlation of the embeddings, voxels that of the voxels.",
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
            self._embeddings(side, encoder, evidence) for side in (real, synthetic, held_out)
        )
        found = Similarities(
            samples=similarity(at_samples, at_training),
            held_out=similarity(at_held_out, at_training),
            samples_to_held_out=similarity(at_samples, at_held_out),
            among_held_out=similarity(at_held_out, at_held_out),
        )
        likeness = Likeness(
            samples=_nearest_ncc(synthetic, found.samples, training, evidence),
            held_out=_nearest_ncc(held_out, found.held_out, training, evidence),
        )
        stored_held_out = self._stored_copies(held_out, evidence)
        half = groups_of(held_out.subjects, most=2)
        turns = []
        for turn in (0, 1):
            makes, judged = half == turn, half != turn
            threshold = _thresholds(found.held_out, makes, training, stored_held_out)
            turns.append(turn_of(found, likeness, makes=makes, judged=judged, threshold=threshold))
        return _measurement(found, likeness, turns, evidence)

    def _stored_copies(self, side: Side, evidence: Evidence) -> np.ndarray:
        """Return the working copies of a side (n, x, y, z), memory-mapped; made where absent."""
        settings = {"version": self.info.version, "volumes": side.content, **_seen(evidence)}
        path = evidence.workspace.folder("memorization-copies", settings) / _COPIES_FILE
        if not path.is_file():
            with atomic_path(path) as temporary:
                stored = None
                copies = zip(side.ids, _working_copies(side, evidence))
                for row, (volume, copy) in enumerate(copies):
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
        settings = {
            "version": self.info.version,
            "volumes": evidence.real.content,
            "recipe": asdict(self.recipe),
            **_seen(evidence),
        }
        folder = workspace.folder("memorization", settings)
        return trained_encoder(
            training, self.recipe, folder=folder, device=workspace.device, progress=workspace.progress
        )

    def _embeddings(self, side: Side, encoder: TrainedEncoder, evidence: Evidence) -> np.ndarray:
        window = evidence.protocol.window
        settings = {"version": self.info.version, "encoder": encoder.sha256, **_seen(evidence)}
        found = side.derived(
            "memorization",
            lambda volume: {"embedding": encoder.embed(working_copy(volume.voxels, window=window))},
            of=("volume",),
            settings=settings,
        )
        return np.stack([arrays["embedding"] for arrays in found])


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


def _seen(evidence: Evidence) -> dict[str, Any]:
    """Return what decides how a volume looks to the encoder."""
    grid = evidence.protocol.grid
    return {
        "window": evidence.protocol.window.model_dump(mode="json"),
        "grid": grid.model_dump(mode="json") if grid else None,
    }


def _working_copies(side: Side, evidence: Evidence) -> Iterator[np.ndarray]:
    for volume in side.volumes():
        yield working_copy(volume.voxels, window=evidence.protocol.window)


def _require_shape(volume: str, copy: np.ndarray, others: np.ndarray) -> None:
    if copy.shape != others.shape[1:]:
        raise Unavailable(f"{volume} has another shape than the other volumes: give a protocol with a grid")


def _nearest_ncc(side: Side, similarities: np.ndarray, training: np.ndarray, evidence: Evidence) -> np.ndarray:
    """Return each volume's voxel correlation with the training volume that is nearest by embedding."""
    found = []
    for name, copy, nearest in zip(side.ids, _working_copies(side, evidence), similarities.argmax(axis=1)):
        _require_shape(name, copy, training)
        found.append(aligned_ncc(copy, training[nearest]))
    return np.array(found)


def _thresholds(held_out: np.ndarray, makes: np.ndarray, training: np.ndarray, stored: np.ndarray) -> Threshold:
    """Return the 95th percentiles, over training volumes, of the likeness to the nearest of these held-out ones."""
    similarities = held_out[makes]
    nearest = np.flatnonzero(makes)[similarities.argmax(axis=0)]
    ncc = [aligned_ncc(volume, stored[index]) for volume, index in zip(training, nearest)]
    return Threshold(
        similarity=float(np.percentile(similarities.max(axis=0), _PERCENTILE)),
        ncc=float(np.percentile(ncc, _PERCENTILE)),
    )


def _measurement(found: Similarities, likeness: Likeness, turns: Sequence[Turn], evidence: Evidence) -> Measurement:
    synthetic, held_out = evidence.synthetic, _held_out(evidence)
    of_samples, of_held_out = averaged(turns)
    copied, floor = _share(of_samples.flagged, synthetic), _share(of_held_out.flagged, held_out)
    ratios = distance_ratios(found, turns)
    parts = {
        "copied": copied,
        "copied_floor": floor,
        "copied_confirmed": _share(of_samples.confirmed, synthetic),
        "copied_confirmed_floor": _share(of_held_out.confirmed, held_out),
        "memorized": float(np.mean([turn.memorized for turn in turns])),
        "memorized_floor": float(np.mean([turn.memorized_floor for turn in turns])),
        "memorized_all": float(np.mean([turn.memorized_all for turn in turns])),
        **{name: ratio for name, ratio in ratios.items() if isinstance(ratio, float)},
        "threshold_similarity": float(np.mean([turn.threshold.similarity for turn in turns])),
        "threshold_ncc": float(np.mean([turn.threshold.ncc for turn in turns])),
    }
    interval, table = NOT_ASKED, None
    if evidence.intervals:
        interval = _interval(copied, synthetic, floor, held_out)
        sides = (
            ("synthetic", synthetic, found.samples, likeness.samples, of_samples),
            ("held_out", held_out, found.held_out, likeness.held_out, of_held_out),
        )
        table = _table(sides, evidence.real.ids)
    return Measurement(
        value=copied - floor,
        ci95=interval.ends,
        ci_method=interval.method,
        parts=parts,
        table=table,
        skipped={name: ratio for name, ratio in ratios.items() if isinstance(ratio, str)},
        scope={"n_held_out": len(held_out.ids)},
        floor=0.0,
        floor_note=f"the value is an excess: {len(held_out.ids)} held-out real volumes in place of the samples score "
        f"copied_floor = {floor:.3g}, which is already taken off",
    )


def _share(verdicts: np.ndarray, side: Side) -> float:
    """Return the mean over subjects, so that a patient with several volumes counts once."""
    return float(subject_means(verdicts, side.subjects).mean())


def _interval(copied: float, synthetic: Side, floor: float, held_out: Side) -> Interval:
    counts = len(set(synthetic.subjects)), len(set(held_out.subjects))
    ends = newcombe_interval(first=copied, first_count=counts[0], second=floor, second_count=counts[1])
    return Interval(
        ends,
        f"Newcombe interval (Wilson scores) of a difference of two shares, {counts[0]} sampled and {counts[1]} "
        "held-out subjects; training volumes, encoder and thresholds are taken as given",
    )


def _table(sides: Sequence[tuple[str, Side, np.ndarray, np.ndarray, Verdict]], training: Sequence[str]) -> pd.DataFrame:
    """Return one row a judged volume; flagged and confirmed are the share of the thresholds that it lies above."""
    import pandas as pd

    return pd.concat(
        [
            pd.DataFrame(
                {
                    "side": name,
                    "id": list(side.ids),
                    "subject": list(side.subjects),
                    "nearest_training": [training[index] for index in similarities.argmax(axis=1)],
                    "similarity": similarities.max(axis=1),
                    "ncc": ncc,
                    "flagged": verdict.flagged,
                    "confirmed": verdict.confirmed,
                }
            )
            for name, side, similarities, ncc, verdict in sides
        ],
        ignore_index=True,
    )
