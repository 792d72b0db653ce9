from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from medbench.errors import MissingExtraError
from medbench.reader_study.criteria import Criterion
from medbench.reader_study.score import agreement as module
from medbench.reader_study.score.agreement import agreement, krippendorff_alpha, weighted_kappa

X = np.nan
KRIPPENDORFF = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, X, X, X],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, X, 3],
        [X, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, X],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, X],
    ]
)
SCALE = Criterion(id="scale", question="?", options=[{"value": str(n), "text": str(n)} for n in range(1, 6)])
REALISM = Criterion(id="realism", kind="realism", question="?", options={"real": "r", "synthetic": "s"})


def test_krippendorff_s_own_example() -> None:
    """Krippendorff 2011, Computing Krippendorff's alpha-reliability, section C: nominal 0.743, ordinal 0.815."""
    assert krippendorff_alpha(KRIPPENDORFF, SCALE) == pytest.approx(0.815, abs=5e-4)
    nominal = SCALE.model_copy(update={"kind": "realism"})
    assert krippendorff_alpha(KRIPPENDORFF, nominal) == pytest.approx(0.743, abs=5e-4)


def test_kappa_of_yes_and_no_by_hand() -> None:
    """20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: (0.7 - 0.5) / (1 - 0.5) = 0.4 (Fleiss, Statistical Methods)."""
    pairs = np.repeat([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], [20, 5, 10, 15], axis=0)
    assert weighted_kappa(pairs, REALISM) == pytest.approx(0.4)


def test_weighted_kappa_is_that_of_another_library() -> None:
    pairs = np.random.default_rng(0).integers(1, 6, (40, 2)).astype(float)
    pairs[:20, 1] = pairs[:20, 0]
    reference = cohen_kappa_score(*pairs.T, labels=[1, 2, 3, 4, 5], weights="quadratic")
    assert weighted_kappa(pairs, SCALE) == pytest.approx(reference)


def test_what_is_not_defined_is_absent() -> None:
    assert weighted_kappa(np.full((5, 2), 3.0), SCALE) is None
    assert krippendorff_alpha(np.full((3, 5), 3.0), SCALE) is None


def test_readers_agree_more_the_more_cases_differ(rating_study) -> None:
    near = rating_study({"real": 0.0, "a": 0.0}, readers=3, cases=15, seed=0, repeats=5)
    far = rating_study({"real": 2.0, "a": -2.0}, readers=3, cases=15, seed=0, repeats=5)
    criterion = next(c for c in near.study.criteria if c.id == "anatomy")
    low, high = agreement(near, criterion), agreement(far, criterion)
    assert low.alpha is not None
    assert high.alpha is not None
    assert low.alpha < high.alpha
    assert low.repeated == 15
    assert 0 <= low.intra_same <= 1
    assert low.notes == ()


def test_one_reader_agrees_with_nobody(rating_study) -> None:
    scored = rating_study({"real": 0.0, "a": 0.0}, readers=1, cases=6, seed=0)
    found = agreement(scored, scored.study.criteria[2])
    assert (found.alpha, found.kappa, found.same, found.intra_kappa) == (None, None, None, None)
    assert found.notes == ("no two readers have rated the same trials", "no trial was repeated")


def test_an_absent_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medbench.extras.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r'krippendorff, .* pip install "medbench\[study\]"'):
        module.krippendorff_alpha(KRIPPENDORFF, SCALE)
