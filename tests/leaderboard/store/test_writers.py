"""Twelve programs write into one board at once, as the ends of twelve runs do."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from leaderboard.store.store import Store

pytestmark = pytest.mark.slow
WRITERS, RUNS = 12, 5


def test_twelve_programs_lose_nothing(store_address: str, run_of: Any) -> None:
    """Nobody has made the store before; every program adds runs of its own and one that all add."""
    shared = run_of("shared")
    own = [[run_of(f"run{writer}-{index}", writer + 1.0) for index in range(RUNS)] for writer in range(WRITERS)]
    command = [sys.executable, "-m", "cli.main", "leaderboard", "add", "--leaderboard", store_address, "--quiet"]
    started = [
        subprocess.Popen([*command, *map(str, folders), str(shared)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for folders in own
    ]
    for one in started:
        _, errors = one.communicate()
        assert one.returncode == 0, errors.decode()
    runs, results = Store.open(store_address).track("toy/0")
    assert len({run["run"] for run in runs}) == len(runs) == len(results) == WRITERS * RUNS + 1
