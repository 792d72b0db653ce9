"""``README.html``: a page of instructions that a reader can print."""

from __future__ import annotations

from medbench.reader_study.study import Study, columns
from medbench.report.html import render


def instructions(study: Study) -> str:
    """Return the page. It says what is asked and how to answer, and nothing of how many cases are real.

    Args:
        study: the description of the packet.
    """
    return render("instructions.html.j2", study=study, columns=columns(study), trials=len(study.orders[0]))
