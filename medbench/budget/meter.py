"""The VRAM budget: a cap on the device, and what was measured under it.

``allocated`` is the peak of live tensors, ``reserved`` the peak of the allocator's pool, ``process`` what the driver
counts for the whole process (context and library workspaces included). On a larger card the cap bounds the pool only:
such a figure is called ``capped``.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import psutil

from medbench.errors import BudgetExceededError, SpecError
from medbench.records.results import Budget, StageMemory
from medbench.records.run import RunFolder, RunRecord, StageName, StageRecord, library_versions

GIB: Final = 1024**3
_UNITS: Final = {"": 1, "K": 1024, "M": 1024**2, "G": GIB, "T": 1024**4}
_RSS_INTERVAL_S: Final = 0.05


def parse_bytes(text: str) -> int:
    """Read a size such as ``24GB`` or ``512 MiB``; units are binary, as memory is sold.

    Raises:
        SpecError: not a size.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)I?B?\s*", text.upper())
    size = int(float(match[1]) * _UNITS[match[2]]) if match else 0
    if size <= 0:
        raise SpecError(f"'{text}' is no memory size: write it like 24GB")
    return size


@dataclass(frozen=True)
class Meter:
    """Measures the stages of a run against the budget.

    Args:
        limit_bytes: the budget.
        device: a torch device name, ``cpu`` or ``cuda[:i]``.
    """

    limit_bytes: int
    device: str

    @contextmanager
    def stage(self, folder: RunFolder, record: RunRecord, name: StageName) -> Iterator[StageRecord]:
        """Run a stage with its status, time and memory kept in ``run.json``."""
        record.device, record.versions = self.device, library_versions()
        with folder.stage(record, name) as entry:
            with self.measure(name) as measured:
                yield entry
            entry.memory = measured[0]
            record.budget = self.budget({n: e.memory for n, e in record.stages.items() if e.memory is not None})

    @contextmanager
    def measure(self, stage: str) -> Iterator[list[StageMemory]]:
        """Cap the device at the budget and measure the block; the yielded list holds one record afterwards.

        Raises:
            BudgetExceededError: the device ran out of memory within the budget.
        """
        measured: list[StageMemory] = []
        if self.device == "cpu":
            with _watched() as found:
                yield measured
            measured.append(StageMemory(allocated_bytes=None, reserved_bytes=None, process_bytes=None, **found))
            return
        import torch

        device = torch.device(self.device)
        total = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, self.limit_bytes / total), device)
        torch.cuda.reset_peak_memory_stats(device)
        try:
            with _watched() as found:
                yield measured
        except torch.OutOfMemoryError as error:
            raise BudgetExceededError(
                f"stage {stage} needs more than the budget of {self.limit_bytes / GIB:.1f} GiB on {self.device}: "
                "raise --budget on a larger card, or take a smaller preset"
            ) from error
        measured.append(
            StageMemory(
                allocated_bytes=torch.cuda.max_memory_allocated(device),
                reserved_bytes=torch.cuda.max_memory_reserved(device),
                process_bytes=_device_bytes_of_process(),
                **found,
            )
        )

    def budget(self, stages: dict[str, StageMemory]) -> Budget:
        """Return the record for ``results.json`` over what the stages of a run took."""
        if self.device == "cpu":
            return Budget(limit_bytes=self.limit_bytes, kind="absent", card="none", within=None, stages=stages)
        import torch

        total = torch.cuda.get_device_properties(torch.device(self.device)).total_memory
        peaks = [stage.process_bytes or stage.reserved_bytes or 0 for stage in stages.values()]
        return Budget(
            limit_bytes=self.limit_bytes,
            kind="measured",
            card="real" if total <= self.limit_bytes * 1.05 else "capped",
            within=max(peaks, default=0) <= self.limit_bytes,
            stages=stages,
        )


@contextmanager
def _watched() -> Iterator[dict[str, Any]]:
    """Run a block; what is yielded holds its seconds and this process's largest resident memory afterwards."""
    process, done, begun = psutil.Process(), threading.Event(), time.monotonic()
    found: dict[str, Any] = {"rss_bytes": process.memory_info().rss}

    def watch() -> None:
        while not done.wait(_RSS_INTERVAL_S):
            found["rss_bytes"] = max(found["rss_bytes"], process.memory_info().rss)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found["seconds"] = round(time.monotonic() - begun, 3)
        done.set()
        thread.join()


def _device_bytes_of_process() -> int | None:
    """Return what the driver counts for this process over all devices; None where it does not say."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        devices = map(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount()))
        processes = [one for device in devices for one in pynvml.nvmlDeviceGetComputeRunningProcesses(device)]
    except pynvml.NVMLError:
        return None
    return sum(one.usedGpuMemory or 0 for one in processes if one.pid == os.getpid()) or None
