"""What tasks of a cluster do in these tests, in a file of its own: only by path do the workers find it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from medbench import plugin_files

HELPERS = '''
import os, signal, time
from pathlib import Path

def once_killed(folder, number):
    """Die at the first try, as a node does; then give the square."""
    mark = Path(folder) / f"tried{number}"
    if number == 2 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number

def always_killed(number):
    os.kill(os.getpid(), signal.SIGKILL)

def under_way(folder, number):
    """Return how many of these calls run at this moment."""
    mark = Path(folder) / f"running{number}"
    mark.touch()
    time.sleep(0.3)
    found = len(list(Path(folder).glob("running*")))
    mark.unlink()
    return found

def refused(number):
    from medbench.errors import StorageError
    if number == 1:
        raise StorageError("cannot write x: the disk is full: free some space")
    return number
'''


@pytest.fixture
def helpers(tmp_path: Path) -> Any:
    file = tmp_path / "helpers.py"
    file.write_text(HELPERS, encoding="utf-8")
    return plugin_files.import_file(file)
