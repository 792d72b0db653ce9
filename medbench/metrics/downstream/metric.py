"""Downstream: what synthetic volumes are worth as training data for a segmentation network.

nnU-Net v2 is trained three times with the same plans and the same number of steps: on n real volumes, on n synthetic
ones, and on both. Each network is tested on held-out real volumes with label maps of their own. The value is the mean
over subjects of the mean DSC over regions after training on synthetic volumes; the ceiling is the same after training
on real ones. Their paired difference, with an interval and a verdict on a margin, is in parts and notes: a value of
its own would look perfect where both networks are bad.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from medbench.errors import Unavailable
from medbench.imaging.volume import LabelMap
from medbench.metrics.base import Measurement, MetricInfo, require_subjects
from medbench.metrics.downstream.arm import Arm, Work, complete
from medbench.metrics.downstream.comparison import case_scores, paired_difference, verdict
from medbench.metrics.downstream.dataset import label_name
from medbench.metrics.downstream.presets import CONFIGURATION
from medbench.metrics.downstream.process import environment
from medbench.metrics.downstream.task import Task, task_of
from medbench.metrics.evidence import Evidence
from medbench.metrics.functional.overlap import dice_by_region
from medbench.records.results import CaseColumns
from medbench.spec import fingerprint
from medbench.statistics.order_statistics import median_interval, quartiles
from medbench.statistics.resampling import NOT_ASKED, Interval, mean_interval, subject_means

if TYPE_CHECKING:
    import pandas as pd

MARGIN: Final = 0.05
_ARMS: Final = ("real", "synthetic", "both")


class Downstream:
    """Segmentation of held-out real volumes by nnU-Net after training on real, on synthetic, and on both."""

    info: ClassVar[MetricInfo] = MetricInfo(
        name="downstream",
        version="2",
        summary="mean DSC of nnU-Net on held-out real volumes after training on synthetic ones",
        better="higher",
        unit=None,
        min_real=4,
        min_synthetic=4,
        source="MedLoRD, arXiv:2503.13211; nnU-Net, Isensee et al. 2021, Nature Methods 18:203",
        needs=("downstream", "regions", "segmenter"),
        floor="own",
        by_default=False,
        cases=CaseColumns(value="dsc", case="case", subject="subject", rows=("training_set", "synthetic")),
        not_audited="it would be tested on the volumes whose damaged versions it was trained on",
    )

    def measure(self, evidence: Evidence) -> Measurement:
        """Compute the metric.

        Raises:
            Unavailable: no held-out volumes with label maps, no labels for a training set, no region in common, test
                volumes in a training set, or nnU-Net is absent or failed.
            NotEnoughCasesError: fewer than four subjects on a side.
        """
        require_subjects(self.info, real=evidence.real.subjects, synthetic=evidence.synthetic.subjects)
        task = task_of(evidence)
        tested = _trained_and_tested(task, evidence, nnunet=_nnunet_version())
        dsc = {arm: _dsc(task, predictions) for arm, predictions in tested.items()}
        return measurement(task, dsc, intervals=evidence.intervals)


def _nnunet_version() -> str:
    try:
        return version("nnunetv2")
    except PackageNotFoundError:
        raise Unavailable("nnU-Net is not here: install it with `pip install nnunetv2`") from None


def _trained_and_tested(task: Task, evidence: Evidence, *, nnunet: str) -> dict[str, Path]:
    """Return the folder of predictions of each arm; what other evaluations have finished is taken over."""
    workspace = evidence.workspace
    settings = {
        "version": Downstream.info.version,
        "nnunetv2": nnunet,
        "preset": task.preset.settings(),
        "regions": list(task.regions),
    }
    plans_from = [task.real.volumes, task.real.labels]
    tested: dict[str, Path] = {}
    plans: Path | None = None
    for name in _ARMS:
        trained_on = [[part.volumes, part.labels] for part in task.training_set(name)]
        folder = workspace.folder("downstream", settings | {"trained_on": trained_on, "plans_from": plans_from})
        device = workspace.device.partition(":")[0]
        variables = environment(folder, task.preset, device=workspace.device)
        arm = Arm(name, folder, task.preset, device, variables, workspace.logs, workspace.progress)
        work = Work(partial(task.cases, name), task.regions, plans, task.test.images, fingerprint(task.test.volumes))
        tested[name] = complete(arm, work)
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


def measurement(task: Task, dsc: Mapping[str, np.ndarray], *, intervals: bool) -> Measurement:
    """Return value, parts and notes from the scores.

    Args:
        task: what was trained on what.
        dsc: (cases, regions) of each arm.
        intervals: whether more than the value is wanted.

    Raises:
        Unavailable: no test volume holds any of the regions.
    """
    kept = np.logical_and.reduce([~np.isnan(one).all(axis=1) for one in dsc.values()])
    if not kept.any():
        raise Unavailable(f"no held-out volume holds any of the regions {', '.join(task.regions)}")
    subjects = [subject for subject, stays in zip(task.subjects, kept) if stays]
    scores = {arm: case_scores(one[kept]) for arm, one in dsc.items()}
    means = {arm: float(subject_means(one, subjects).mean()) for arm, one in scores.items()}
    if not intervals:
        return Measurement(means["synthetic"], None, NOT_ASKED.method, scope=_scope(task))
    interval = _bounded(mean_interval(scores["synthetic"], subjects))
    differences = {
        arm: paired_difference(synthetic=scores[arm], real=scores["real"], subjects=subjects)
        for arm in ("synthetic", "both")
    }
    parts = parts_of(dsc, regions=task.regions, subjects=task.subjects)
    return Measurement(
        means["synthetic"],
        interval.ends,
        interval.method,
        parts | {f"{arm}_minus_real": difference.figures() for arm, difference in differences.items()},
        _table(task, dsc),
        (verdict(differences["synthetic"], margin=MARGIN), *_notes(task, int(np.sum(~kept)))),
        scope=_scope(task),
        floor_note="no floor: the ceiling is what equally many real volumes reach",
        ceiling=means["real"],
        ceiling_note=f"the same nnU-Net trained on {task.real.count} real volumes",
    )


def parts_of(
    dsc: Mapping[str, np.ndarray], *, regions: Sequence[str], subjects: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Return median and quartiles over subjects by region and arm, and of a volume's mean over regions as ``overall``.

    Args:
        dsc: (cases, regions) of each arm; NaN where a figure is not applicable.
        regions: names.
        subjects: the subject of each case.
    """
    parts = {}
    for column, region in enumerate([*regions, "overall"]):
        for arm, one in dsc.items():
            has = ~np.isnan(one).all(axis=1) if region == "overall" else ~np.isnan(one[:, column])
            if has.any():
                values = case_scores(one[has]) if region == "overall" else one[has, column]
                owners = [subject for subject, there in zip(subjects, has) if there]
                parts[f"{region}.{arm}"] = _figures(subject_means(values, owners))
    return parts


def _figures(values: np.ndarray) -> dict[str, float]:
    found = quartiles(values)
    ends = median_interval(values)
    bounds = {"ci_low": ends[0], "ci_high": ends[1]} if ends is not None else {}
    return {"median": found.median, "iqr": found.iqr, "mean": float(values.mean()), **bounds, "n": float(len(values))}


def _bounded(interval: Interval) -> Interval:
    """Keep the interval of a mean DSC within what a DSC can be."""
    if interval.ends is None:
        return interval
    low, high = interval.ends
    return Interval((max(low, 0.0), min(high, 1.0)), f"{interval.method} (held-out subjects), ends kept within 0 and 1")


def _notes(task: Task, empty: int) -> tuple[str, ...]:
    n = task.real.count
    trained = (
        f"one training for each set, {task.preset.steps} steps: {n} real, {n} synthetic, {2 * n} of both; "
        "the intervals hold the chance of the test subjects, not that of the training"
    )
    without = (f"{empty} held-out volumes hold none of the regions and are left out",) if empty else ()
    return (trained, *task.notes, *without)


def _scope(task: Task) -> dict[str, Any]:
    """Return what only measuring tells and the value rests on."""
    return {
        "nnunetv2": _nnunet_version(),
        "configuration": CONFIGURATION,
        "steps": task.preset.steps,
        "training_volumes": {arm: sum(part.count for part in task.training_set(arm)) for arm in _ARMS},
        "labels": {"real": task.real.source, "synthetic": task.synthetic.source, "held_out": task.test.source},
        "n_test": len(task.subjects),
        "compared": list(task.regions),
    }


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
