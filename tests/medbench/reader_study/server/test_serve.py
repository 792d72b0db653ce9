"""The server as a process: killed and started again, asked by anybody, refused what it cannot have."""

from __future__ import annotations

import csv
import http.client
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from medbench.errors import SpecError
from medbench.reader_study.packet import Packet
from medbench.reader_study.ratings import Ratings
from medbench.reader_study.server.serve import prepare


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture
def process() -> Iterator[Callable[..., tuple[subprocess.Popen[str], dict[str, str]]]]:
    """Run ``medbench study serve``; returns the process and the readers' links."""
    started = []

    def start(packet: Packet, port: int, *options: str) -> tuple[subprocess.Popen[str], dict[str, str]]:
        command = [sys.executable, "-m", "cli.main", "study", "serve", str(packet.path), "--port", str(port)]
        one = subprocess.Popen(
            [*command, "--json", "--quiet", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # Tests that run in the background were told by their shell to ignore Ctrl-C, and children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        started.append(one)
        assert one.stdout is not None
        lines = iter(one.stdout.readline, "}\n")
        return one, json.loads("".join(lines) + "}")["links"]

    yield start
    for one in started:
        one.kill()
        one.communicate()


def _answers(packet: Packet) -> dict[str, list[str]]:
    with (packet.ratings / "ann.csv").open(encoding="utf-8", newline="") as file:
        return {row["case"]: [row["realism"], row["anatomy"]] for row in csv.DictReader(file)}


def test_a_killed_server_loses_nothing_and_the_study_goes_on(packet_of, process, visit) -> None:
    packet, port = packet_of(training=[]), _free_port()
    server, links = process(packet, port, "--reader", "ann", "--reader", "bob")
    page = visit(links["ann"])
    page.get_by_role("button", name="Begin").click()
    page.get_by_text("Axial 4 / 6").wait_for()
    for key in ("ArrowUp", "b", "1", "1", "3", "1", "1", "Enter", "2"):
        page.keyboard.press(key)
    page.get_by_role("status").get_by_text("Saved", exact=True).wait_for()
    server.send_signal(signal.SIGKILL)
    server.wait()
    assert _answers(packet) == {"C001": ["real", "3"], "C002": ["synthetic", ""]}
    for key in ("1", "4"):
        page.keyboard.press(key)
    page.get_by_text("Not saved yet (1). The server cannot be reached.").wait_for()
    page.close(run_before_unload=False)  # the browser goes, too

    _, again = process(packet, port)
    assert again == links, "the readers who had begun, by the same links"
    page = visit(again["ann"])
    page.evaluate("1")
    page.get_by_role("button", name="Go on").click()
    for key in ("1", "4", "1", "1", "Enter", *("1", "1", "5", "1", "1", "Enter") * 3):
        page.keyboard.press(key)
    page.get_by_text("All done. Thank you.").wait_for()
    expected = {"C001": ["real", "3"], "C002": ["synthetic", "4"]}
    assert _answers(packet) == {**expected, **{f"{case}": ["real", "5"] for case in ("C003", "C004", "T001")}}


def test_a_page_that_stays_open_sends_what_waited(packet_of, process, visit) -> None:
    packet, port = packet_of(training=[]), _free_port()
    server, links = process(packet, port, "--reader", "ann")
    page = visit(links["ann"])
    page.get_by_role("button", name="Begin").click()
    page.get_by_text("Axial 4 / 6").wait_for()
    server.kill()
    server.wait()
    page.keyboard.press("2")
    page.get_by_text("Not saved yet (1)").wait_for()
    process(packet, port)
    page.get_by_role("status").get_by_text("Saved", exact=True).wait_for()
    assert _answers(packet)["C001"] == ["synthetic", ""]


def test_an_answer_that_waits_is_not_called_saved(packet_of, live, visit) -> None:
    """Also while a sign of life is under way, which the server is slow to answer."""
    page = visit(live(packet_of(training=[]))["ann"])
    page.get_by_role("button", name="Begin").click()
    page.get_by_text("Axial 4 / 6").wait_for()
    saved = page.get_by_role("status")
    saved.get_by_text("Saved", exact=True).wait_for()
    page.route("**/api/**", lambda route: None)  # from here on nothing is answered
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.keyboard.press("1")
    saved.get_by_text("Saving").wait_for()
    page.close(run_before_unload=False)


def test_ctrl_c_ends_it_and_says_how_to_go_on(packet_of, process) -> None:
    server, _ = process(packet_of(), 0)
    server.send_signal(signal.SIGINT)
    _, errors = server.communicate(timeout=20)
    assert server.returncode == 130
    assert "run the same command again to resume" in errors
    assert "Traceback" not in errors


@pytest.fixture
def ask(packet_of, live) -> Callable[[bytes], bytes]:
    """Send bytes to a server, whatever they are; returns what came back before it hung up or fell silent."""
    address = urlsplit(live(packet_of())["ann"])

    def send(request: bytes) -> bytes:
        answer = b""
        with socket.create_connection((address.hostname, address.port), timeout=1) as line, suppress(OSError):
            line.sendall(request)
            while part := line.recv(65536):
                answer += part
        return answer

    return send


@pytest.mark.parametrize(
    "target",
    [
        b"/../study.json",
        b"/study/../../packet.py",
        b"/study/%2e%2e/%2e%2e/packet.py",
        b"/viewer/..\\page.py",
        b"/study/%00main.js",
        b"//etc/passwd",
        b"/api/cases/..%2F..%2Fstudy/slices/0/1",
        b"http://elsewhere/study.json",
        b"/" + b"a" * 20_000,
    ],
)
def test_paths_that_climb_lead_nowhere(ask, target: bytes) -> None:
    answer = ask(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.split(b" ", 2)[1] in (b"400", b"401", b"404")
    assert b"commitment" not in answer
    assert b"import" not in answer


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"\0" * 1000,
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"y" * 200_000 + b"\r\n\r\n",
        b"PATCH /api/trials/C001 HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"PATCH /api/trials/C001 HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\nshort",
        b"PATCH /api/trials/C001 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_request_is_refused_or_dropped(ask, request_: bytes) -> None:
    answer = ask(request_)
    assert answer == b"" or answer.split(b" ", 2)[1].startswith(b"4")
    alive = ask(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert alive.split(b" ", 2)[1] == b"200"


def test_readers_at_once_do_not_disturb_each_other(packet_of, live) -> None:
    packet = packet_of()
    links = live(packet)
    for reader, answer in (("ann", "real"), ("bob", "synthetic")):
        address = urlsplit(links[reader])
        line = http.client.HTTPConnection(address.netloc, timeout=10)
        headers = {"Authorization": f"Bearer {address.fragment}"}
        line.request("PATCH", "/api/trials/C001", json.dumps({"answers": {"realism": answer}}), headers)
        assert line.getresponse().status == 200
        line.close()
    ratings = Ratings(packet)
    assert ratings.of("ann")["C001"].answers == {"realism": "real"}
    assert ratings.of("bob")["C001"].answers == {"realism": "synthetic"}


def test_a_port_that_is_taken_is_told(packet_of) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(SpecError, match=f"port {port} .*choose another --port"):
            prepare(packet_of(), ["ann"], "127.0.0.1", port)


def test_more_readers_than_orders_are_told(packet_of) -> None:
    with pytest.raises(SpecError, match="--readers"):
        prepare(packet_of(), ["ann", "bob", "eve"], "127.0.0.1", 0)


@pytest.mark.parametrize(
    ("host", "private", "called"),
    [("127.0.0.1", True, "127.0.0.1"), ("localhost", True, "localhost"), ("0.0.0.0", False, socket.gethostname())],
)
def test_links_name_an_address_that_readers_can_type(packet_of, host: str, private: bool, called: str) -> None:
    service = prepare(packet_of(), [], host, 0)
    service.listener.close()
    assert service.private == private
    (link,) = service.links.values()
    assert urlsplit(link).hostname == called.lower()
    assert list(service.links) == ["reader-1"]


def test_a_packet_that_was_changed_is_not_served(packet_of, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from cli.main import app

    packet: Any = packet_of()
    data = bytearray(packet.case_path("C003").read_bytes())
    data[-20] ^= 1
    packet.case_path("C003").write_bytes(bytes(data))
    result = CliRunner().invoke(app, ["study", "serve", str(packet.path), "--port", "0"])
    assert result.exit_code == 2
    assert "C003.nii.gz is not the file that was created" in result.stderr.replace("\n", " ")
