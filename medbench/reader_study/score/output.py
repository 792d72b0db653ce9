"""What a scored study leaves on disk: tables, a figure, a page, and results that can be compared like any metric's."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from medbench.budget.meter import GIB
from medbench.errors import SpecError
from medbench.evaluation.measure import write_table
from medbench.reader_study.criteria import Criterion
from medbench.reader_study.key import REAL
from medbench.reader_study.score.detection import imrmc
from medbench.reader_study.score.figure import draw
from medbench.reader_study.score.score import StudyScore, reader_table
from medbench.reader_study.score.unblind import Unblinded
from medbench.records.results import Budget, Report, Result
from medbench.report.context import pictures
from medbench.report.html import render
from medbench.spec import fingerprint
from medbench.storage.files import make_folder, write_json, write_text

if TYPE_CHECKING:
    import pandas as pd

    from medbench.reader_study.score.criteria import Standing

SCORES: Final = "scores.json"
FIGURE: Final = "figures/ratings.png"
_BUDGET: Final = Budget(limit_bytes=24 * GIB, kind="absent", card="none", within=None)


def save(scored: Unblinded, found: StudyScore, out: Path) -> Path:
    """Write everything to a new folder, or over earlier scores; return its page.

    ``scores.json`` (the document of ``--json``), ``tables/*.csv``, ``figures/ratings.png``, ``study.imrmc``,
    ``models/NAME/results.json`` and ``report.html``.

    Args:
        scored: the study.
        found: its scores.
        out: the folder.

    Raises:
        SpecError: the folder holds something else.
        StorageError: disk full or not writable.
    """
    if out.is_dir() and any(out.iterdir()) and not (out / SCORES).is_file():
        raise SpecError(f"{out} is not empty and holds no scores: choose another --out")
    make_folder(out)
    write_json(out / SCORES, found.document())
    shown = tables(scored, found)
    for name, table in shown.items():
        write_table(out / "tables" / f"{name}.csv", table)
    if any(found.criteria.values()):
        draw(scored.study.criteria, found.criteria, out / FIGURE, about=_about(found))
    exchange = imrmc(scored) if scored.study.design == "rating" else None
    if exchange is not None:
        write_text(out / "study.imrmc", exchange)
    for report in reports(scored, found):
        report.save(out / "models" / re.sub(r"[^\w.-]+", "_", report.model))
    page = render(
        "study.html.j2",
        study=scored.study,
        score=found,
        about=_about(found),
        readers=shown["readers"].astype(object).where(shown["readers"].notna(), None).to_dict("records"),
        pictures=pictures(out, ()),
        exchange=exchange is not None,
    )
    write_text(out / "report.html", page)
    return out / "report.html"


def tables(scored: Unblinded, found: StudyScore) -> dict[str, pd.DataFrame]:
    """Return the tables behind the scores by name: ratings, summary, tests, agreement, detection, readers.

    Args:
        scored: the study.
        found: its scores.
    """
    import pandas as pd

    summary = [
        {"criterion": criterion, "model": model, **_flat(standing)}
        for criterion, of_model in found.criteria.items()
        for model, standing in of_model.items()
    ]
    agreed = [{"criterion": criterion, **asdict(one)} for criterion, one in found.agreement.items()]
    return {
        "ratings": scored.table,
        "summary": pd.DataFrame(summary),
        "tests": pd.DataFrame([_ends(asdict(test)) for test in found.tests]),
        "agreement": pd.DataFrame(agreed).assign(notes=["; ".join(one["notes"]) for one in agreed]),
        "detection": pd.DataFrame([_ends(asdict(one)) for one in found.detection]),
        "readers": reader_table(scored),
    }


def reports(scored: Unblinded, found: StudyScore) -> list[Report]:
    """Return the results of each model, one ``reader:<criterion>`` a criterion, as a leaderboard takes them.

    Only models that were read in one study share a fingerprint, hence a track.

    Args:
        scored: the study.
        found: its scores.
    """
    study = scored.study
    protocol: dict[str, Any] = {
        "design": study.design,
        "criteria": [criterion.model_dump(mode="json") for criterion in study.criteria],
        "shape": list(study.shape),
        "spacing_mm": list(study.spacing_mm),
        "study": study.digest(),
        "readers": list(found.readers),
    }
    mark = fingerprint(protocol)
    models = sorted({model for of_model in found.criteria.values() for model in of_model} - {REAL})
    return [
        Report(
            run=_run(scored, model),
            model=model,
            model_version=None,
            dataset="reader-study",
            track=f"reader-study/{mark}",
            budget=_BUDGET,
            results=tuple(
                _result(scored, found, criterion, model, protocol=protocol, mark=mark)
                for criterion in study.criteria
                if criterion.kind != "confidence" and model in found.criteria[criterion.id]
            ),
        )
        for model in models
    ]


def _result(
    scored: Unblinded, found: StudyScore, criterion: Criterion, model: str, *, protocol: dict[str, Any], mark: str
) -> Result:
    """Return one model's result: the mean of a scale, the share called real, or the share chosen."""
    standing, real = found.criteria[criterion.id][model], found.criteria[criterion.id].get(REAL)
    scale = criterion.kind == "scale"
    value, ends = (standing.mean, standing.mean_ci95) if scale else (standing.share, standing.ci95)
    floor = None if real is None else real.mean if scale else real.share
    note = "what the real cases of the same study got" if real else "no real cases were rated"
    if criterion.kind == "choice":
        floor, note = 0.5, "chance: a case that cannot be told from its partner"
    return Result(
        metric=f"reader:{criterion.id}",
        summary=f"readers: {criterion.question}",
        value=value,
        ci95=ends,
        ci_method=standing.method,
        floor=floor,
        floor_note=note,
        better="higher",
        unit=None,
        n_real=real.cases if real else 0,
        n_synthetic=standing.cases,
        parts={"median": standing.median, "share": standing.share},
        fingerprint=mark,
        protocol=protocol,
        notes=found.notes,
        seconds=float(scored.table["seconds"].sum()),
        table=None,
    )


def _run(scored: Unblinded, model: str) -> str:
    runs = {origin.run for origin in scored.key.cases.values() if origin.model == model and origin.run}
    return "+".join(sorted(runs)) or model


def _about(found: StudyScore) -> str:
    readers = f"{len(found.readers)} reader{'s' * (len(found.readers) > 1)}"
    return f"{readers}, {found.cases} trials each at most. Beside each bar: share of the best answer, 95 % interval."


def _flat(standing: Standing) -> dict[str, Any]:
    row = _ends(asdict(standing))
    row["counts"] = " ".join(map(str, row["counts"]))
    row["q1"], row["q3"] = row.pop("iqr")
    return row


def _ends(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row whose intervals are two columns each."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if name.endswith("ci95"):
            flat[f"{name.removesuffix('ci95')}ci_low"], flat[f"{name.removesuffix('ci95')}ci_high"] = value
        else:
            flat[name] = value
    return flat
