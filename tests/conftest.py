"""Fixtures shared by all tests: an isolated home, and a small track that runs in seconds."""

from __future__ import annotations

import http.server
import importlib.util
import locale
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).parent / "data"
TOYS = Path(__file__).parent / "toys.py"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-golden", action="store_true", help="keep the numbers of the golden run as golden ones")
    parser.addoption("--write-screenshots", action="store_true", help="write the pictures of docs/ anew")


@pytest.fixture(scope="session", autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test sees the user's own data, weights or caches."""
    os.environ["MEDBENCH_HOME"] = str(tmp_path_factory.mktemp("home"))
    for name in [name for name in os.environ if name.startswith(("MEDBENCH_DATA", "MEDBENCH_WEIGHTS_"))]:
        del os.environ[name]
    os.environ["MEDBENCH_CPU_ENGINE"] = "torch"  # each weight file of a test would be translated anew


@pytest.fixture(scope="session")
def toy_dataset() -> str:
    """Name a small data set: 8 training, 2 selection and 4 held-out phantoms of 32 x 32 x 16 voxels."""
    return f"{TOYS}:ToyDataset"


@pytest.fixture(scope="session")
def toy_generator() -> str:
    """Name a generator that needs no weights and takes no time."""
    return f"{TOYS}:ToyGenerator"


@pytest.fixture(scope="session")
def hungry_generator() -> str:
    """Name a generator that needs memory and predicts how much."""
    return f"{TOYS}:HungryGenerator"


class Noting:
    """Progress that keeps what it is told, and may be interrupted, as Ctrl-C does, before an item of a task.

    Args:
        task: in which; in none where not given.
        items: how many items of it come before.
    """

    def __init__(self, task: str = "", items: int = 0) -> None:
        self.interruption = task, items
        self.tasks: list[tuple[str, int | None]] = []
        self.notes: list[str] = []

    def track(self, items: Iterable[Any], *, task: str, total: int | None = None) -> Iterator[Any]:
        self.tasks.append((task, total))
        for index, item in enumerate(items):
            if (task, index) == self.interruption:
                raise KeyboardInterrupt
            yield item

    def note(self, message: str) -> None:
        self.notes.append(message)


@pytest.fixture(scope="session")
def noting() -> type[Noting]:
    """Progress that keeps what it is told: ``noting()``; ``noting("train stage1", 5)`` is interrupted there."""
    return Noting


@dataclass
class Loopback:
    """A web server on this machine: what it holds, its manners, and what it was asked."""

    address: str
    files: dict[str, bytes] = field(default_factory=dict)  # by path
    breaks_after: list[int] = field(default_factory=list)  # bytes sent by the next answers before the line drops
    knows_ranges: bool = True
    status: int = 200
    asked: list[str] = field(default_factory=list)  # paths with their queries
    headers: list[Message] = field(default_factory=list)

    @property
    def ranges(self) -> list[str | None]:
        """Which part each request wanted."""
        return [headers.get("Range") for headers in self.headers]


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    """Serve files over HTTP without the internet."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            state.headers.append(self.headers)
            body = state.files.get(self.path.partition("?")[0])
            if body is None or state.status != 200:
                self.send_error(404 if body is None else state.status)
                return
            wanted = self.headers.get("Range") if state.knows_ranges else None
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
            if start >= len(body):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            self.wfile.write(body[start : start + state.breaks_after.pop(0) if state.breaks_after else len(body)])

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state = Loopback(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The system's Chromium without a window, or a skip that says how to have it."""
    sync_api = pytest.importorskip("playwright.sync_api", reason='pip install -e ".[test]" has what drives a browser')
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("needs a browser: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        # A container has no rights for Chromium's own sandbox; hospital workstations have no GPU worth the name.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def _is_complaint(said: Any) -> bool:
    """Whether a console message is the page's own fault, such as a breach of its policy."""
    return said.type == "error" and not said.text.startswith("Failed to load resource")


@pytest.fixture
def visit(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Open an address in a browser of its own; whatever the page complains about fails the test."""
    contexts, complaints = [], []

    def open_(address: str, *, width: int = 1280, height: int = 800, **options: Any) -> Any:
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if _is_complaint(said) else None)
        page.goto(address)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def accessible() -> Callable[[Any], None]:
    """Check a page with axe, the rules of WCAG 2.2 at level AA and axe's best practices among them."""
    # A library that an earlier test called may have set the plain C locale, in which axe cannot read its own script.
    locale.setlocale(locale.LC_CTYPE, "")
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason='pip install -e ".[test]" has axe')

    def check(page: Any) -> None:
        found = axe.Axe().run(page)
        assert found.violations_count == 0, found.generate_report()

    return check


@pytest.fixture(scope="session")
def clusters() -> Any:
    """The module that starts clusters; it lies beside this file, as tests are no package to import it from."""
    if "clusters" not in sys.modules:
        spec = importlib.util.spec_from_file_location("clusters", Path(__file__).parent / "clusters.py")
        assert spec is not None and spec.loader is not None
        sys.modules["clusters"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["clusters"])
    return sys.modules["clusters"]


@pytest.fixture(scope="session")
def _slurm(clusters: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if lacking := clusters.lacks_slurm():
        pytest.skip(lacking)
    with clusters.slurm(tmp_path_factory.mktemp("slurm") / "cluster") as cluster:
        yield cluster


@pytest.fixture
def slurm_cluster(_slurm: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A SLURM cluster of two nodes on this machine, which this process finds, or a skip that says how to have it."""
    for name, value in _slurm.environment.items():
        monkeypatch.setenv(name, value)
    return _slurm


@pytest.fixture(scope="session")
def dask_cluster(clusters: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A Dask cluster of a scheduler and two workers on this machine, each a process."""
    pytest.importorskip("distributed", reason='pip install -e ".[test]" has dask.distributed')
    with clusters.dask(tmp_path_factory.mktemp("dask")) as cluster:
        yield cluster


@pytest.fixture
def two_processes(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int], Any]], list[Any]]:
    """Run a function of the process' number in two threads that stand for two processes; return what both return."""
    from concurrent.futures import ThreadPoolExecutor

    from torch import distributed

    number, parts, meeting = threading.local(), [None, None], threading.Barrier(2, timeout=60)

    def all_reduce(tensor: Any) -> None:
        parts[number.own] = tensor.clone()
        meeting.wait()
        total = parts[0] + parts[1]
        meeting.wait()
        tensor.copy_(total)

    def run(work: Callable[[int], Any]) -> list[Any]:
        def one(own: int) -> Any:
            number.own = own
            return work(own)

        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(one, range(2)))

    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(distributed, "get_rank", lambda: number.own)
    monkeypatch.setattr(distributed, "all_reduce", all_reduce)
    return run
