from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from medbench.reader_study.score.detection import detections, imrmc, suspicion


def test_the_area_is_that_of_the_roc_curve_of_signed_confidence(rating_study) -> None:
    scored = rating_study({"real": 0.8, "a": -0.4}, readers=1, cases=15, seed=0)
    real, synthetic = suspicion(scored, "real"), suspicion(scored, "a")
    values = np.concatenate([real.values, synthetic.values])
    assert set(np.abs(values)) <= {1, 2, 3, 4, 5}
    (found,) = detections(scored)
    assert found.model == "a"
    assert found.auc == pytest.approx(roc_auc_score([0] * 15 + [1] * 15, values))


def test_without_the_question_there_is_no_area(rating_study) -> None:
    scored = rating_study({"real": 0.8, "a": -0.4}, readers=1, cases=6, seed=0, criteria="khader")
    assert detections(scored) == []
    assert imrmc(scored) is None


def test_without_real_cases_there_is_no_area(rating_study) -> None:
    scored = rating_study({"b": 0.8, "a": -0.4}, readers=1, cases=6, seed=0)
    assert detections(scored) == []
    assert imrmc(scored) is None


def test_the_file_for_multi_reader_programs(rating_study) -> None:
    text = imrmc(rating_study({"real": 0.8, "a": -0.4, "b": 0.0}, readers=3, cases=5, seed=0))
    head, rows = text.split("BEGIN DATA:\n")
    assert [line for line in head.splitlines() if line[0] == "N"] == ["N0: 5", "N1: 10", "NR: 3", "NM: 2"]
    cells = [row.split(",") for row in rows.splitlines()]
    assert {len(row) for row in cells} == {4}
    truth = {case: score for reader, case, _, score in cells if reader == "-1"}
    assert sorted(truth.values()) == ["0"] * 5 + ["1"] * 10
    assert all(case.isdigit() for case in truth)
    for modality in ("a", "b"):
        scored = [row for row in cells if row[2] == modality]
        assert len(scored) == 3 * (5 + 5)  # each reader: the real cases, which serve both models, and the model's own
        assert {row[1] for row in scored if truth[row[1]] == "0"} == {case for case in truth if truth[case] == "0"}
