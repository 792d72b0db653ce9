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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

import psutil

from medbench.budget.place import place_of
from medbench.errors import BudgetExceededError, SpecError
from medbench.records.results import Budget, StageMemory, StagePrediction
from medbench.records.run import RunFolder, RunRecord, StageName, StageRecord, library_versions

GIB: Final = 1024**3
_GENERATORS: Final[tuple[StageName, ...]] = ("fit", "sample")
_UNITS: Final = {"": 1, "K": 1024, "M": 1024**2, "G": GIB, "T": 1024**4}
_RSS_INTERVAL_S: Final = 0.05


def parse_bytes(text: str) -> int:
    """Read a size such as ``24GB`` or ``512 MiB``; units are binary, as memory is sold.

    Raises:
        SpecError: not a size, or a bare number.
    """
    match = re.fullmatch(r"\s*(\d{1,12}(?:\.\d{1,12})?)\s*([KMGT]?)(I?B)?\s*", text.upper())
    if match and not (match[2] or match[3]):
        raise SpecError(f"'{text}' has no unit: write {text.strip()}GB, or {text.strip()}B for bytes")
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
    def stage(
        self, folder: RunFolder, record: RunRecord, name: StageName, prediction: StagePrediction | None = None
    ) -> Iterator[StageRecord]:
        """Run a stage with its status, time, memory and prediction kept in ``run.json``.

        Raises:
            BudgetExceededError: see ``measure``.
        """
        record.device, record.versions = self.device, library_versions()
        with folder.stage(record, name) as entry:
            entry.prediction = prediction
            measured: list[StageMemory] = []
            try:
                with self.measure(name) as measured:
                    yield entry
            finally:
                known = [*measured, *([entry.memory] if entry.memory else [])]  # the block may know of other processes
                entry.memory = largest(known) if known else None
                record.budget = self.budget(record.stages)

    @contextmanager
    def measure(self, stage: str) -> Iterator[list[StageMemory]]:
        """Cap the device at the budget and measure the block.

        The yielded list holds one record afterwards, also where the block failed or was interrupted.

        Raises:
            BudgetExceededError: the device ran out of memory within the budget; the message has layer and shape.
        """
        measured: list[StageMemory] = []
        card = None if self.device == "cpu" else self._cap()
        exceeded = False
        try:
            with _watched() as found:
                yield measured
        except Exception as error:
            exceeded = card is not None and _is_out_of_memory(error)
            if not exceeded:
                raise
            limit = f"the budget of {self.limit_bytes / GIB:.1f} GiB on {self.device}"
            raise BudgetExceededError(f"stage {stage} exceeded {limit} {place_of(error)}") from error
        finally:
            peaks = (
                dict.fromkeys(("allocated_bytes", "reserved_bytes", "process_bytes")) if card is None else self._peaks()
            )
            measured.append(StageMemory(**peaks, card_bytes=card, exceeded=exceeded, **found))

    def _cap(self) -> int:
        """Cap the device at the budget and forget earlier peaks; return the memory of the whole card."""
        import torch

        device = torch.device(self.device)
        card: int = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, self.limit_bytes / card), device)
        torch.cuda.reset_peak_memory_stats(device)
        return card

    def _peaks(self) -> dict[str, int | None]:
        import torch

        device = torch.device(self.device)
        return {
            "allocated_bytes": torch.cuda.max_memory_allocated(device),
            "reserved_bytes": torch.cuda.max_memory_reserved(device),
            "process_bytes": _device_bytes_of_process(),
        }

    def allowed_bytes(self) -> float:
        """Return what the device can give within the budget: no more than others have left; the budget on a CPU."""
        if self.device == "cpu":
            return self.limit_bytes
        import torch

        free, _ = torch.cuda.mem_get_info(torch.device(self.device))
        return min(self.limit_bytes, free + torch.cuda.memory_reserved(torch.device(self.device)))

    def budget(self, stages: Mapping[StageName, StageRecord]) -> Budget:
        """Return the record for ``results.json``: the verdict is on what the generator's own stages took."""
        memory = {name: entry.memory for name, entry in stages.items() if entry.memory is not None}
        predicted = {name: entry.prediction for name, entry in stages.items() if entry.prediction is not None}
        own = [memory[name] for name in _GENERATORS if name in memory]
        cards = [one.card_bytes for one in own if one.card_bytes is not None]
        kind: Literal["measured", "predicted", "absent"] = "predicted" if predicted else "absent"
        card: Literal["real", "capped", "none"] = "none"
        within = all(one.peak_bytes <= self.limit_bytes for one in predicted.values()) if predicted else None
        if own and len(cards) == len(own):
            kind = "measured"
            card = "real" if max(cards) <= self.limit_bytes * 1.05 else "capped"
            peaks = [one.process_bytes or one.reserved_bytes or 0 for one in own]
            within = max(peaks) <= self.limit_bytes and not any(one.exceeded for one in own)
        return Budget(
            limit_bytes=self.limit_bytes, kind=kind, card=card, within=within, stages=memory, predicted=predicted
        )


def largest(memories: Sequence[StageMemory]) -> StageMemory:
    """Return the largest figures of several processes, each for itself.

    Args:
        memories: at least one.
    """
    found: dict[str, Any] = {}
    for name in StageMemory.model_fields:
        known = [value for memory in memories if (value := getattr(memory, name)) is not None]
        found[name] = max(known, default=None)
    return StageMemory(**found)


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


def _is_out_of_memory(error: Exception) -> bool:
    import torch

    return isinstance(error, torch.OutOfMemoryError)


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
