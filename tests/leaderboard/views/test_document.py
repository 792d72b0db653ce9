import csv
import io
from typing import Any

from leaderboard.views.cells import footnotes, marks_of, places, wide
from leaderboard.views.document import csv_text, document, listing
from leaderboard.views.latex import latex_text
from leaderboard.views.markdown import markdown_text

HOSTILE = '=1+<img src=x onerror="window.broken=1">'


def test_the_listing_keeps_reported_figures_apart_and_unranked(board: Any) -> None:
    entries = {(entry["metric"], entry["fingerprint"] is None): entry for entry in listing([board])}
    rows = entries["fid25d", False]["rows"]
    assert [row["model"] for row in rows if not row["reported"]] == ["medlord", "ha-gan", "vq-trans", HOSTILE, "huge"]
    told = [row for row in rows if row["reported"]]
    assert {row["model"]: row["value"] for row in told}["MedLoRD"] == 3.62
    assert all(row["rank"] is None and row["rank_ci95"] is None and row["source"] for row in told)
    assert ("autoencoder_PSNR", True) in entries


def test_the_document_has_every_runs_provenance(board: Any) -> None:
    (track,) = document([board])["tracks"]
    assert {run["model"] for run in track["runs"]} == {"medlord", "ha-gan", "vq-trans", HOSTILE, "huge"}
    assert {"checkpoint", "versions", "seed", "device", "leaks", "document", "origin"} <= set(track["runs"][0])
    (field,) = track["mean_ranks"]
    assert field["metrics"] == ["fid25d", "rvr"]


def test_no_cell_of_the_csv_is_a_formula(board: Any) -> None:
    rows = list(csv.DictReader(io.StringIO(csv_text([board]))))
    assert f"'{HOSTILE}" in {row["model"] for row in rows}
    assert all(not value.startswith(("=", "+", "@")) for row in rows for value in row.values())
    (over,) = (row for row in rows if row["model"] == "huge" and row["metric"] == "fid25d")
    assert (over["rank"], over["within_budget"], over["unranked"]) == ("", "False", "over the memory budget")
    assert {row["reported"] for row in rows if row["source"]} == {"True"}


def test_markdown_marks_leaks_and_what_is_over_budget(board: Any) -> None:
    text = markdown_text([board])
    (leaking,) = (line for line in text.splitlines() if line.startswith("| ha-gan"))
    assert r"\[leak\]" in leaking
    assert "Leak of ha-gan" in text and "over the memory budget and not ranked" in text
    assert "(reported, not measured here)" in text
    table = [line.replace(r"\|", "") for line in text.split("\n\n")[1].splitlines()]
    assert {line.count("|") for line in table} == {table[0].count("|")}


def test_latex_is_balanced_and_bold_where_nobody_shares_the_first_place(board: Any) -> None:
    text = latex_text([board])
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    for rule in (r"\toprule", r"\midrule", r"\bottomrule", r"\begin{table}", r"\end{table}"):
        assert text.count(rule) == 2
    (medlord,) = (line for line in text.splitlines() if line.strip().startswith("medlord"))
    assert r"& 1.00 {\footnotesize [0.800, 1.20]} (1--2) &" in medlord
    assert r"& \textbf{9.00} {\footnotesize [8.80, 9.20]} (1) &" in medlord
    assert r"FID\_2.5D\_RadImageNet" in text


def test_words(board: Any) -> None:
    assert [places(ends) for ends in (None, (1, 1), (1, 3), (1.5, 2.25))] == ["-", "1", "1-3", "1.5-2.25"]
    assert wide(board)[0].run.model == "medlord"
    marks = {row.run.model: marks_of(row.run) for row in wide(board)}
    assert (marks["ha-gan"], marks["huge"], marks["medlord"]) == (["leak"], ["over budget"], [])
    assert footnotes(board)[0] == "The mean rank of 4 runs is over fid25d, rvr."
