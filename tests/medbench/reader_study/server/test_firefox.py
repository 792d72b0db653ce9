"""The same page in the system's Firefox, driven by the protocol that is built into it (Marionette)."""

from __future__ import annotations

import csv
import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PREFERENCES = {
    "marionette.port": 0,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.normandy.enabled": False,
    "browser.startup.page": 0,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
}


class Firefox:
    """A session over Marionette's line: each message is its length, a colon and JSON."""

    def __init__(self, port: int) -> None:
        self._line = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._receive()
        self._count = 0
        self.send("WebDriver:NewSession", capabilities={"alwaysMatch": {}})

    def send(self, command: str, **parameters: Any) -> Any:
        self._count += 1
        message = json.dumps([0, self._count, command, parameters]).encode()
        self._line.sendall(str(len(message)).encode() + b":" + message)
        _, _, error, result = self._receive()
        assert error is None, error
        return result

    def _receive(self) -> Any:
        length = b""
        while (digit := self._line.recv(1)) != b":":
            length += digit
        message = b""
        while len(message) < int(length):
            message += self._line.recv(int(length) - len(message))
        return json.loads(message)

    def run(self, script: str) -> Any:
        """Run a script in the page's world but not under its policy; return what it returns."""
        return self.send("WebDriver:ExecuteScript", script=script, args=[])["value"]

    def until(self, condition: str) -> None:
        last = time.monotonic() + 20
        while not self.run(f"return Boolean({condition});"):
            assert time.monotonic() < last, f"never came true: {condition}"
            time.sleep(0.05)

    def press(self, *keys: str) -> None:
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.send("WebDriver:PerformActions", actions=[{"type": "key", "id": "keyboard", "actions": actions}])

    def wheel(self, x: int, y: int, pixels: int) -> None:
        turn = {"type": "scroll", "x": x, "y": y, "deltaX": 0, "deltaY": pixels, "duration": 0, "origin": "viewport"}
        self.send("WebDriver:PerformActions", actions=[{"type": "wheel", "id": "wheel", "actions": [turn]}])

    def close(self) -> None:
        self._line.close()


@pytest.fixture
def firefox(tmp_path: Path) -> Iterator[Callable[[], Firefox]]:
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    if program is None:
        pytest.skip("needs a browser: apt-get install firefox-esr")
    profile = tmp_path / "profile"
    profile.mkdir()
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in PREFERENCES.items()]
    (profile / "user.js").write_text("".join(lines))
    command = [
        program,
        "--headless",
        "--marionette",
        "--no-remote",
        "--profile",
        str(profile),
        "--width=1280",
        "--height=800",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    opened = []

    def start() -> Firefox:
        port_file, last = profile / "MarionetteActivePort", time.monotonic() + 60
        while not port_file.is_file():
            assert time.monotonic() < last and process.poll() is None, "Firefox did not start"
            time.sleep(0.1)
        opened.append(Firefox(int(port_file.read_text())))
        return opened[0]

    yield start
    for one in opened:
        one.close()
    process.kill()
    process.wait()


@pytest.mark.slow
def test_a_study_is_read_in_firefox(packet_of, live, firefox) -> None:
    packet = packet_of(training=[])
    browser = firefox()
    browser.send("WebDriver:Navigate", url=live(packet)["ann"])
    browser.until("document.querySelector('.primary') === document.activeElement")
    browser.press("\ue007")
    title = "document.querySelector('.viewer-pane-title').textContent"
    browser.until(f"document.querySelector('.viewer-pane') && {title} === 'Axial 4 / 6'")
    browser.wheel(200, 400, 120)
    browser.until(f"{title} === 'Axial 3 / 6'")
    browser.press("\ue013", "b")
    browser.until(f"{title} === 'Axial 4 / 6'")
    lit = """
        const canvas = document.querySelector(".viewer-pane canvas");
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return data.filter((value, place) => place % 4 === 0 && value > 40).length;"""
    assert browser.run(lit) > 1000
    assert re.search("500", browser.run("return document.querySelector('.viewer-window:not(:empty)').textContent;"))
    for _ in range(5):
        browser.press("2", "3", "4", "4", "5", "\ue007")
    browser.until("document.body.textContent.includes('All done. Thank you.')")
    with (packet.ratings / "ann.csv").open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    assert len(found) == 5
    assert {row["realism"] + row["diagnostic_quality"] for row in found} == {"synthetic5"}
