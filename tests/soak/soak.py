"""The soak: a small run is killed, stopped, damaged, mixed up and crowded, and its numbers must stay what they are.

    python tests/soak/soak.py --damages 200 --kills 10 --crowds 5 --malformed 300 --engines 5 --seed 1

Every trial ends in one of these: ``right`` (the numbers of the run that nobody disturbed), ``refused`` (one line that
names a file), ``wrong`` (other numbers, without a word) or ``crash`` (a traceback). The last two fail the soak.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from damage import damage, stored_files

from medbench.errors import MedbenchError
from medbench.pipeline.options import RunOptions
from medbench.pipeline.run import Run
from medbench.records.results import Report

HERE = Path(__file__).parent
METRICS = ("fid25d", "rvr", "adherence")
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)

Values = dict[str, Any]


class Heard:
    """Keeps what a run says; stops it before a step of the training where asked to."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.stop_at = stop_at
        self.notes: list[str] = []

    def track(self, items: Any, *, task: str, total: int | None = None) -> Iterator[Any]:
        del total
        for item in items:
            if task == "train levels" and item == self.stop_at:
                raise KeyboardInterrupt
            yield item

    def note(self, message: str) -> None:
        self.notes.append(message)


@dataclasses.dataclass(frozen=True)
class Soak:
    """One undisturbed run in a folder, copies of it, and what it found.

    Args:
        folder: everything lies below it.
    """

    folder: Path

    @property
    def work(self) -> Path:
        """Where a trial goes on: ``home`` is MEDBENCH_HOME, ``run`` the run folder."""
        return self.folder / "work"

    def options(self) -> RunOptions:
        return RunOptions(
            model=f"{HERE}/tiny.py:Levelled",
            dataset=f"{HERE}/tiny.py:Bodies",
            protocol=str(HERE / "tiny.toml"),
            metrics=METRICS,
            samples=4,
            seed=3,
            train=True,
            conditional=True,
            out=self.work / "run",
            device="cpu",
            workers=1,
        )

    def run(self, heard: Heard) -> Values:
        os.environ["MEDBENCH_HOME"] = str(self.work / "home")
        return self.found(Run(self.options(), heard).report())

    def found(self, report: Report) -> Values:
        """Return all numbers, on disk as well as reported, and the hashes of the samples that they rest on."""
        assert Report.read(self.work / "run" / "results.json") == report
        numbers = {one.metric: one.model_dump(exclude={"seconds", "notes"}) for one in report.results}
        files = (self.work / "run" / "tables").glob("*.csv")
        tables = {path.name: path.read_bytes() for path in files if path.name != "gate.csv"}  # says what lies beside
        samples = {path.name: path.read_bytes() for path in (self.work / "run" / "samples").rglob("*.nii.gz")}
        return {"numbers": numbers, "tables": tables, "samples": samples, "skipped": [s.metric for s in report.skipped]}

    def keep(self, name: str) -> None:
        shutil.copytree(self.work, self.folder / name)

    def take(self, name: str | None) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
        if name is None:
            self.work.mkdir()
        else:
            shutil.copytree(self.folder / name, self.work)


def _undisturbed(soak: Soak) -> Values:
    """Run once without disturbance, keep what it leaves, and what one that was stopped amid its training leaves."""
    soak.take(None)
    values = soak.run(Heard())
    soak.keep("finished")
    shutil.rmtree(soak.work / "run")
    try:
        soak.run(Heard(stop_at=25))
    except KeyboardInterrupt:
        soak.keep("stopped")
        return values
    raise AssertionError("the training was not stopped")


def _lose(*patterns: str) -> Callable[[Path], None]:
    def lose(run: Path) -> None:
        for path in [path for pattern in patterns for path in run.glob(pattern)]:
            path.unlink()

    return lose


# What a finished run loses beside the damage, so that what is damaged is read again.
LOSSES: dict[str, Callable[[Path], None]] = {
    "nothing": _lose(),
    "results": _lose("results.json"),
    "samples": _lose("results.json", "samples/000001.nii.gz", "samples/000003.nii.gz"),
    "checkpoint": _lose("results.json", "samples/000002.nii.gz", "fit/*.safetensors"),
}


def _ending(soak: Soak, wanted: Values, heard: Heard) -> tuple[str, str]:
    """Run again; return how that ended, and what is to be known of it."""
    try:
        found = soak.run(heard)
    except MedbenchError as error:
        return "refused", str(error)
    except Exception as error:  # noqa: BLE001  the tally tells
        return "crash", f"{type(error).__name__}: {error}"
    differing = [part for part in wanted if found[part] != wanted[part]]
    return ("wrong", f"differs: {differing}") if differing else ("right", "")


def damages(soak: Soak, wanted: Values, count: int, chance: np.random.Generator, tally: Counter[str]) -> None:
    """Damage one stored file a trial, evenly over files and offsets, and run again."""
    for trial in range(count):
        state = str(chance.choice(["finished", "finished", "finished", "stopped"]))
        soak.take(state)
        lost = str(chance.choice(list(LOSSES))) if state == "finished" else "nothing"
        LOSSES[lost](soak.work / "run")
        files = stored_files(soak.work)
        path = files[int(chance.integers(len(files)))]
        kind = damage(path, files, chance)
        heard = Heard()
        ending, detail = _ending(soak, wanted, heard)
        said = bool(detail) or any(path.name in note for note in heard.notes)
        tally[f"damage: {ending}{', said' if said else ''}"] += 1
        if ending != "right":
            place = path.relative_to(soak.work)
            print(f"{ending}: trial {trial}, {kind} of {place} ({state}, lost {lost}): {detail}", flush=True)


def _command(soak: Soak, out: Path) -> list[str]:
    options = soak.options()
    command = [sys.executable, "-m", "cli.main", "run", "--model", options.model, "--dataset", str(options.dataset)]
    command += ["--protocol", str(options.protocol), "--metrics", ",".join(METRICS), "--samples", "4", "--seed", "3"]
    return [*command, "--train", "--conditional", "--device", "cpu", "--workers", "2", "--out", str(out), "--quiet"]


def _start(
    soak: Soak, out: Path, words: Sequence[str] = (), variables: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*_command(soak, out), *words],
        env=os.environ | {"MEDBENCH_HOME": str(soak.work / "home")} | (variables or {}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def _judged(soak: Soak, wanted: Values, process: subprocess.Popen[bytes], said: bytes) -> str:
    if b"Traceback" in said or process.returncode not in (0, 2):
        print(f"crash: exit code {process.returncode}: {said.decode(errors='replace')[-500:]}")
        return "crash"
    if process.returncode == 2:
        print(f"refused: {said.decode(errors='replace')[-500:]}")
        return "refused"
    found = soak.found(Report.read(soak.work / "run" / "results.json"))
    return "right" if found == wanted else "wrong"


def kills(soak: Soak, wanted: Values, count: int, chance: np.random.Generator, tally: Counter[str]) -> None:
    """Send a run signals at random times until it has once come to its end."""
    longest = 30.0
    for _ in range(count):
        soak.take(None)
        for signals in range(5):
            begun = time.monotonic()
            process = _start(soak, soak.work / "run")
            try:
                said = process.communicate(timeout=None if signals == 4 else float(chance.uniform(1.0, longest)))[1]
            except subprocess.TimeoutExpired:
                number = SIGNALS[int(chance.integers(len(SIGNALS)))]
                (os.killpg if chance.random() < 0.5 else os.kill)(process.pid, number)
                said = process.communicate()[1]
                tally[f"kill: {number.name}"] += 1
                continue
            longest = max(5.0, time.monotonic() - begun)
            break
        tally[f"kill: {_judged(soak, wanted, process, said)}"] += 1


def crowds(soak: Soak, wanted: Values, count: int, chance: np.random.Generator, tally: Counter[str]) -> None:
    """Let two or three processes make the same run at once, in one folder or over one home."""
    for _ in range(count):
        soak.take(None)
        together = bool(chance.random() < 0.5)
        outs = [soak.work / ("run" if together or not number else f"run{number}") for number in range(2)]
        processes = [_start(soak, out) for out in outs]
        said = [process.communicate()[1] for process in processes]
        for process, text in zip(processes, said):
            tally[f"crowd: {_judged(soak, wanted, process, text)}"] += 1


def main(
    damaged: Annotated[int, typer.Option("--damages", help="stored files that are damaged or misplaced")] = 200,
    killed: Annotated[int, typer.Option("--kills", help="runs that are killed again and again")] = 10,
    crowded: Annotated[int, typer.Option("--crowds", help="times that two processes do the same")] = 5,
    malformed: Annotated[int, typer.Option(help="malformed inputs")] = 0,
    engines: Annotated[int, typer.Option(help="runs on each of local, SLURM and Dask whose workers are killed")] = 0,
    seed: Annotated[int, typer.Option(help="of the soak's chance")] = 0,
) -> None:
    """Disturb a small run; exit code 1 where a number was silently wrong or a traceback came."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a time limit ends it with its tally, as Ctrl-C does
    tally: Counter[str] = Counter()
    try:
        with tempfile.TemporaryDirectory(prefix="medbench-soak-") as folder:
            soak = Soak(Path(folder))
            wanted = _undisturbed(soak)
            for place, (trials, count) in enumerate(((damages, damaged), (kills, killed), (crowds, crowded))):
                trials(soak, wanted, count, np.random.default_rng([seed, place]), tally)
            if engines:
                from engines import trials as engine_kills

                tally += engine_kills(
                    lambda words, variables: _start(soak, soak.work / "run", words, variables),
                    lambda process, said: _judged(soak, wanted, process, said),
                    lambda: soak.take(None),
                    engines,
                    np.random.default_rng([seed, 3]),
                )
        if malformed:
            from malformed import trials as malformed_inputs

            tally += malformed_inputs(malformed, seed)
    finally:
        for name, number in sorted(tally.items()):
            print(f"{number:6}  {name}")
    raise typer.Exit(int(any(word in name for name in tally for word in ("wrong", "crash", "traceback"))))


if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(main)
    app()
