"""``report.html``: everything a run found, in one file that loads nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from medbench.drawing import text
from medbench.records.results import Report, by_cause
from medbench.records.run import RunFolder
from medbench.report import context, prose
from medbench.report.glossary import GLOSSARY, anchor
from medbench.report.protocol_text import protocol_sentences
from medbench.report.verdict import copies, verdict
from medbench.report.volumes import MOST_BYTES, look
from medbench.storage.files import write_text

if TYPE_CHECKING:
    from jinja2 import Environment

_PACKAGE: Final = "medbench.report"
_TEXT_BYTES: Final = 1_500_000
"""Kept free for all that is neither a picture nor a volume."""


class Footnotes:
    """Numbered reasons under a table, each said once.

    Args:
        prefix: makes the anchors unique within the page.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.reasons: list[str] = []

    def mark(self, reason: str) -> int:
        """Return the number of a reason, which is kept for the list."""
        if reason not in self.reasons:
            self.reasons.append(reason)
        return self.reasons.index(reason) + 1


def write_report(folder: Path) -> Path:
    """Write a run's ``report.html`` from what lies in its folder: records, tables and figures.

    Args:
        folder: a run folder with ``run.json`` and ``results.json``.

    Returns:
        The path of the page, which needs no other file and no network; it is at most ``MOST_BYTES`` long.

    Raises:
        SpecError: the folder is no run folder.
        DataError: ``results.json`` is absent or damaged, or a table or figure is damaged.
    """
    run = RunFolder(folder)
    record = run.read()
    report = Report.read(run.results_file)
    tables = [(result.metric, context.read_table(run.tables, result)) for result in report.results]
    pictures = context.pictures(run.path, report.results)
    started = {name: stage.started for name, stage in record.stages.items() if name != "report"}
    page = render(
        "report.html.j2",
        report=report,
        record=record,
        # When the numbers were made: the start of the evaluation, or else of the last stage before the report.
        date=text.moment(started.get("evaluate", max(started.values()))) if started else None,
        unfinished=[name for name, stage in record.stages.items() if stage.status != "done" and name != "report"],
        stand_ins=sorted({name for result in report.results for name in result.stand_ins}),
        glances=[context.glance(result) for result in report.results],
        summaries={metric: context.summary(table) for metric, table in tables if table is not None},
        pictures=pictures,
        volumes=look(run, record, most_bytes=MOST_BYTES - _TEXT_BYTES - sum(len(one["uri"]) for one in pictures)),
        gate=record.evaluation.gate,
        command=record.evaluation.command,
    )  # fmt: skip
    write_text(run.report_file, page)
    return run.report_file


def render(template: str, *, package: str = _PACKAGE, **context: object) -> str:
    """Return a page; what the template asks for and is not given raises.

    Args:
        template: its file in ``medbench/report/templates``, or in the folder ``templates`` of another package.
        package: that package; its pages may extend ``base.html.j2`` and import ``macros.html.j2``.
        context: what the template asks for.
    """
    return _environment(package).get_template(template).render(**context)


def _environment(package: str) -> Environment:
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=ChoiceLoader([PackageLoader(name, "templates") for name in dict.fromkeys((package, _PACKAGE))]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        **{told.__name__: told for told in (text.number, text.gib, text.seconds, text.label, text.direction)},
        "protocol_sentences": protocol_sentences,
        "json": lambda value: json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False),
    }
    environment.globals |= {
        "prose": prose,
        "Footnotes": Footnotes,
        "verdict": verdict,
        "copies": copies,
        "GLOSSARY": GLOSSARY,
        "anchor": anchor,
        "part_tables": context.part_tables,
        "by_cause": by_cause,
    }
    return environment
