"""Streams as job scripts leave them, met by the installed command."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

LIST = f"{sys.executable} -m cli.main list metrics"


def _shell(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = ["bash", "-c", line]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, encoding="latin-1", check=False
    )


@pytest.mark.parametrize(
    "environment",
    [{"PYTHONIOENCODING": "cp1252"}, {"PYTHONIOENCODING": "latin-1"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}],
    ids=["cp1252", "latin-1", "ascii"],
)
def test_what_a_stream_cannot_show_is_escaped(environment: dict[str, str]) -> None:
    say = "from cli.session import session\nwith session() as ui: ui.say('\\u2193 \\u00e9 \\u4e2d')"
    result = _shell(f'{sys.executable} -c "from cli.streams import prepare_streams as p; p()\n{say}"', **environment)
    assert result.returncode == 0, result.stderr
    assert "\\u4e2d" in result.stdout
    assert result.stderr == ""


@pytest.mark.skipif(os.name != "posix", reason="a shell's pipes and closed descriptors")
@pytest.mark.parametrize("reader", ["| head -1", ">&-", "--json >&-", "--json | head -c 1", "2>&- >/dev/null"])
def test_nobody_who_reads_is_no_failure(reader: str) -> None:
    result = _shell(f"set -o pipefail; {LIST} {reader}")
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.skipif(os.name != "posix", reason="a shell's closed descriptors")
def test_a_file_does_not_take_the_place_of_a_closed_stream() -> None:
    begin = "import os, sys; from cli.streams import prepare_streams as p; p()"
    script = f"{begin}; print(os.open(os.devnull, 0) > 2, file=sys.stderr)"
    assert _shell(f"{sys.executable} -c '{script}' >&-").stderr.strip() == "True"
    assert json.loads(_shell(f"{LIST} --json").stdout)
