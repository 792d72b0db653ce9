"""Which cases of two runs belong together."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from leaderboard.comparison.compare import compare, open_runs


def test_samples_are_paired_by_their_mask_whatever_their_order(
    make_result, save_run, adherence: Callable[..., Any]
) -> None:
    chance = np.random.default_rng(1)
    a, b = chance.uniform(0.6, 0.8, 6), chance.uniform(0.5, 0.7, 6)
    folders = [
        save_run(
            name,
            make_result("adherence", dsc.mean(), better="higher", table="tables/adherence.csv"),
            tables={"adherence": adherence(dsc, order=order)},
        )
        for name, dsc, order in (("a", a, [0, 1, 2, 3, 4, 5]), ("b", b, [5, 3, 1, 0, 2, 4]))
    ]
    ((row,), _) = compare(open_runs(folders))
    assert row.difference == pytest.approx(a.mean() - b.mean()) == pytest.approx(row.value_a - row.value_b)
    assert row.ci95 == pytest.approx(tuple(stats.ttest_rel(a, b).confidence_interval()))
    assert row.test.startswith("paired permutation of 6 cases")


def test_other_masks_are_compared_as_other_cases(make_result, save_run, adherence: Callable[..., Any]) -> None:
    dsc = np.linspace(0.5, 0.8, 6)
    other = adherence(dsc - 0.05, order=list(range(6))).assign(mask=lambda table: table["mask"] + "x")
    result = make_result("adherence", 0.6, better="higher", table="tables/adherence.csv")
    folders = [
        save_run("a", result, tables={"adherence": adherence(dsc, order=list(range(6)))}),
        save_run("b", result, tables={"adherence": other}),
    ]
    ((row,), _) = compare(open_runs(folders))
    assert row.test.startswith("Welch")
    assert row.p_value == pytest.approx(stats.ttest_ind(dsc, dsc - 0.05, equal_var=False).pvalue)


def test_masks_whose_hashes_look_like_numbers_stay_apart(make_result, save_run, adherence: Callable[..., Any]) -> None:
    chance = np.random.default_rng(1)
    dsc = chance.uniform(0.6, 0.8, (2, 6))
    folders = [
        save_run(
            f"run{run}",
            make_result("adherence", dsc[run].mean(), better="higher", table="tables/adherence.csv"),
            tables={
                "adherence": pd.DataFrame(
                    {"region": "lung", "dsc": dsc[run], "mask": [f"{index + 1}000e99999999999" for index in range(6)]}
                )
            },
        )
        for run in range(2)
    ]
    ((row,), _) = compare(open_runs(folders))
    assert row.test.startswith("paired permutation of 6 cases")


def test_volumes_of_one_patient_count_once(make_result, save_run) -> None:
    def table(gain: float) -> pd.DataFrame:
        return pd.DataFrame(
            [
                {"id": f"v{index}", "subject": f"p{index // 2}", "psnr": 30 + index + gain * (index // 2)}
                for index in range(10)
            ]
        )

    result = make_result("reconstruction", 30, better="higher", table="tables/reconstruction.csv")
    folders = [save_run(f"g{gain}", result, tables={"reconstruction": table(gain)}) for gain in (1, 0)]
    ((row,), _) = compare(open_runs(folders))
    assert row.test.startswith("paired permutation of 5 cases")
    assert row.difference == pytest.approx(2.0)
