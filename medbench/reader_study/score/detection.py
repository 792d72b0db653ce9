"""Real against synthetic by signed confidence: areas under ROC curves, and a file for other programs."""

from __future__ import annotations

from dataclasses import dataclass

from medbench.reader_study.key import REAL
from medbench.reader_study.score.criteria import enough
from medbench.reader_study.score.unblind import Unblinded
from medbench.statistics.areas import Ratings, area

_NONE_SAID = 1.0  # confidence, where a study does not ask for it


@dataclass(frozen=True)
class Detection:
    """How well readers tell a model's cases from real ones.

    Args:
        model: its name.
        auc: mean over readers of the area under the ROC curve of their signed confidence; 0.5: not at all.
        ci95: over cases, and readers where there are three.
    """

    model: str
    auc: float
    ci95: tuple[float, float]


def suspicion(scored: Unblinded, model: str) -> Ratings | None:
    """Return how sure readers are that cases of a model are synthetic: confidence, negative where called real.

    Args:
        scored: a rating study.
        model: real, or a model.

    Returns:
        None where the study does not ask for realism.
    """
    by_kind = {criterion.kind: criterion.id for criterion in scored.study.criteria}
    if "realism" not in by_kind:
        return None
    rows = scored.once[scored.once["model"] == model]
    sure = rows[by_kind["confidence"]] if "confidence" in by_kind else rows["reader"].map(lambda _: _NONE_SAID)
    signed = sure * (1 - 2 * rows[by_kind["realism"]])
    known = signed.notna()
    return Ratings(signed[known].to_numpy(float), rows["reader"][known].tolist(), rows["trial"][known].tolist())


def detections(scored: Unblinded) -> list[Detection]:
    """Return how well readers tell each model from real cases; none without these, or without the question.

    Args:
        scored: a rating study.
    """
    real = suspicion(scored, REAL)
    found = []
    for model in scored.models:
        synthetic = suspicion(scored, model)
        if model == REAL or real is None or synthetic is None or not (enough(real) and enough(synthetic)):
            continue
        if set(real.readers) & set(synthetic.readers):
            one = area(synthetic, real)
            found.append(Detection(model, one.value, one.ci95))
    return found


def imrmc(scored: Unblinded) -> str | None:
    """Return the study as an ``.imrmc`` file: rows of reader, case, modality (the model) and score.

    Real cases serve every model and stand there once for each. Cases are numbered as in the packet.

    Args:
        scored: a rating study.

    Returns:
        None without real cases or without the question of realism.

    Source: the manual of iMRMC (FDA, DIDSR).
    """
    real = suspicion(scored, REAL)
    models = [model for model in scored.models if model != REAL]
    synthetic = {model: given for model in models if (given := suspicion(scored, model)) is not None}
    if real is None or not len(real.values) or not any(len(given.values) for given in synthetic.values()):
        return None
    truth = {_number(case): 0 for case in real.cases}
    truth |= {_number(case): 1 for given in synthetic.values() for case in given.cases}
    rows = [f"-1,{case},0,{positive}" for case, positive in sorted(truth.items())]
    for model, given in synthetic.items():
        for ratings in (real, given):
            scores = zip(ratings.readers, ratings.cases, ratings.values.tolist())
            rows += [f"{reader},{_number(case)},{_token(model)},{value:g}" for reader, case, value in scores]
    head = [
        "Reader study: score is the confidence that a case is synthetic, negative where it was called real",
        f"N0: {len(truth) - sum(truth.values())}",
        f"N1: {sum(truth.values())}",
        f"NR: {len(scored.readers)}",
        f"NM: {len(synthetic)}",
        "BEGIN DATA:",
    ]
    return "\n".join([*head, *rows]) + "\n"


def _number(case: str) -> int:
    return int(case.lstrip("C"))


def _token(model: str) -> str:
    """Return a name that cannot break a row."""
    return model.replace(",", "_").replace("\n", "_")
