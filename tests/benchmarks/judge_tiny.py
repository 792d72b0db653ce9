"""Hold a tiny checkpoint against what every shipped one must reach on the held-out phantoms.

python tests/benchmarks/judge_tiny.py --model medlord [--checkpoint FILE] [--work DIR] [--json]

Without --checkpoint the shipped weights are judged. It makes as many samples as there are held-out phantoms, and as
many steered by their label maps where the model is conditional; the rungs of damage that they must beat are measured
once and kept in DIR. Exit code 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from cli.progress import ConsoleProgress
from medbench import Progress, Report, Result, registry
from medbench.audit.audit import AuditOptions, audit_metrics
from medbench.pipeline.options import RunOptions
from medbench.pipeline.run import Run

DATASET, PRESET = "phantom", "tiny"
RUNGS = (("noise", 80.0, "HU"), ("blur", 6.0, "mm"))
LUNGS = ("lung_left", "lung_right")
MOST_BYTES = 3_000_000


@dataclass(frozen=True)
class Verdict:
    """A number, what it should be, and whether it is."""

    what: str
    value: float
    goal: str
    met: bool


@dataclass(frozen=True)
class Judgement:
    """What was found of a checkpoint.

    Args:
        free: the results of unconditional samples.
        steered: those of conditional ones; None where the model makes none.
        verdicts: one a goal.
        seconds: sampling, by kind.
    """

    free: Report
    steered: Report | None
    verdicts: Sequence[Verdict]
    seconds: Mapping[str, float]

    def document(self) -> dict[str, object]:
        """Return what is kept beside a shipped checkpoint."""
        reports = [report for report in (self.free, self.steered) if report is not None]
        return {
            "goals": [asdict(verdict) for verdict in self.verdicts],
            "sampling_seconds": dict(self.seconds),
            "results": {
                result.metric: {
                    "value": round(result.value, 5),
                    "ci95": result.ci95 and [round(end, 5) for end in result.ci95],
                    "floor": result.floor and round(result.floor, 5),
                    "n_real": result.n_real,
                    "n_synthetic": result.n_synthetic,
                }
                for report in reports
                for result in report.results
            },
            "regions": _regions(self.free, self.steered),
        }


def judge(model: str, checkpoint: Path | None, work: Path, *, seed: int, progress: Progress) -> Judgement:
    """Sample, measure and compare with the goals.

    Args:
        model: registered name.
        checkpoint: the weights; None for the shipped ones.
        work: folder for samples, results and the rungs.
        seed: of the runs.
        progress: told about every stage.
    """
    capabilities = registry.load("generators", model).info.capabilities
    reconstruction = ("reconstruction",) if "reconstructs" in capabilities else ()
    kinds = {"free": ("fid25d", "rvr", "prdc25d", "hu", "memorization", *reconstruction)}
    if "conditional" in capabilities:
        kinds["steered"] = ("adherence",)
    reports, seconds = {}, {}
    for kind, metrics in kinds.items():
        out = work / "judged" / model / kind
        shutil.rmtree(out, ignore_errors=True)  # samples of other weights or of other code
        run = Run(
            RunOptions(
                model=model, dataset=DATASET, preset=PRESET, checkpoint=checkpoint, seed=seed, metrics=metrics,
                conditional=kind == "steered", out=out, device="cpu", workers=1,
            ),
            progress,
        )  # fmt: skip
        reports[kind] = run.report()
        seconds[kind] = round(run.record.stages["sample"].seconds or 0.0, 1)
    free, steered = reports["free"], reports.get("steered")
    return Judgement(free, steered, verdicts(free, steered, rungs(work, progress)), seconds)


def rungs(work: Path, progress: Progress) -> dict[str, float]:
    """Return fid25d of held-out phantoms under the damage that a sample must be better than."""
    found = audit_metrics(
        AuditOptions(dataset=DATASET, metrics=("fid25d",), device="cpu", workers=1), work / "audit", progress
    )
    curves = {row.damage: dict(zip(row.strengths, row.values)) for row in found.rows}
    return {f"{kind} {strength:g} {unit}": float(curves[kind][strength] or 0.0) for kind, strength, unit in RUNGS}


def verdicts(free: Report, steered: Report | None, damaged: Mapping[str, float]) -> list[Verdict]:
    """Hold results against the goals.

    Args:
        free: results of unconditional samples.
        steered: of conditional ones, or None.
        damaged: fid25d of damaged real volumes by the name of the damage, at the same counts.
    """
    return [*_of_free(free, damaged), *(_of_steered(steered) if steered is not None else ())]


def _of_free(report: Report, damaged: Mapping[str, float]) -> Iterator[Verdict]:
    distance = _result(report, "fid25d").value
    for name, value in damaged.items():
        yield Verdict("fid25d", distance, f"below {value:.4f}, {name}", distance < value)
    missing = max(_part(report, "rvr", lung, "missing_rate") for lung in LUNGS)
    yield Verdict("rvr, missing rate of lungs", missing, "below 0.1", missing < 0.1)
    spread = [_part(report, "rvr", region, "spread_ratio") for region in _regions(report, None)]
    for name, value in (("mean", float(np.mean(spread))), ("least", min(spread))):
        yield Verdict(f"rvr, spread ratio, {name} over regions", value, "at least 0.5", value >= 0.5)
    coverage = _result(report, "prdc25d").value
    yield Verdict("prdc25d, coverage", coverage, "at least 0.5", coverage >= 0.5)
    copies = _result(report, "memorization")
    low = copies.value if copies.ci95 is None else copies.ci95[0]
    yield Verdict("memorization, lower end", low, "at most 0", low <= 0)


def _of_steered(report: Report) -> Iterator[Verdict]:
    lungs = min(_part(report, "adherence", lung, "median") for lung in LUNGS)
    yield Verdict("adherence, median DSC of lungs", lungs, "at least 0.8", lungs >= 0.8)
    found = _result(report, "adherence")
    shuffled = found.floor if found.floor is not None else 1.0
    low = found.value if found.ci95 is None else found.ci95[0]
    yield Verdict("adherence, lower end", low, f"above {shuffled:.3f}, shuffled masks", low > shuffled)


def _regions(free: Report, steered: Report | None) -> dict[str, dict[str, float]]:
    """Return by region: spread and mean volume over real ones', share of samples without it, DSC with its mask."""
    found = {}
    for region, figures in _result(free, "rvr").parts.items():
        if region == "overall" or not isinstance(figures, dict):
            continue
        ratio = figures["volume_ml"] / figures["volume_ml_real"]
        one = {name: figures[name] for name in ("spread_ratio", "missing_rate")} | {"median_volume_ratio": ratio}
        if steered is not None and region in _result(steered, "adherence").parts:
            one["dsc"] = _part(steered, "adherence", region, "median")
        found[region] = {name: round(value, 3) for name, value in one.items()}
    return found


def _result(report: Report, metric: str) -> Result:
    for skipped in report.skipped:
        if skipped.metric == metric:
            raise SystemExit(f"judge_tiny: {metric} could not be computed: {skipped.reason}")
    return next(result for result in report.results if result.metric == metric)


def _part(report: Report, metric: str, part: str, figure: str) -> float:
    figures = _result(report, metric).parts[part]
    assert isinstance(figures, dict)
    return figures[figure]


def show(found: Judgement, console: Console) -> None:
    """Print one row a goal."""
    table = Table("goal of", "value", "should be", "", box=None, pad_edge=False)
    for one in found.verdicts:
        table.add_row(one.what, f"{one.value:.4g}", one.goal, "met" if one.met else "MISSED")
    console.print(table)
    for kind, seconds in found.seconds.items():
        console.print(f"{found.free.model}, {kind}: samples in {seconds:g} s")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--checkpoint", type=Path, help="default: the shipped weights")
    parser.add_argument("--work", type=Path, default=Path("tiny_round"), help="default: tiny_round")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    progress = ConsoleProgress(Console(stderr=True, highlight=False))
    found = judge(options.model, options.checkpoint, options.work, seed=options.seed, progress=progress)
    if options.json:
        sys.stdout.write(json.dumps(found.document(), indent=2) + "\n")
    else:
        show(found, Console(highlight=False))
    sys.exit(not all(verdict.met for verdict in found.verdicts))


if __name__ == "__main__":
    main()
