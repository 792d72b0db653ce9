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
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from medbench.errors import NotEnoughCasesError, Unavailable
from medbench.metrics.base import Figure, Measurement, MetricInfo, require_subjects
from medbench.metrics.evidence import Evidence, Side, volume_table
from medbench.metrics.memorization.copies import Recipe, aligned_ncc, working_copy
from medbench.metrics.memorization.figure import draw
from medbench.metrics.memorization.nearest import (
    Nearness,
    Threshold,
    Turn,
    averaged,
    distance_ratios,
    newcombe_interval,
    similarity,
    turn_of,
)
from medbench.statistics.resampling import NOT_ASKED, Interval, groups_of, subject_means
from medbench.storage.seals import is_sound, place_of, sealed_path

if TYPE_CHECKING:
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
        nearness = []
        for side, embeddings in ((synthetic, at_samples), (held_out, at_held_out)):
            to_training = similarity(embeddings, at_training)
            ncc = _nearest_ncc(side, to_training, training, evidence)
            nearness.append(Nearness(to_training, similarity(embeddings, at_held_out), ncc))
        samples, strangers = nearness
        stored_held_out = self._stored_copies(held_out, evidence)
        half = groups_of(held_out.subjects, most=2)
        turns = []
        for makes in (half == 0, half == 1):
            threshold = _thresholds(strangers.to_training, makes, training, stored_held_out)
            turns.append(turn_of(samples, strangers, makes=makes, threshold=threshold))
        return _measurement(samples, strangers, turns, evidence, held_out)

    def _stored_copies(self, side: Side, evidence: Evidence) -> np.ndarray:
        """Return the working copies of a side (n, x, y, z), memory-mapped; made where absent."""
        settings = _settings(evidence, volumes=side.content)
        path = evidence.workspace.folder("memorization-copies", settings) / _COPIES_FILE
        key = place_of(path)
        if not is_sound(path, key, evidence.workspace.progress):
            with sealed_path(path, key) as temporary:
                stored = None
                for row, (volume, copy) in enumerate(_working_copies(side, evidence)):
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

    def _embeddings(self, side: Side, encoder: TrainedEncoder, evidence: Evidence) -> np.ndarray:
        window = evidence.protocol.window
        found = side.derived(
            "memorization",
            lambda volume: {"embedding": encoder.embed(working_copy(volume.voxels, window=window))},
            of=("volume",),
            settings=_settings(evidence, encoder=encoder.sha256),
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


def _settings(evidence: Evidence, **further: object) -> dict[str, object]:
    """Return what decides how a volume looks to the encoder, and further settings."""
    grid = evidence.protocol.grid
    return further | {
        "version": Memorization.info.version,
        "window": evidence.protocol.window.model_dump(mode="json"),
        "grid": grid.model_dump(mode="json") if grid else None,
    }


def _working_copies(side: Side, evidence: Evidence) -> Iterator[tuple[str, np.ndarray]]:
    for volume, name in zip(side.volumes(), side.ids):
        yield name, working_copy(volume.voxels, window=evidence.protocol.window)


def _require_shape(volume: str, copy: np.ndarray, others: np.ndarray) -> None:
    if copy.shape != others.shape[1:]:
        raise Unavailable(f"{volume} has another shape than the other volumes: give a protocol with a grid")


def _nearest_ncc(side: Side, similarities: np.ndarray, training: np.ndarray, evidence: Evidence) -> np.ndarray:
    """Return each volume's voxel correlation with the training volume that is nearest by embedding."""
    found = []
    for (name, copy), nearest in zip(_working_copies(side, evidence), similarities.argmax(axis=1)):
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


def _measurement(
    samples: Nearness, strangers: Nearness, turns: Sequence[Turn], evidence: Evidence, held_out: Side
) -> Measurement:
    synthetic, training = evidence.synthetic, evidence.real.ids
    of_samples, of_held_out = averaged(turns)
    copied, confirmed = (_share(one, synthetic) for one in of_samples)
    floor, confirmed_floor = (_share(one, held_out) for one in of_held_out)
    ratios = distance_ratios(samples, turns)
    interval, table = NOT_ASKED, None
    if evidence.intervals:
        interval = _interval(copied, synthetic, floor, held_out)
        judged = (
            ("synthetic", synthetic, samples, of_samples),
            ("held_out", held_out, strangers, of_held_out),
        )
        table = volume_table((name, side, _columns(one, found, training)) for name, side, one, found in judged)
    return Measurement.of(
        copied - floor,
        interval,
        parts={
            "copied": copied,
            "copied_floor": floor,
            "copied_confirmed": confirmed,
            "copied_confirmed_floor": confirmed_floor,
            "memorized": float(np.mean([turn.memorized for turn in turns])),
            "memorized_floor": float(np.mean([turn.memorized_floor for turn in turns])),
            "memorized_all": float(np.mean([turn.memorized_all for turn in turns])),
            **{name: ratio for name, ratio in ratios.items() if isinstance(ratio, float)},
            "threshold_similarity": float(np.mean([turn.threshold.similarity for turn in turns])),
            "threshold_ncc": float(np.mean([turn.threshold.ncc for turn in turns])),
        },
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


def _columns(nearness: Nearness, verdicts: np.ndarray, training: Sequence[str]) -> dict[str, object]:
    """Return the columns of a side; flagged and confirmed are the share of the thresholds that a volume lies above."""
    flagged, confirmed = verdicts
    return {
        "nearest_training": [training[index] for index in nearness.to_training.argmax(axis=1)],
        "similarity": nearness.to_training.max(axis=1),
        "ncc": nearness.ncc,
        "flagged": flagged,
        "confirmed": confirmed,
    }
