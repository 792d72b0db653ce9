"""Reading a study in a real browser: every case answered, nothing lost, everything told."""

from __future__ import annotations

import csv
import errno
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medbench.reader_study.packet import Packet

CRITERIA = ("realism", "confidence", "anatomy", "image_quality", "diagnostic_quality")


def rows(packet: Packet, reader: str = "ann") -> dict[str, dict[str, str]]:
    """What is on disk, by trial."""
    with (packet.ratings / f"{reader}.csv").open(encoding="utf-8", newline="") as file:
        return {row.get("case") or row["pair"]: row for row in csv.DictReader(file)}


class Desk:
    """A reader's page."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def begin(self) -> Desk:
        self.page.locator(".sheet .primary").click()
        self.page.wait_for_selector(".viewer-pane")
        return self

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def saved(self) -> None:
        """Wait until the page says that all is saved."""
        self.page.get_by_role("status").get_by_text("Saved", exact=True).wait_for()

    def wait(self, text: str) -> None:
        self.page.get_by_text(text).first.wait_for()

    @property
    def place(self) -> str:
        return self.page.locator(".place").inner_text()

    @property
    def notice(self) -> str:
        return self.page.locator(".notice").inner_text()

    def chosen(self, criterion: str) -> str:
        return self.page.locator(f"[data-criterion={criterion}] .chosen").text_content()

    def lit(self) -> int:
        """How many pixels of the first picture are not black."""
        return self.page.locator(".viewer-pane canvas").first.evaluate(
            """async (canvas) => {
                await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
                const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
                return pixels.filter((value, place) => place % 4 === 0 && value > 40).length;
            }"""
        )


@pytest.fixture
def read(visit: Callable[..., Any]) -> Callable[..., Desk]:
    return lambda link, **options: Desk(visit(link, **options)).begin()


def test_a_study_is_read_by_keys_alone(packet_of, live, visit) -> None:
    packet = packet_of()
    desk = Desk(visit(live(packet)["ann"]))
    desk.wait("You will see 4 CT volumes")
    desk.press("Enter")  # the button has the focus
    desk.page.wait_for_selector(".viewer-pane")
    assert desk.place == "Training 1 of 1\nnot scored"
    desk.press("1", "3", "4", "4", "5", "Enter")
    assert desk.place == "Case 1 of 4\nC001"
    assert "training is over" in desk.notice
    desk.press("ArrowUp", "PageDown", "b", "c", "End", "2", "2", "Backspace", "1", "3", "3", "2", "1", "Enter")
    for _ in range(3):
        desk.press("2", "1", "1", "2", "3", "n")
    desk.wait("All done. Thank you.")
    found = rows(packet)
    assert [found["C001"][one] for one in CRITERIA] == ["synthetic", "1", "3", "3", "2"]
    assert [found["C004"][one] for one in CRITERIA] == ["synthetic", "1", "1", "2", "3"]
    assert all(float(row["seconds"]) < 60 for row in found.values())
    assert packet.ratings.joinpath("training", "ann.csv").is_file()


def test_a_study_is_read_by_mouse_alone(packet_of, live, read) -> None:
    packet = packet_of(training=[])
    desk = read(live(packet)["ann"])
    assert desk.lit() > 1000
    picture = desk.page.locator(".viewer-pane canvas").first
    picture.hover()
    desk.page.mouse.wheel(0, 120)
    desk.wait("Axial 3 / 6")
    desk.page.get_by_role("button", name="Bone").click()
    for criterion in CRITERIA:
        desk.page.locator(f"[data-criterion={criterion}] .option").last.click()
    desk.page.get_by_label("Comment").fill("left lung: seams")
    desk.page.get_by_role("button", name="Next case").click()
    assert desk.place.startswith("Case 2 of 5")
    desk.page.get_by_role("button", name="All cases").click()
    desk.page.get_by_role("button", name="case 5, open").click()
    assert desk.place.startswith("Case 5 of 5")
    desk.page.get_by_role("button", name="Previous").click()
    desk.saved()
    first = rows(packet)["C001"]
    assert [first[one] for one in CRITERIA] == ["synthetic", "5", "5", "5", "5"]
    assert first["comment"] == "left lung: seams"


def test_pairs_stand_side_by_side_and_one_is_chosen(pairs_packet, live, read) -> None:
    desk = read(live(pairs_packet)["ann"], width=820, height=1180, has_touch=True)
    left, right = (desk.page.locator(".viewer-volume").nth(side).bounding_box() for side in (0, 1))
    assert left["width"] == pytest.approx(right["width"], abs=2)
    assert left["y"] == right["y"]
    desk.page.get_by_text("the left one").tap()
    desk.page.get_by_role("button", name="Next pair").tap()
    desk.press("2", "Enter", "1", "Enter")
    desk.wait("All done. Thank you.")
    assert {name: row["choice"] for name, row in rows(pairs_packet).items()} == {"P001": "right", "P002": "left"}


def test_a_case_without_all_answers_is_left_only_on_purpose(packet_of, live, read) -> None:
    desk = read(live(packet_of(training=[]))["ann"])
    desk.press("1", "2", "Enter")
    assert desk.notice == "3 answers are missing. Go on again to leave this case for later."
    assert desk.place.startswith("Case 1")
    desk.press("Enter")
    assert desk.place.startswith("Case 2")
    for _ in range(4):
        desk.press("1", "1", "1", "1", "1", "Enter")
    assert desk.place.startswith("Case 1"), "the way leads back to what was left"
    assert "Answers are missing here" in desk.notice
    desk.press("4", "4", "4", "Enter", "Enter", "Enter", "Enter", "Enter")
    desk.wait("All done. Thank you.")


def test_arrows_in_a_scale_choose_there_and_scroll_elsewhere(packet_of, live, read) -> None:
    desk = read(live(packet_of(training=[]))["ann"])
    desk.press("1")
    desk.page.locator("[data-criterion=confidence] input").first.focus()
    desk.press("ArrowDown", "ArrowDown")
    assert desk.chosen("confidence") == "3 · moderately sure"
    assert "open" in desk.page.locator("[data-criterion=confidence]").get_attribute("class"), "it stays open"
    assert desk.page.get_by_text("Axial 4 / 6").is_visible()
    desk.page.locator("[data-criterion=confidence] .option").nth(1).click()
    desk.press("ArrowUp")
    desk.wait("Axial 5 / 6")
    assert desk.chosen("confidence") == "2 · rather unsure"


def test_a_comment_takes_letters_and_is_no_shortcut(packet_of, live, read) -> None:
    packet = packet_of(training=[])
    desk = read(live(packet)["ann"])
    desk.page.get_by_label("Comment").click()
    desk.page.keyboard.type("bone 1 n")
    desk.page.get_by_role("button", name="Lung").click()
    desk.saved()
    assert desk.place.startswith("Case 1")
    assert rows(packet)["C001"]["comment"] == "bone 1 n"
    assert rows(packet)["C001"]["realism"] == ""


def test_a_closed_browser_goes_on_where_it_was(packet_of, live, read) -> None:
    links = live(packet_of())
    desk = read(links["ann"])
    desk.press("1", "1", "1", "1", "1", "Enter", "2", "4")
    desk.saved()
    desk.page.close()
    desk = read(links["ann"])
    assert desk.place.startswith("Case 1 of 4")
    assert desk.chosen("confidence") == "4 · rather sure"
    assert desk.chosen("anatomy") == ""


def test_two_windows_of_a_reader_agree_on_what_was_saved_last(packet_of, live, read) -> None:
    packet = packet_of(training=[])
    links = live(packet)
    one, two = read(links["ann"]), read(links["ann"])
    one.press("1", "2")
    one.saved()
    two.press("2")
    two.saved()
    one.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # else within seconds
    one.wait("Changed in another window")
    assert one.chosen("realism") == "2 · synthetic, made by a computer"
    assert one.chosen("confidence") == two.chosen("confidence") == "2 · rather unsure"
    assert (rows(packet)["C001"]["realism"], rows(packet)["C001"]["confidence"]) == ("synthetic", "2")


def test_a_full_disk_is_shown_and_the_answer_arrives_later(packet_of, live, read, monkeypatch) -> None:
    packet = packet_of(training=[])
    desk = read(live(packet)["ann"])
    desk.saved()
    write = Path.write_text

    def full(self: Path, text: str, **options: object) -> int:
        if "ratings" in self.parts:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, text, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        desk.press("1")
        desk.wait("Not saved yet (1). the server cannot write to its disk")
    desk.saved()
    assert rows(packet)["C001"]["realism"] == "real"


def test_a_wrong_link_shows_nothing(packet_of, live, chromium) -> None:
    link = live(packet_of())["ann"]
    page = chromium.new_page()
    for wrong in (link[:-1] + "!", link.partition("#")[0]):
        page.goto(wrong)
        page.reload()
        page.get_by_text("this link is not valid").wait_for()
        assert page.locator(".viewer-pane").count() == 0
    page.close()


def test_a_case_that_changed_is_told_and_the_others_can_be_read(packet_of, live, chromium) -> None:
    packet = packet_of(training=[])
    link = live(packet)["ann"]
    packet.case_path("C001").write_bytes(packet.case_path("C002").read_bytes())
    page = chromium.new_page()
    page.goto(link)
    desk = Desk(page).begin()
    desk.wait("this case cannot be shown")
    desk.press("Enter", "Enter")
    assert desk.place.startswith("Case 2")
    assert desk.lit() > 1000
    page.close()


def test_the_next_case_is_there_before_it_is_asked_for(packet_of, live, read) -> None:
    desk = read(live(packet_of(training=[]))["ann"])
    asked = desk.page.evaluate(
        """async () => {
            const slabs = () => performance.getEntriesByType("resource").filter(({name}) => name.includes("/slices/"));
            while (slabs().length < 2) await new Promise((done) => setTimeout(done, 50));
            return slabs().map(({ name }) => new URL(name).pathname);
        }"""
    )
    assert [address.split("/")[3] for address in asked] == ["C001", "C002"]
    desk.press("Enter", "Enter")
    assert desk.lit() > 1000


def test_the_page_keeps_nothing_that_would_tell_a_source(packet_of, live, read) -> None:
    desk = read(live(packet_of(training=[]))["ann"])
    desk.press("1", "2", "3", "4", "5")
    desk.saved()
    assert desk.page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie])") == '[{},{},""]'


@pytest.mark.parametrize(("width", "height"), [(1280, 800), pytest.param(820, 1180, marks=pytest.mark.slow)])
@pytest.mark.parametrize("design", ["rating", "2afc"])
def test_every_screen_is_accessible(request, live, visit, accessible, design: str, width: int, height: int) -> None:
    packet = request.getfixturevalue("pairs_packet") if design == "2afc" else request.getfixturevalue("packet_of")()
    desk = Desk(visit(live(packet)["ann"], width=width, height=height))
    desk.page.wait_for_selector(".sheet")
    accessible(desk.page)
    desk.begin()
    desk.press("1")
    desk.saved()
    accessible(desk.page)
    desk.press("h")
    accessible(desk.page)
    desk.press("Escape")
    desk.page.get_by_role("button", name=re.compile("^All ")).click()
    accessible(desk.page)
