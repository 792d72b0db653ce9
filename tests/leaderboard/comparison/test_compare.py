import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from leaderboard.comparison.compare import compare, differences_in_words, open_runs, p_words, require_any, write_rows
from medbench.errors import DataError, SpecError
from medbench.records.results import Skipped


def test_replicates_make_a_jackknife_row(make_result, save_run, replicates) -> None:
    first = make_result("rvr", 2.0, replicates=replicates([2.0, 2.1, 1.9, 2.0], [1.8, 2.2, 2.1, 1.9]))
    second = make_result("rvr", 1.0, replicates=replicates([1.0, 1.1, 0.9, 1.0], [0.9, 1.1, 1.0, 1.0]))
    rows, apart = compare(open_runs([save_run("one", first), save_run("two", second)]))
    assert apart == []
    (row,) = rows
    assert (row.metric, row.part, row.a, row.b, row.difference) == ("rvr", None, "one", "two", 1.0)
    # The real groups move both values alike, so that only the synthetic sides vary: (G - 1) / G * sum of squares.
    variance = 3 / 4 * (0.1 + 0.02)
    freedom = variance**2 / ((3 / 4 * 0.1) ** 2 / 3 + (3 / 4 * 0.02) ** 2 / 3)
    half = stats.t.ppf(0.975, freedom) * np.sqrt(variance)
    assert row.ci95 == pytest.approx((1 - half, 1 + half))
    assert row.p_adjusted == row.p_value == pytest.approx(2 * stats.t.sf(1 / np.sqrt(variance), freedom))


def test_downstream_compares_the_arm_trained_on_samples_and_regions_that_both_have(make_result, save_run) -> None:
    def table(shift: float) -> pd.DataFrame:
        return pd.DataFrame(
            [
                {"case": f"c{case}", "region": region, "training_set": arm, "dsc": 0.7 + case / 50 + by * case}
                for case in range(5)
                for region in ("lung", "heart")
                for arm, by in (("real", 0.0), ("synthetic", shift))
            ]
        )

    first, second = table(0.0), table(-0.01)
    heart = (first["case"] == "c4") & (first["region"] == "heart")
    first.loc[heart, "dsc"], second.loc[heart, "dsc"] = 0.0, np.nan
    result = make_result("downstream", 0.7, better="higher", table="tables/downstream.csv")
    folders = [save_run(name, result, tables={"downstream": frame}) for name, frame in (("a", first), ("b", second))]
    ((row,), _) = compare(open_runs(folders))
    assert row.difference == pytest.approx(0.01 * np.mean(range(5)))


def test_without_anything_to_test_with_there_is_a_difference_and_no_p(make_result, save_run) -> None:
    folders = [save_run(name, make_result("mine", value)) for name, value in (("a", 3.0), ("b", 1.0))]
    ((row,), _) = compare(open_runs(folders))
    assert (row.difference, row.ci95, row.p_value, row.p_adjusted) == (2.0, None, None, None)
    assert row.test.startswith("none: ")


def test_a_table_that_does_not_name_its_cases_is_not_tested(
    make_result, save_run, adherence: Callable[..., Any]
) -> None:
    result = make_result("adherence", 0.6, table="tables/adherence.csv", cases=None)
    tables = {"adherence": adherence(np.linspace(0.5, 0.8, 6), order=list(range(6)))}
    ((row,), _) = compare(open_runs([save_run(name, result, tables=tables) for name in ("a", "b")]))
    assert row.test == "none: neither replicates nor values case by case are stored"


def test_three_runs_make_three_pairs_adjusted_together(make_result, save_run, replicates) -> None:
    folders = [
        save_run(
            name,
            make_result("rvr", value, replicates=replicates([value] * 4, [value - 0.1, value + 0.1, value, value])),
        )
        for name, value in (("a", 1.0), ("b", 1.2), ("c", 2.0))
    ]
    rows, _ = compare(open_runs(folders))
    assert [(row.a, row.b) for row in rows] == [("a", "b"), ("a", "c"), ("b", "c")]
    smallest = min(rows, key=lambda row: row.p_value)
    assert smallest.p_adjusted == pytest.approx(3 * smallest.p_value)


def test_other_protocols_are_named_in_words_and_not_compared(make_result, save_run) -> None:
    a = save_run("a", make_result("rvr", 1.0), make_result("hu", 2.0))
    b = save_run(
        "b",
        make_result("rvr", 1.5, protocol={"n_synthetic": 16, "segmenter": {"name": "phantom"}}),
        skipped=[Skipped(metric="hu", reason="no masks")],
    )
    rows, apart = compare(open_runs([a, b]))
    assert rows == []
    reasons = {one.metric: one.reason for one in apart}
    assert "number of synthetic volumes: 6 and 16" in reasons["rvr"]
    assert "segmenter name: none and phantom" in reasons["rvr"]
    assert reasons["hu"] == "b has no such number (no masks)"
    with pytest.raises(SpecError, match="number of synthetic volumes: 6 and 16"):
        require_any(rows, apart)


def test_many_differences_are_counted() -> None:
    words = differences_in_words({f"k{index}": 1 for index in range(5)}, {})
    assert words == "k0: 1 and none; k1: 1 and none; k2: 1 and none; and 2 more"


def test_runs_of_one_id_go_by_their_path(make_result, save_run, tmp_path: Path) -> None:
    folders = [save_run(name, make_result("rvr", 1.0), run="same") for name in ("a", "b")]
    assert [run.name for run in open_runs([folders[0] / "results.json", folders[1]])] == [
        str(folders[0] / "results.json"),
        str(folders[1]),
    ]


def test_bad_input_names_the_file_and_the_mend(
    make_result, save_run, tmp_path: Path, adherence: Callable[..., Any]
) -> None:
    result = make_result("adherence", 0.6, table="tables/adherence.csv")
    a = save_run("a", result, tables={"adherence": pd.DataFrame({"id": ["1"], "dsc": [0.5]})})
    b = save_run("b", result)
    with pytest.raises(SpecError, match="two runs or more"):
        open_runs([a])
    with pytest.raises(SpecError, match="named twice"):
        open_runs([a, a / "results.json"])
    with pytest.raises(DataError, match=r"absent/results\.json does not exist"):
        open_runs([a, tmp_path / "absent"])
    with pytest.raises(DataError, match=r"adherence\.csv lacks the column mask: evaluate that run again"):
        compare(open_runs([a, b]))
    with pytest.raises(DataError, match=r"b/tables/adherence\.csv is not there"):
        compare(open_runs([b, a]))


def test_the_table_reads_back(make_result, save_run, tmp_path: Path) -> None:
    folders = [save_run(name, make_result("mine", value)) for name, value in (("a", 3.0), ("b", 1.0))]
    rows, _ = compare(open_runs(folders))
    write_rows(tmp_path / "table.csv", rows)
    with (tmp_path / "table.csv").open(encoding="utf-8", newline="") as handle:
        (line,) = csv.DictReader(handle)
    assert (line["metric"], line["difference"], line["ci_low"], line["p_value"]) == ("mine", "2.0", "", "")


def test_p_values_in_words() -> None:
    assert [p_words(p) for p in (None, 0.00004, 0.0314, 1.0)] == ["-", "<0.001", "0.031", "1.000"]
