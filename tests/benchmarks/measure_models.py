"""Measure every generator on a CUDA card under the 24 GB budget; what was measured goes to DIR/budget.json.

python tests/benchmarks/measure_models.py DIR

The default preset is sampled with its own weights. Every preset that is made for another shape is trained on three
phantoms of that shape until it is interrupted, which shows the memory of its first stage. The same command measures
what is still missing.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch

from medbench.datasets.base import Case, Check, Split
from medbench.datasets.phantom.dataset import PhantomDataset

SECONDS = 180
SHAPE = "MEASURED_SHAPE"


class FewPhantoms:
    """Two phantoms to train on and one each to select and to test, of the shape that the environment names."""

    info: ClassVar = dataclasses.replace(PhantomDataset.info, name="few-phantoms", summary="a few large phantoms")

    def __init__(self, root: Path | None = None) -> None:
        x, y, z = map(int, os.environ[SHAPE].split("x"))
        self._phantom = PhantomDataset(root, shape=(x, y, z))
        self.grid = self._phantom.grid

    def cases(self, split: Split) -> Sequence[Case]:
        """Return the first cases of a split."""
        return self._phantom.cases(split)[: 2 if split == "train" else 1]

    def identity(self) -> dict[str, object]:
        """Return what the phantoms are."""
        return {**self._phantom.identity(), "name": self.info.name}

    def verify(self) -> list[Check]:
        """Check nothing: they are computed."""
        return []


def command(*arguments: str) -> list[str]:
    """Return a medbench command line."""
    return [sys.executable, "-m", "cli.main", *arguments]


def presets() -> list[dict[str, Any]]:
    """Return all presets of all models."""
    told = subprocess.run(command("list", "presets", "--json"), check=True, capture_output=True, text=True)
    rows: list[dict[str, Any]] = json.loads(told.stdout)
    return [row for row in rows if row["shape"] is not None]


def measure(row: dict[str, Any], folder: Path) -> dict[str, Any] | None:
    """Run one preset and return what its stage took, or None where it did not come that far."""
    out = folder / f"{row['model']}-{row['name']}"
    stage, dataset = ("sample", "phantom") if row["default"] else ("fit", f"{__file__}:FewPhantoms")
    asked = {"model": row["model"], "preset": row["name"], "dataset": dataset, "device": "cuda", "budget": "24GB"}
    options = [text for name, value in {**asked, "out": str(out)}.items() for text in (f"--{name}", value)]
    samples = ["--samples", "2"] if stage == "sample" else []
    environment = {**os.environ, SHAPE: "x".join(map(str, row["shape"]))}
    process = subprocess.Popen(command(stage, *options, *samples), env=environment)
    try:
        process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        process.wait()
    record = out / "run.json"
    stages = json.loads(record.read_bytes())["stages"] if record.is_file() else {}
    memory: dict[str, Any] | None = stages.get(stage, {}).get("memory")
    return memory and {"stage": stage, **memory}


def main() -> None:
    """Measure what is missing."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "budget.json"
    found: dict[str, Any] = json.loads(file.read_bytes()) if file.is_file() else {}
    found["card"] = torch.cuda.get_device_name(0)
    for row in presets():
        known = [key for key in found if key.startswith(f"{row['model']}/{row['name']}/")]
        memory = None if known else measure(row, folder)
        if memory is not None:
            found[f"{row['model']}/{row['name']}/{memory['stage']}"] = memory
            gib = {name: (memory[f"{name}_bytes"] or 0) / 2**30 for name in ("allocated", "reserved", "process")}
            told = ", ".join(f"{name} {size:.2f} GiB" for name, size in gib.items())
            print(f"{row['model']} {row['name']} {memory['stage']}: {told}, {memory['seconds']} seconds")
        file.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
