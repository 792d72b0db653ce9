"""The gate before every metric: are these volumes CT in Hounsfield units, on comparable grids, each one only once?

Facts about a volume are measured once (and may be cached as JSON by the file's hash); checking them is a pure function.
Nothing is rescaled or guessed here: what cannot be HU is refused.
"""

from medbench.evaluation.gate.checks import check
from medbench.evaluation.gate.facts import FACTS_VERSION, Facts, facts, file_facts
from medbench.evaluation.gate.findings import Finding, Severity, SideReport, raise_on_errors, rows

__all__ = [
    "FACTS_VERSION",
    "Facts",
    "Finding",
    "Severity",
    "SideReport",
    "check",
    "facts",
    "file_facts",
    "raise_on_errors",
    "rows",
]
