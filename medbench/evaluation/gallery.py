"""What of an evaluation is kept to be looked at: a handful of samples, their nearest real volumes, reconstructions."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np

from medbench.errors import DataError, Unavailable
from medbench.evaluation.comparison import StoredEvidence
from medbench.evaluation.opened import PRECOMPUTED
from medbench.evaluation.side import StoredSide
from medbench.metrics.base import MetricInfo
from medbench.records.gallery import Gallery, Pair, Shown, kept, stored
from medbench.records.results import Result
from medbench.records.run import GALLERY
from medbench.records.samples import StoredVolume

MOST_SAMPLES: Final = 4
MOST_RECONSTRUCTIONS: Final = 2
NEAREST: Final = "nearest_training"
"""The column by which a metric's table names the nearest training volume of each sample (column ``id``)."""


@dataclass(frozen=True)
class _Neighbour:
    """The nearest real volume of a sample, how it was found, and how near it is: the smaller, the nearer."""

    name: str
    relation: str
    nearness: float


def keep_gallery(
    run: Path, evidence: StoredEvidence, results: Sequence[Result], infos: Sequence[MetricInfo]
) -> Gallery:
    """Write what is to be looked at into a run folder: names and places, label maps, reconstructions.

    Samples: the one that lies nearest to a real volume first, where that is known, then others in their order.

    Args:
        run: the run folder.
        evidence: both sides.
        results: what was found; a table with the column ``NEAREST`` names neighbours.
        infos: the declarations of the metrics that were asked for.
    """
    shutil.rmtree(run / GALLERY, ignore_errors=True)  # of an earlier evaluation
    neighbours = _neighbours(run, evidence, results, infos)
    near = sorted(neighbours, key=lambda name: neighbours[name].nearness)[:1]
    items = sorted(evidence.synthetic.items, key=lambda item: item.id not in near)[:MOST_SAMPLES]
    pairs = [_pair(run, item, neighbours.get(item.id), evidence) for item in items]
    found = {result.metric for result in results}
    if any(info.judges == "autoencoder" and info.name in found for info in infos):
        pairs += _reconstructions(run, evidence)
    gallery = Gallery(pairs=tuple(pairs))
    gallery.save(run)
    return gallery


def _pair(run: Path, item: StoredVolume, neighbour: _Neighbour | None, evidence: StoredEvidence) -> Pair:
    sample = _with_labels(run, item, evidence.synthetic, "sample")
    if neighbour is None:
        reason = "no metric of this evaluation compares single volumes: nothing says which real volume is nearest"
        return Pair(first=sample, beside=None, relation=reason)
    (real,) = (one for one in evidence.real.items if one.id == neighbour.name)
    beside = _with_labels(run, real, evidence.real, "real")
    return Pair(first=sample, beside=beside, relation=neighbour.relation)


def _neighbours(
    run: Path, evidence: StoredEvidence, results: Sequence[Result], infos: Sequence[MetricInfo]
) -> Mapping[str, _Neighbour]:
    """Return the nearest real volume of each sample, by a metric that looks for it, or else by cached features."""
    for result in results:
        if result.table and (found := _from_table(run / result.table, result.metric, set(evidence.real.ids))):
            return found
    measured = {result.metric for result in results}
    needs = {need for info in infos if info.name in measured for need in info.needs}
    try:
        if "volume_extractor" in needs:
            name = evidence.protocol.volume_extractor
            return _from_features(
                evidence, [side.volume_features() for side in (evidence.synthetic, evidence.real)], name
            )
        if "extractor" in needs:
            plane = evidence.protocol.slices.planes[0]
            means = [map(_mean, side.slice_features(plane)) for side in (evidence.synthetic, evidence.real)]
            return _from_features(evidence, means, f"{evidence.protocol.extractor}, mean of the {plane} slices")
    except Unavailable:
        pass
    return {}


def _mean(features: np.ndarray) -> np.ndarray:
    mean: np.ndarray = features.mean(axis=0)
    return mean


def _from_table(path: Path, metric: str, real: set[str]) -> dict[str, _Neighbour]:
    import pandas as pd

    table = pd.read_csv(path, dtype={"id": str, NEAREST: str}) if path.is_file() else pd.DataFrame()
    if not {"side", "id", NEAREST, "ratio"} <= set(table.columns):
        return {}
    rows = table[(table["side"] == "synthetic") & table[NEAREST].isin(real)]
    figures = [name for name in ("similarity", "ncc", "ratio") if name in rows]
    found = {}
    for row in rows.to_dict("records"):
        told = ", ".join(f"{name} {row[name]:.3g}" for name in figures)
        found[row["id"]] = _Neighbour(row[NEAREST], f"nearest training volume by {metric}: {told}", row["ratio"])
    return found


def _from_features(
    evidence: StoredEvidence, features: Sequence[Iterable[np.ndarray]], network: str
) -> dict[str, _Neighbour]:
    """Return each sample's nearest real volume by the Euclidean distance of standardised features."""
    samples, real = (np.stack(list(side)).astype(np.float64) for side in features)
    spread = real.std(axis=0)
    varies = spread > 0
    distances = np.empty((len(samples), len(real)))
    for row, sample in enumerate(samples):
        steps = (real[:, varies] - sample[varies]) / spread[varies]
        distances[row] = np.sqrt(np.mean(steps**2, axis=1))
    nearest = distances.argmin(axis=1)
    return {
        name: _Neighbour(
            evidence.real.ids[place],
            f"nearest real volume by features ({network}): {distances[row, place]:.3g} standard deviations apart",
            float(distances[row, place]),
        )
        for row, (name, place) in enumerate(zip(evidence.synthetic.ids, nearest))
    }


def _with_labels(run: Path, item: StoredVolume, side: StoredSide, kind: Literal["sample", "real"]) -> Shown:
    """Return a volume with the regions that are known of it: what the segmenter saw, or the masks that were given."""
    instruments = side.instruments
    try:
        seen = instruments.protocol.segmenter not in (None, PRECOMPUTED) and instruments.has_segmentation(item)
        if seen:
            label_map, labels = instruments.open(item).segmentation(), f"by {instruments.protocol.segmenter}"
        else:
            label_map, labels = instruments.open(item).mask(), "as given"
    except (Unavailable, DataError) as error:
        return stored(item, run, kind, labels=f"none: {error}")
    drawn = kept(label_map, run, f"{kind}-{item.sha256[:12]}-labels")
    return stored(item, run, kind, label_map=drawn, regions=dict(label_map.names), labels=labels)


def _reconstructions(run: Path, evidence: StoredEvidence) -> Iterator[Pair]:
    """Make what the autoencoder makes of a few held-out volumes once more, and keep it."""
    held_out = evidence.held_out
    if held_out is None:
        return
    some = held_out.only(held_out.ids[:MOST_RECONSTRUCTIONS])
    for item, (_, again) in zip(some.items, some.reconstructions()):
        made = kept(again, run, f"reconstructed-{item.sha256[:12]}")
        beside = Shown(kind="made", name=f"{item.id}, reconstructed", volume=made, labels="none: it was not segmented")
        window = evidence.protocol.window
        relation = (
            f"what the autoencoder makes of this held-out volume, clipped to {window.low:g} to {window.high:g} HU"
        )
        yield Pair(first=_with_labels(run, item, held_out, "real"), beside=beside, relation=relation)
