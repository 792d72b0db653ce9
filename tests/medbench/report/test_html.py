from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from medbench.drawing.text import number
from medbench.errors import DataError, SpecError
from medbench.records.results import Part, Report, Skipped
from medbench.records.run import RunFolder
from medbench.report.glossary import anchor
from medbench.report.html import write_report

MakeRun = Callable[..., Path]


class Page(HTMLParser):
    """Collects what a browser would see."""

    VOID = frozenset({"meta", "img", "line", "path", "circle", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def attributes(self, name: str) -> list[str]:
        return [attributes[name] or "" for _, attributes in self.tags if name in attributes]


def page_of(folder: Path) -> str:
    return write_report(folder).read_text(encoding="utf-8")


def numbers(report: Report) -> Iterator[float]:
    def figures(parts: dict[str, Part]) -> Iterator[float]:
        for part in parts.values():
            yield from part.values() if isinstance(part, dict) else [part]

    for result in report.results:
        yield from (result.value, *(result.ci95 or ()), *figures(result.parts), *figures(result.floor_parts))
        if result.floor is not None:
            yield result.floor


def test_every_number_and_fingerprint_is_there(make_run: MakeRun, report: Report) -> None:
    text = page_of(make_run())
    for value in numbers(report):
        assert f'<data value="{value}">{number(value)}</data>' in text
    for result in report.results:
        for told in (result.fingerprint, *result.notes, result.ci_method, result.summary):
            assert told in text
    for told in ("medlord", report.track, "2026-01-31 14:05 UTC", "its encoder saw LIDC", "nnU-Net is not installed"):
        assert told in text


def test_the_page_is_whole_and_loads_nothing(make_run: MakeRun) -> None:
    folder = make_run()
    text = page_of(folder)
    page = Page(text)
    assert page.open == []
    assert all(source.startswith("data:image/png;base64,") for source in page.attributes("src"))
    anchors = set(page.attributes("id"))
    assert all(link.startswith("#") and link[1:] in anchors for link in page.attributes("href"))
    assert len(page.attributes("id")) == len(anchors)
    assert {"script", "link", "iframe", "object"}.isdisjoint(tag for tag, _ in page.tags)
    assert not re.search(r"https?://|@import|url\(", text)
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


def test_tables_and_pictures_serve_those_who_do_not_see(make_run: MakeRun) -> None:
    page = Page(page_of(make_run()))
    assert all(attributes.get("scope") in {"row", "col"} for tag, attributes in page.tags if tag == "th")
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    assert [attributes["alt"] for attributes in pictures][1:] == ["Dots by plane", "Figure: mine"]
    assert all(attributes["alt"] for attributes in pictures)


def test_a_figure_bears_what_its_result_says_of_it(make_run: MakeRun) -> None:
    shown = re.findall(r"<figure>.*?</figure>", page_of(make_run()), re.DOTALL)
    montage, planes, mine = shown
    assert "paper" not in montage and "Centre slices" in montage
    assert "paper" in planes and "Each plane." in planes and "stand-in: seeded-resnet" in planes
    assert "<figcaption>mine</figcaption>" in mine


def test_a_figure_that_is_named_and_not_there_is_left_out(make_run: MakeRun) -> None:
    folder = make_run()
    (folder / "figures" / "planes.png").unlink()
    assert "Each plane." not in page_of(folder)


def test_names_from_outside_are_escaped(make_run: MakeRun) -> None:
    finding = {"severity": "warning", "check": "<b>", "files": 1, "example": '"><img src=x>', "detail": "</td>"}
    text = page_of(make_run("<script>", gate=[finding], command="medbench run --out '<script>'"))
    assert "<script>" not in text and "<img src=x>" not in text
    assert html.escape("<script>") in text
    assert Page(text).open == []


def test_a_stand_in_is_named_beside_its_numbers(make_run: MakeRun) -> None:
    rows = re.findall(r"<tr[^>]*>.*?</tr>", page_of(make_run()), re.DOTALL)
    by_metric = {name: row for row in rows for name in ("fid25d", "rvr") if f">{name}</a>" in row}
    assert by_metric["fid25d"].count("stand-in: seeded-resnet") == 2  # value and floor
    assert "stand-in" not in by_metric["rvr"]


def test_each_value_has_a_verdict_in_words_or_none(make_run: MakeRun) -> None:
    cells = re.findall(r'data-label="Verdict">(.*?)</td>', page_of(make_run()))
    assert cells == [
        "<strong>differs from real volumes</strong>",
        "<strong>differs from real volumes</strong>",
        '<span class="quiet">none: no floor of real volumes</span>',
    ]


def test_every_part_is_defined_with_its_unit_or_the_page_says_that_it_is_not(make_run: MakeRun) -> None:
    text = page_of(make_run())
    assert 'of axial slices alone <span class="quiet">[arbitrary units]</span>' in text
    assert '<dt>ks <span class="quiet">[0 to 1]</span></dt><dd>largest difference</dd>' in text
    assert text.count("was not recorded") == 1  # fid25d's yz


def test_reasons_are_grouped_by_cause(make_run: MakeRun, report: Report) -> None:
    folder = make_run()
    skipped = [Skipped(metric=name, reason="no masks") for name in ("adherence", "downstream")]
    report.model_copy(update={"skipped": tuple(skipped)}).save(folder)
    assert '<td>no masks</td><th scope="row">adherence, downstream</th>' in page_of(folder)


def test_the_words_of_the_table_lead_to_the_glossary(make_run: MakeRun) -> None:
    text = page_of(make_run())
    head = re.search(r'<table class="results".*?</thead>', text, re.DOTALL)[0]
    for word in ("value", "floor", "verdict", "95 % interval"):
        assert f'href="#{anchor(word)}"' in head


def test_what_is_absent_is_a_dash_with_its_reason(make_run: MakeRun) -> None:
    text = page_of(make_run())
    for reason in ("absent: one subject", "no reason was recorded", "no CUDA device took part"):
        assert reason in text
    assert not re.search(r"[> ](nan|None|inf)[< ]", text)


def test_the_same_run_makes_the_same_page(make_run: MakeRun) -> None:
    folder = make_run()
    assert page_of(folder) == page_of(folder)


def test_gate_and_command_are_told(make_run: MakeRun) -> None:
    rows = [{"severity": "error", "check": "range", "files": 3, "example": "a.nii.gz", "detail": "0 to 255"}]
    text = page_of(make_run(gate=rows, command="medbench run --out 'my run'"))
    assert "a.nii.gz" in text and "0 to 255" in text
    assert html.escape("medbench run --out 'my run'").replace("&#x27;", "&#39;") in text
    assert "Nothing was found" in page_of(make_run("clean", gate=[]))
    assert "Checks of the input" not in page_of(make_run("ungated"))


def test_a_run_without_figures_tables_or_results_still_has_a_page(make_run: MakeRun, report: Report) -> None:
    folder = make_run()
    for figure in (folder / "figures").iterdir():
        figure.unlink()
    (folder / "tables" / "rvr.csv").unlink()
    report.model_copy(update={"results": ()}).save(folder)
    text = page_of(folder)
    assert "<img" not in text
    assert "No metric could be computed" in text and "nnU-Net is not installed" in text


def test_an_unfinished_run_says_so(make_run: MakeRun) -> None:
    run = RunFolder(make_run())
    record = run.read()
    record.stages["sample"] = record.stages["evaluate"].model_copy(update={"status": "failed"})
    run.write(record)
    assert "not finished (sample)" in page_of(run.path)


def test_absent_or_damaged_files_get_one_line(make_run: MakeRun, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no run folder"):
        write_report(tmp_path / "nowhere")
    folder = make_run()
    (folder / "results.json").rename(folder / "kept.json")
    with pytest.raises(DataError, match=r"results\.json does not exist: run"):
        write_report(folder)
    (folder / "kept.json").rename(folder / "results.json")
    (folder / "figures" / "montage.png").write_bytes(b"GIF89a")
    with pytest.raises(DataError, match="no PNG"):
        write_report(folder)
    (folder / "tables" / "rvr.csv").write_bytes(b"")
    with pytest.raises(DataError, match="no readable CSV"):
        write_report(folder)
    assert not (folder / "report.html").exists()
