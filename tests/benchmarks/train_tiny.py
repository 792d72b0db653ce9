"""Train the tiny checkpoints that are shipped again, one after another, judge each, and print a table.

python tests/benchmarks/train_tiny.py [--models a,b] [--work DIR] [--install]

It trains as ``medbench fit --model X --dataset phantom --preset tiny --seed 0`` does, for every generator with such a
preset. DIR gets X/tiny.safetensors and X/tiny.json (command, seed, machine, seconds, scores); the same command goes on
where it was stopped. --install puts both in the place of the shipped ones.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import torch
from judge_tiny import DATASET, MOST_BYTES, PRESET, Judgement, judge
from rich.console import Console
from rich.table import Table

from cli.progress import ConsoleProgress
from medbench import MedbenchError, Progress, registry
from medbench.pipeline.options import RunOptions
from medbench.pipeline.run import Run

SEED = 0
MOST_SECONDS = 3600
NOTED_EVERY_S = 10
T = TypeVar("T")


class Clocked:
    """Passes progress on and keeps the seconds that a training has taken in a file, over all its attempts."""

    def __init__(self, inner: Progress, file: Path) -> None:
        self._inner = inner
        self._file = file
        self.seconds: float = json.loads(file.read_bytes()) if file.is_file() else 0.0
        self._noted = time.monotonic()

    def track(self, items: Iterable[T], *, task: str, total: int | None = None) -> Iterator[T]:
        """Yield the items under the name of their task."""
        for item in self._inner.track(items, task=task, total=total):
            yield item
            if time.monotonic() - self._noted > NOTED_EVERY_S:
                self.note_time()

    def note(self, message: str) -> None:
        """Pass a line on."""
        self._inner.note(message)

    def note_time(self) -> None:
        """Add what has passed since the last call."""
        now = time.monotonic()
        self.seconds, self._noted = self.seconds + now - self._noted, now
        self._file.write_text(json.dumps(round(self.seconds, 1)), encoding="utf-8")


def tiny_models() -> list[str]:
    """Return the generators that have a tiny preset."""
    return [name for name in registry.names("generators") if PRESET in registry.load("generators", name).info.presets]


def trained(model: str, folder: Path, progress: Progress) -> tuple[Path, float]:
    """Return a model's checkpoint and the seconds of its training, which is taken up where it was stopped."""
    folder.mkdir(parents=True, exist_ok=True)
    clock = Clocked(progress, folder / "seconds.json")
    options = RunOptions(
        model=model, dataset=DATASET, preset=PRESET, seed=SEED, train=True, out=folder / "fit", device="cpu", workers=1
    )
    run = Run(options, clock)
    finished = run.record.stages.get("fit")
    checkpoint = run.fit()
    if finished is None or finished.status != "done":
        clock.note_time()
    return checkpoint, clock.seconds


def record_of(model: str, checkpoint: Path, seconds: float, found: Judgement) -> dict[str, Any]:
    """Return what is kept beside a checkpoint."""
    return {
        "model": model,
        "preset": PRESET,
        "command": f"medbench fit --model {model} --dataset {DATASET} --preset {PRESET} --seed {SEED}",
        "seed": SEED,
        "sha256": hashlib.sha256(checkpoint.read_bytes()).hexdigest(),
        "bytes": checkpoint.stat().st_size,
        "training": {
            "seconds": round(seconds),
            "threads": torch.get_num_threads(),
            "machine": f"{platform.machine()}, {_processor()}",
            "torch": torch.__version__,
        },
        **found.document(),
    }


def _processor() -> str:
    names = Path("/proc/cpuinfo")
    lines = names.read_text(encoding="utf-8").splitlines() if names.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "CPU")


def one(model: str, work: Path, progress: Progress) -> dict[str, Any]:
    """Train and judge one model unless that is done; return its record."""
    folder = work / model
    kept, file = folder / f"{PRESET}.safetensors", folder / f"{PRESET}.json"
    checkpoint, seconds = trained(model, folder, progress)
    if file.is_file():
        record: dict[str, Any] = json.loads(file.read_bytes())
        if record["sha256"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest():
            return record
    record = record_of(model, checkpoint, seconds, judge(model, checkpoint, work, seed=SEED, progress=progress))
    shutil.copyfile(checkpoint, kept)
    file.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return record


def install(model: str, work: Path) -> None:
    """Put a checkpoint and its record where the generator looks for its shipped weights."""
    shipped = registry.load("generators", model)(PRESET, device="cpu").default_checkpoint()
    for suffix in (".safetensors", ".json"):
        shutil.copyfile(work / model / f"{PRESET}{suffix}", shipped.with_suffix(suffix))


def show(records: list[dict[str, Any]], console: Console) -> None:
    """Print one row a model: time, size, scores, and what it missed."""
    metrics = list(dict.fromkeys(metric for record in records for metric in record["results"]))
    table = Table("model", "min", "MB", *metrics, "missed", box=None, pad_edge=False)
    for record in records:
        values = [record["results"].get(metric, {}).get("value") for metric in metrics]
        seconds, size = record["training"]["seconds"], record["bytes"]
        missed = [
            f"{goal['what']} {goal['value']:.3g}, not {goal['goal']}" for goal in record["goals"] if not goal["met"]
        ]
        missed += ["training above 60 min"] if seconds > MOST_SECONDS else []
        missed += ["above 3 MB"] if size > MOST_BYTES else []
        cells = ["-" if value is None else f"{value:.4g}" for value in values]
        table.add_row(
            record["model"], f"{seconds / 60:.0f}", f"{size / 1e6:.2f}", *cells, "; ".join(missed) or "nothing"
        )
    console.print(table)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", help="comma-separated; default: all that have a preset tiny")
    parser.add_argument("--work", type=Path, default=Path("tiny_round"), help="default: tiny_round")
    parser.add_argument("--install", action="store_true", help="replace the shipped weights and their records")
    options = parser.parse_args()
    progress = ConsoleProgress(Console(stderr=True, highlight=False))
    models = options.models.split(",") if options.models else tiny_models()
    try:
        records = [one(model, options.work, progress) for model in models]
        if options.install:
            for model in models:
                install(model, options.work)
    except MedbenchError as error:
        parser.exit(error.exit_code, f"train_tiny: {error}\n")
    show(records, Console(highlight=False, width=200))


if __name__ == "__main__":
    main()
