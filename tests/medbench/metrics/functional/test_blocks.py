import numpy as np
import pytest

from medbench.metrics.functional.blocks import runs_of_subjects


@pytest.mark.parametrize("about", [1, 4, 100])
def test_runs_hold_every_subject_once(about):
    subjects = [np.ones((count, 2)) for count in (3, 1, 9, 2, 2)]
    runs = runs_of_subjects(subjects, about=about)
    assert [index for run in runs for index in range(5)[run]] == list(range(5))
    assert all(sum(len(rows) for rows in subjects[run]) < about + 9 for run in runs)
