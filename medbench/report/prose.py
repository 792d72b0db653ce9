"""What a run's numbers and its budget mean, in plain English: pure functions from records to text."""

from __future__ import annotations

from medbench.drawing.text import gib, number
from medbench.records.results import Budget, Result
from medbench.report.verdict import copies, verdict
from medbench.report.volumes import Look


def reading(result: Result) -> str:
    """Say in plain sentences what a result's value, interval, floor, ceiling and gap mean together."""
    unit = f" {result.unit}" if result.unit else ""
    said = [f"{result.metric} is {number(result.value)}{unit}; {result.better} is better."]
    if result.ci95 is not None:
        low, high = (number(end) for end in result.ci95)
        said.append(f"Chance in the choice of volumes leaves the range from {low} to {high} open (95 % interval).")
    if result.ceiling is not None:
        said.append(f"The best that the instruments allow is {number(result.ceiling)} ({result.ceiling_note}).")
    if result.floor is not None and result.ceiling is None and result.floor_values:
        said += _beside_floor(result)
    elif result.floor is not None:  # a metric's own floor is not always what real volumes score
        said.append(f"The floor is {number(result.floor)} ({result.floor_note}).")
    return " ".join([*said, *_against(result)])


def _beside_floor(result: Result) -> list[str]:
    """Set a value beside what real volumes score; a verdict only where the floor stands for the value's counts."""
    assert result.floor is not None  # the caller asked
    said = [f"Real volumes in place of the synthetic ones score {number(result.floor)}."]
    return said + [reason for reason in (verdict(result).reason,) if reason]


def _against(result: Result) -> list[str]:
    """Say whether the samples lie nearer to the training volumes than to the held-out ones."""
    if result.against is None:
        return []
    found = result.against
    said = (
        f"At {found.n} real volumes it is {number(found.train)} against the training split and "
        f"{number(found.held_out)} against the held-out split"
    )
    if found.gap_limit is None:
        return [f"{said}; too few volumes to say what chance does to that gap."]
    if copies(result):
        return [f"{said}: a gap beyond chance (limit {number(found.gap_limit)}), a sign of copying."]
    return [f"{said}: no gap beyond chance (limit {number(found.gap_limit)})."]


def budget_sentence(budget: Budget) -> str:
    """Say what the budget was, how it was checked and what came of it."""
    limit = f"The budget for video memory is {gib(budget.limit_bytes)}."
    if budget.kind == "absent":
        return f"{limit} No CUDA device took part, so nothing is known of the video memory that the stages need."
    if budget.kind == "predicted":
        how = "The figures are predicted by calculation, not measured."
    else:
        where = {
            "real": "on a card of about that size",
            "capped": "on a larger card, where the allocator alone was capped to the budget",
            "none": "without a card of its own",
        }[budget.card]
        how = f"The figures were measured {where}."
    verdict = {True: "The run stayed within the budget.", False: "The run went over the budget.", None: "No verdict."}
    return f"{limit} {how} {verdict[budget.within]}"


def prediction_sentences(budget: Budget) -> list[str]:
    """Say what each stage was predicted to need, and for what."""
    said = []
    for stage, found in budget.predicted.items():
        largest = found.largest_tensors[0] if found.largest_tensors else None
        of = f"; its largest tensor is {gib(largest.bytes)}, made by {largest.layer}" if largest else ""
        size = "x".join(map(str, found.shape))
        said.append(f"Predicted before it began: {stage} at {size} voxels needs about {gib(found.peak_bytes)}{of}.")
    return said


def memory_reason(budget: Budget) -> str:
    """Say why a figure of video memory is missing."""
    if budget.card == "none":
        return "not measured: no CUDA device took part"
    return "not measured: the driver or the library gave no figure"


def resolution_sentence(volumes: Look) -> str:
    """Say on which grid a page's volumes are, whether that is coarser than theirs, and what bounds it."""
    told = []
    for row in volumes.rows:
        shape, spacing = ("x".join(map(str, row["shape"])), "x".join(f"{step:.2f}" for step in row["spacing_mm"]))
        of = f", averaged from {'x'.join(map(str, row['full_shape']))}" if row["full_shape"] else ", as evaluated"
        told.append(f"{shape} voxels of {spacing} mm{of}")
    size = f"{volumes.characters / 1e6:.1f} MB"
    return f"Shown in whole HU: {'; '.join(dict.fromkeys(told))}. The volumes take {size}; a page takes at most 25 MB."
