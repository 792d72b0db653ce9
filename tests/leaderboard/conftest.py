"""Runs made of a few numbers, and a real PostgreSQL."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from leaderboard.ranking.board import open_board
from leaderboard.reported.rows import reported_rows
from leaderboard.store.entry import read_entry
from leaderboard.store.store import Store
from medbench import registry
from medbench.records.results import Budget, Report, Resampled, Result, Skipped
from medbench.spec import fingerprint


@pytest.fixture
def make_result() -> Callable[..., Result]:
    """Make a result; one of a registered metric has the direction and the cases that the metric declares."""

    def make(metric: str, value: float, *, protocol: Mapping[str, Any] | None = None, **fields: Any) -> Result:
        protocol = {"metric": metric, "n_real": 8, "n_synthetic": 6, **(protocol or {})}
        info = registry.load("metrics", metric).info if metric in registry.names("metrics") else None
        given = {
            "ci95": None,
            "ci_method": "absent: a test",
            "floor": None,
            "better": info.better if info else "lower",
            "unit": None,
            "n_real": protocol["n_real"],
            "n_synthetic": protocol["n_synthetic"],
            "parts": {},
            "seconds": 1.0,
            "table": None,
            "cases": info.cases if info else None,
        } | fields
        return Result(metric=metric, value=value, protocol=protocol, fingerprint=fingerprint(protocol), **given)

    return make


@pytest.fixture
def replicates() -> Callable[..., dict[str, Resampled]]:
    def make(real: Sequence[float], synthetic: Sequence[float]) -> dict[str, Resampled]:
        sides = {"real": real, "synthetic": synthetic}
        return {side: Resampled(values=tuple(values), sizes=(1,) * len(values)) for side, values in sides.items()}

    return make


@pytest.fixture
def save_run(tmp_path: Path) -> Callable[..., Path]:
    """Write a run's results and tables; return its folder."""

    def save(
        name: str,
        *results: Result,
        tables: Mapping[str, pd.DataFrame] | None = None,
        skipped: Sequence[Skipped] = (),
        run: str | None = None,
        **fields: Any,
    ) -> Path:
        folder = tmp_path / name
        (folder / "tables").mkdir(parents=True, exist_ok=True)
        for metric, table in (tables or {}).items():
            table.to_csv(folder / "tables" / f"{metric}.csv", index=False)
        given = {
            "model": name,
            "model_version": None,
            "dataset": "toy",
            "track": "toy/0",
            "budget": Budget(limit_bytes=1, kind="absent", card="none", within=None),
        } | fields
        Report(run=run or name, results=results, skipped=tuple(skipped), **given).save(folder)
        return folder

    return save


MASKS = [f"mask{index}" for index in range(6)]


def adherence(dsc: np.ndarray, *, order: list[int]) -> pd.DataFrame:
    """Two regions a sample; the samples' own ids follow the order they were made in."""
    return pd.DataFrame(
        [
            {"id": f"{place:06d}", "region": region, "dsc": dsc[index] + lift, "mask": MASKS[index]}
            for place, index in enumerate(order)
            for region, lift in (("lung", 0.1), ("heart", -0.1))
        ]
    )


@pytest.fixture(name="adherence")
def adherence_() -> Callable[..., Any]:
    return adherence


def _postgres_programs() -> Path | None:
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda place: int(place.parent.name), default=None)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A PostgreSQL of the system's packages on a free port, run by an ordinary user: it refuses root."""
    programs = _postgres_programs()
    if programs is None:
        pytest.skip("needs PostgreSQL: apt-get install postgresql")
    user = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.getuid() == 0 else {}
    place = Path(tempfile.mkdtemp(prefix="medbench-postgres-"))
    if user:
        shutil.chown(place, user["user"])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    data = str(place / "data")
    made = [programs / "initdb", "-D", data, "-A", "trust", "-U", "medbench", "-E", "UTF8", "--no-sync"]
    subprocess.run(made, check=True, capture_output=True, cwd=place, **user)
    settings = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", f"port={port}")
    command = [programs / "postgres", "-D", data, *(part for one in settings for part in ("-c", one))]
    with (place / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=place, **user)
    try:
        asked = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
        for _ in range(200):
            if subprocess.run(asked, check=False).returncode == 0:
                break
            assert server.poll() is None, (place / "log").read_text(encoding="utf-8")
            time.sleep(0.05)
        yield f"postgresql://medbench@127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(place)


@pytest.fixture
def typeset(tmp_path: Path) -> Callable[..., str]:
    """Set a document with some tables by a real LaTeX; return what it complains of."""
    program = shutil.which("pdflatex")
    if program is None:
        pytest.skip("needs pdflatex: apt-get install texlive-latex-base texlive-latex-extra")

    def make(*tables: str, packages: Sequence[str]) -> str:
        file = tmp_path / "paper.tex"
        lines = [r"\documentclass{article}", *(rf"\usepackage{{{name}}}" for name in packages), r"\begin{document}"]
        file.write_text("\n".join([*lines, *tables, r"\end{document}", ""]), encoding="utf-8")
        command = [program, "-interaction=nonstopmode", "-halt-on-error", file.name]
        subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=60)
        log = file.with_suffix(".log").read_text(encoding="utf-8", errors="replace")
        told = [line for line in log.splitlines() if line.startswith(("! ", "Overfull", "LaTeX Warning"))]
        assert file.with_suffix(".pdf").is_file() or told
        return "\n".join(told)

    return make


_DATABASES = count()


@pytest.fixture
def postgres(postgres_server: str) -> str:
    """The URL of an empty database."""
    psycopg = pytest.importorskip("psycopg", reason='pip install -e ".[test]" has the driver')
    name = f"board{next(_DATABASES)}"
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{postgres_server}/{name}"


@pytest.fixture(params=["sqlite", "postgresql"])
def store_address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a board that does not exist yet may lie."""
    if request.param == "sqlite":
        return str(tmp_path / "board.sqlite")
    address: str = request.getfixturevalue("postgres")
    return address


HOSTILE = '=1+<img src=x onerror="window.broken=1">'


@pytest.fixture
def shown_store(make_result: Any, save_run: Any, replicates: Any, tmp_path: Path) -> Store:
    """A store of one track of luna: a tie, a leak, a run over budget, a hostile name, a metric that one lacks."""
    store = Store.open(str(tmp_path / "board.sqlite"), create=True)
    runs = {
        "medlord": ({"fid25d": 1.0, "rvr": 0.4, "hu": 9.0}, {}),
        "ha-gan": ({"fid25d": 1.1, "rvr": 0.9, "hu": 30.0}, {"leaks": ("ha-gan: encoder saw LIDC-IDRI",)}),
        "vq-trans": ({"fid25d": 4.0, "rvr": 0.6, "hu": 20.0}, {}),
        HOSTILE: ({"fid25d": 5.0, "rvr": 1.2}, {}),
        "huge": (
            {"fid25d": 0.5, "rvr": 0.3, "hu": 5.0},
            {"budget": Budget(limit_bytes=24 * 2**30, kind="predicted", card="none", within=False)},
        ),
    }
    for place, (model, (values, fields)) in enumerate(runs.items()):
        chance = np.random.default_rng(place)
        results = [
            make_result(
                metric,
                value,
                ci95=(value - 0.2, value + 0.2),
                floor=0.3,
                cases=None,
                replicates=replicates([value] * 8, (value + chance.normal(0, 0.03, 8)).tolist()),
            )
            for metric, value in values.items()
        ]
        folder = save_run(f"run{place}", *results, model=model, dataset="luna", track="luna/0123456789ab", **fields)
        if place == 0:
            (folder / "figures").mkdir()
            Image.fromarray(np.zeros((90, 300), np.uint8)).save(folder / "figures" / "montage.png")
            (folder / "report.html").write_text("<title>a report</title>", encoding="utf-8")
        store.add([read_entry(folder)])
    return store


@pytest.fixture
def board(shown_store: Store) -> Any:
    """The track with what others reported."""
    return open_board(shown_store, "luna/0123456789ab", reported=reported_rows(dataset="luna"))
