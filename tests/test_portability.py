"""Nothing needs Linux where there is a portable way: other systems are not tested, but nothing is in their way."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(
    path for package in ("medbench", "medbench_models", "leaderboard", "cli") for path in (ROOT / package).rglob("*.py")
)

MODULES = {"fcntl", "resource", "pwd", "grp", "termios", "pty", "tty", "syslog", "curses", "msvcrt", "winreg", "crypt"}
CALLS = {
    "os": {
        "fork", "getuid", "geteuid", "getgid", "getegid", "killpg", "getpgrp", "getpgid", "getsid", "setsid", "uname",
        "sched_getaffinity", "mkfifo", "nice", "getloadavg", "sysconf", "statvfs", "chown", "wait", "openpty",
    },
    "signal": {
        "SIGKILL", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGCHLD", "alarm", "setitimer",
    },
}  # fmt: skip
KEYWORDS = {"preexec_fn", "pass_fds"}
PATHS = re.compile(r"/(tmp|dev|proc|sys|etc|bin|usr|var)(/\S*)?")
# SLURM runs on Linux alone, and so does what speaks to it.
LINUX_ALONE = {"medbench/engines/slurm.py"}


def _asked(node: ast.AST) -> set[str]:
    """Return the names that a condition asks for before they are used; ``*`` where it asks for the system."""
    found = set()
    for one in ast.walk(node):
        if isinstance(one, ast.Call) and isinstance(one.func, ast.Name) and one.func.id == "hasattr":
            found |= {part.value for part in one.args if isinstance(part, ast.Constant)}
        if isinstance(one, ast.Attribute) and ast.unparse(one) in ("sys.platform", "os.name"):
            found.add("*")
    return found


def uses(source: str) -> Iterator[str]:
    """Yield what a module uses that only one kind of system has, without asking first in the same function."""
    tree = ast.parse(source)
    told = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    asked = {}
    for function in functions:
        asked |= dict.fromkeys(map(id, ast.walk(function)), _asked(function))
    for node in ast.walk(tree):
        free = asked.get(id(node), set())
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            yield node.module
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in CALLS.get(node.value.id, ()) and not free & {node.attr, "*"}:
                yield f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.keyword) and node.arg in KEYWORDS:
            yield str(node.arg)
        elif isinstance(node, ast.Constant) and node not in told and PATHS.fullmatch(str(node.value)):
            yield str(node.value)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import fcntl", ["fcntl"]),
        ("from resource import getrusage", ["resource"]),
        ("import os\ndef f():\n    os.killpg(1, 2)", ["os.killpg"]),
        ("import os\ndef f():\n    if hasattr(os, 'killpg'):\n        os.killpg(1, 2)", []),
        ("import os, sys\ndef f():\n    if sys.platform != 'win32':\n        os.getpgrp()", []),
        ("import signal\nx = signal.SIGKILL", ["signal.SIGKILL"]),
        ("x = '/dev/shm/cache'", ["/dev/shm/cache"]),
        ("'''Not /tmp but a sentence.'''", []),
        ("run(pass_fds=(3,))", ["pass_fds"]),
        ("x = '/results'", []),
    ],
)
def test_the_search_finds_what_it_is_for(source: str, found: list[str]) -> None:
    assert list(uses(source)) == found


def test_no_module_needs_one_kind_of_system() -> None:
    wrong = {
        f"{path.relative_to(ROOT).as_posix()}: {use}"
        for path in FILES
        if path.relative_to(ROOT).as_posix() not in LINUX_ALONE
        for use in uses(path.read_text(encoding="utf-8"))
    }
    assert not wrong


def test_files_are_opened_with_their_encoding() -> None:
    """Without one, Windows reads and writes text in the code page of its country."""
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("read_text", "write_text")
        and not any(keyword.arg == "encoding" for keyword in node.keywords)
        and len(node.args) < (1 if node.func.attr == "read_text" else 2)
        and ast.unparse(node.func.value) not in ("files", "storage")
    ]
    assert not wrong
