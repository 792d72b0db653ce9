"""Downstream: what synthetic volumes are worth as training data for a segmentation network.

nnU-Net v2 is trained three times with the same plans and the same number of steps: on n real volumes, on n synthetic
ones, and on both. Each network is tested on held-out real volumes with label maps of their own. The value is the mean
over subjects of the mean DSC over regions after training on synthetic volumes; the ceiling is the same after training
on real ones. Their paired difference, with an interval and a verdict on a margin, is in parts and notes: a value of
its own would look perfect where both networks are bad.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from medbench.errors import Unavailable
from medbench.imaging.volume import LabelMap
from medbench.metrics.base import Measurement, MetricInfo, require_subjects
from medbench.metrics.downstream.arm import Arm, complete
from medbench.metrics.downstream.comparison import paired_difference, verdict
from medbench.metrics.downstream.dataset import label_name
from medbench.metrics.downstream.parts import PARTS
from medbench.metrics.downstream.presets import CONFIGURATION
from medbench.metrics.downstream.task import Task, task_of
from medbench.metrics.evidence import Evidence
from medbench.metrics.functional.overlap import dice_by_region
from medbench.records.results import CaseColumns
from medbench.statistics.dominance import dominance_notes
from medbench.statistics.means import bounded_mean_interval
from medbench.statistics.order_statistics import median_figures
from medbench.statistics.proportions import rate_figures
from medbench.statistics.resampling import NOT_ASKED, subject_means

if TYPE_CHECKING:
    import pandas as pd

MARGIN: Final = 0.05
_ARMS: Final = ("real", "synthetic", "both")


class Downstream:
    """Segmentation of held-out real volumes by nnU-Net after training on real, on synthetic, and on both."""

    info: ClassVar[MetricInfo] = MetricInfo(
        name="downstream",
        version="3",
        summary="mean DSC of nnU-Net on held-out real volumes after training on synthetic ones",
        better="higher",
        unit=None,
        min_real=4,
        min_synthetic=4,
        parts=PARTS,
        source="MedLoRD, arXiv:2503.13211; nnU-Net, Isensee et al. 2021, Nature Methods 18:203",
        needs=("downstream", "regions", "segmenter"),
        wants=("held_out",),
        floor="own",
        by_default=False,
        cases=CaseColumns(value="dsc", case="case", subject="subject", rows=("training_set", "synthetic")),
        not_audited="it would be tested on the volumes whose damaged versions it was trained on",
        steered_by="train",
    )

    def measure(self, evidence: Evidence) -> Measurement:
        """Compute the metric.

        Raises:
            Unavailable: no held-out volumes with label maps, no labels for a training set, no region in common, test
                volumes in a training set, or nnU-Net is absent or failed.
            NotEnoughCasesError: fewer than four subjects on a side.
        """
        require_subjects(self.info, real=evidence.real.subjects, synthetic=evidence.synthetic.subjects)
        task, nnunet = task_of(evidence), _nnunet_version()
        tested = _trained_and_tested(task, evidence, nnunet=nnunet)
        dsc = {arm: _dsc(task, predictions) for arm, predictions in tested.items()}
        kept = np.logical_and.reduce([~np.isnan(one).all(axis=1) for one in dsc.values()])
        if not kept.any():
            raise Unavailable(f"no held-out volume holds any of the regions {', '.join(task.regions)}")
        subjects = np.asarray(task.subjects)[kept].tolist()
        scores = {arm: np.nanmean(one[kept], axis=1) for arm, one in dsc.items()}
        means = {arm: float(subject_means(one, subjects).mean()) for arm, one in scores.items()}
        differences = {
            arm: paired_difference(synthetic=scores[arm], real=scores["real"], subjects=subjects)
            for arm in ("synthetic", "both")
        }
        interval = bounded_mean_interval(scores["synthetic"], subjects, whose=" (held-out)")
        squares = np.square(subject_means(scores["synthetic"], subjects) - means["synthetic"])
        dominated = dominance_notes(squares, [[name] for name in sorted(set(subjects))], side="held-out")
        return Measurement.of(
            means["synthetic"],
            interval if evidence.intervals else NOT_ASKED,
            parts=_parts(task, dsc) | {f"{arm}_minus_real": found.figures() for arm, found in differences.items()},
            table=_table(task, dsc),
            notes=(verdict(differences["synthetic"], margin=MARGIN), *_notes(task, int(np.sum(~kept))), *dominated),
            scope={
                "nnunetv2": nnunet,
                "configuration": CONFIGURATION,
                "steps": task.preset.steps,
                "training_volumes": {arm: sum(part.count for part in task.training_set(arm)) for arm in _ARMS},
                "labels": {"real": task.real.source, "synthetic": task.synthetic.source, "held_out": task.test.source},
                "n_test": len(task.subjects),
                "compared": list(task.regions),
            },
            floor_note="no floor: the ceiling is what equally many real volumes reach",
            ceiling=means["real"],
            ceiling_note=f"the same nnU-Net trained on {task.real.count} real volumes",
        )


def _nnunet_version() -> str:
    try:
        return version("nnunetv2")
    except PackageNotFoundError:
        raise Unavailable("nnU-Net is not here: install it with `pip install nnunetv2`") from None


def _trained_and_tested(task: Task, evidence: Evidence, *, nnunet: str) -> dict[str, Path]:
    """Return the folder of predictions of each arm; what other evaluations have finished is taken over."""
    settings = {
        "version": Downstream.info.version,
        "nnunetv2": nnunet,
        "preset": asdict(task.preset),
        "regions": list(task.regions),
        "plans_from": [task.real.volumes, task.real.labels],
    }
    tested: dict[str, Path] = {}
    plans: Path | None = None
    for name in _ARMS:
        trained_on = [[part.volumes, part.labels] for part in task.training_set(name)]
        folder = evidence.workspace.folder("downstream", settings | {"trained_on": trained_on})
        arm = Arm(name, folder, task, plans, evidence.workspace)
        tested[name] = complete(arm)
        plans = plans or arm.plans
    return tested


def _dsc(task: Task, predictions: Path) -> np.ndarray:
    """Return the DSC of each test volume and region; NaN where neither label map nor prediction holds the region."""
    names = dict(enumerate(task.regions, start=1))
    rows = []
    for number, (_, mask) in enumerate(task.test.cases(), start=1):
        predicted = LabelMap.read(predictions / label_name(number), names)
        rows.append(dice_by_region(mask, predicted, task.regions))
    return np.array(rows)


def _parts(task: Task, dsc: Mapping[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """Return the figures over subjects by region and arm, and of a volume's mean over regions as ``overall``."""
    parts = {}
    for column, region in enumerate([*task.regions, "overall"]):
        for arm, one in dsc.items():
            of_region = one if region == "overall" else one[:, [column]]
            has = ~np.isnan(of_region).all(axis=1)
            if has.any():
                subjects = np.asarray(task.subjects)[has].tolist()
                missed = np.nanmean(np.where(np.isnan(of_region), np.nan, of_region == 0)[has], axis=1)
                parts[f"{region}.{arm}"] = median_figures(
                    subject_means(np.nanmean(of_region[has], axis=1), subjects), "mean"
                ) | rate_figures(subject_means(missed, subjects), "missed")
    return parts


def _notes(task: Task, empty: int) -> tuple[str, ...]:
    n = task.real.count
    trained = (
        f"one training for each set, {task.preset.steps} steps: {n} real, {n} synthetic, {2 * n} of both; "
        "the intervals hold the chance of the test subjects, not that of the training"
    )
    without = (f"{empty} held-out volumes hold none of the regions and are left out",) if empty else ()
    return (trained, *task.notes, *without)


def _table(task: Task, dsc: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return one row a training set, test volume and region; figures that are not applicable are empty."""
    import pandas as pd

    rows = [
        (case, subject, region, arm, float(one[row, column]))
        for arm, one in dsc.items()
        for row, (case, subject) in enumerate(zip(task.test.side.ids, task.subjects))
        for column, region in enumerate(task.regions)
    ]
    return pd.DataFrame(rows, columns=["case", "subject", "region", "training_set", "dsc"])
