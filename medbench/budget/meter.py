"""The VRAM budget: a cap on the device, and what was measured under it.

``allocated`` is the peak of live tensors, ``reserved`` the peak of the allocator's pool, ``process`` what the driver
counts for the whole process (context and library workspaces included). On a larger card the cap bounds the pool only:
such a figure is called ``capped``.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psutil

from medbench.errors import BudgetExceededError, SpecError
from medbench.records.results import Budget, StageMemory
from medbench.records.run import RunFolder, RunRecord, StageName, StageRecord, library_versions

GIB: Final = 1024**3
_UNITS: Final = {"": 1, "B": 1, "KB": 1024, "MB": 1024**2, "GB": GIB, "TB": 1024**4}
_RSS_INTERVAL_S: Final = 0.05


def parse_bytes(text: str) -> int:
    """Read a size such as ``24GB`` or ``512 MiB``; units are binary, as memory is sold.

    Raises:
        SpecError: not a size.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)I?(B?)\s*", text.upper())
    unit = (match[2] + "B") if match and match[2] else "B"
    size = int(float(match[1]) * _UNITS[unit]) if match else 0
    if size <= 0:
        raise SpecError(f"'{text}' is no memory size: write it like 24GB")
    return size


class Meter:
    """Measures the stages of a run against the budget.

    Args:
        limit_bytes: the budget.
        device: a torch device name, ``cpu`` or ``cuda[:i]``.
    """

    def __init__(self, limit_bytes: int, device: str) -> None:
        self.limit_bytes = limit_bytes
        self.device = device

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
        peak = _ResidentPeak()
        if self.device == "cpu":
            with peak:
                yield measured
            measured.append(peak.record(allocated=None, reserved=None, process=None))
            return
        import torch

        device = torch.device(self.device)
        total = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, self.limit_bytes / total), device)
        torch.cuda.reset_peak_memory_stats(device)
        try:
            with peak:
                yield measured
        except torch.OutOfMemoryError as error:
            raise BudgetExceededError(
                f"stage {stage} needs more than the budget of {self.limit_bytes / GIB:.1f} GiB on {self.device}: "
                "raise --budget on a larger card, or take a smaller preset"
            ) from error
        measured.append(
            peak.record(
                allocated=torch.cuda.max_memory_allocated(device),
                reserved=torch.cuda.max_memory_reserved(device),
                process=_device_bytes_of_process(),
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


class _ResidentPeak:
    """Samples this process's resident memory while a block runs."""

    def __enter__(self) -> _ResidentPeak:
        self._process = psutil.Process()
        self._peak = self._process.memory_info().rss
        self._done = threading.Event()
        self._clock = time.monotonic()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._seconds = time.monotonic() - self._clock
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(_RSS_INTERVAL_S):
            self._peak = max(self._peak, self._process.memory_info().rss)

    def record(self, *, allocated: int | None, reserved: int | None, process: int | None) -> StageMemory:
        return StageMemory(
            allocated_bytes=allocated,
            reserved_bytes=reserved,
            process_bytes=process,
            rss_bytes=self._peak,
            seconds=round(self._seconds, 3),
        )


def _device_bytes_of_process() -> int | None:
    """Return what the driver counts for this process over all devices; None where it does not say."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        used = 0
        for index in range(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            for process in pynvml.nvmlDeviceGetComputeRunningProcesses(handle):
                if process.pid == psutil.Process().pid and process.usedGpuMemory is not None:
                    used += process.usedGpuMemory
        return used or None
    except pynvml.NVMLError:
        return None
