"""What is noticed about a file beside its voxels: what a number that rests on them may depend on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One thing that was noticed.

    Args:
        severity: "error" where a number would be meaningless, "warning" where it may mislead, "note" otherwise.
        file: the volume (or the side) it is about.
        check: name of the check.
        detail: what is wrong, and how to mend it.
    """

    severity: Severity
    file: str
    check: str
    detail: str
