"""N malformed inputs by seed over the command line: none may end in a traceback, a hang or an unexpected failure.

    python tests/soak/malformed.py --count 300 --seed 1

Each input is a number: ``--only 17`` tries that one again and leaves its folder. A command may end with a result (exit
code 0; 1 where a metric crashed) or with one line (2, 3). It prints a tally; its own exit code is 1 where one failed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import malformed_files as files
import numpy as np
import typer
from typer.testing import CliRunner

import medbench_models  # noqa: F401  its shipped weights are broken
from cli.main import app

_SECONDS = 120
_TOYS = Path(__file__).parents[1] / "toys.py"
_OPTIONS = ("--shape", "--metrics", "--protocol", "--segmenter", "--device", "--out", "--masks", "--weights", "--real")
_RUN_OPTIONS = ("--preset", "--budget", "--samples", "--seed", "--conditions", "--checkpoint", "--workers", "--out")
_WORDS = (
    "NaN",
    "-1",
    "0",
    "9" * 400,
    "\u2193",
    "x" * 300,
    "",
    "24",
    "1e999GB",
    "99999x99999x99999",
    "a=b",
    "/dev/null",
    "..",
)
_METRIC = """
import sys
from medbench import Measurement, MetricInfo
{top}
class Mine:
    info = {info}
    def measure(self, evidence):
        return {value}
"""
_INFOS = ("MetricInfo('mine', '1', 's', 'lower', None, 2, 2, 's')", "{}", "None", "MetricInfo('mine')", "7")
_VALUES = (
    "None",
    "1 / 0",
    "sys.exit(0)",
    "Measurement('x', None, '')",
    "Measurement(float('nan'), None, '')",
    "{}",
    "[]",
)
_TOPS = ("", "sys.exit(0)", "raise RuntimeError('a\\nb')", "import nowhere", "def broken(:", "\\0")
_GENERATOR = """
import sys, numpy as np
from {toys} import ToyGenerator
class Mine(ToyGenerator):
    def sample(self, request):
        for seed in {seeds}:
            yield {value}
"""
_SAMPLES = ("None", "np.zeros(3)", "7", "1 / 0", "sys.exit(0)", "next(super().sample(request))")


def command(folder: Path, random: np.random.Generator) -> list[str]:
    """Break one thing in a folder and return the command that meets it."""
    samples, real = folder / "samples", folder / "real"
    files.sound(samples, 3, 100)
    files.sound(real, 4, 0)
    base = [
        "evaluate",
        str(samples),
        "--real",
        str(real),
        "--metrics",
        "mmd3d",
        "--out",
        str(folder / "out"),
        "--quiet",
    ]
    kind = random.random()
    if kind < 0.5:
        maker = files.MAKERS[int(random.integers(len(files.MAKERS)))]
        side = samples if random.random() < 0.7 else real
        maker(side, random)
        if maker is files.labels:
            base += ["--masks" if side == samples else "--real-masks", str(side / "masks"), "--metrics", "rvr"]
        return base
    if kind < 0.6:
        files.protocol_file(folder, random)
        return [*base, "--protocol", str(folder / "mine.toml")]
    if kind < 0.7:
        return [*base, str(random.choice(_OPTIONS)), str(random.choice(_WORDS))]
    if kind < 0.8:
        (folder / "mine.py").write_text(_metric(random), encoding="utf-8")
        return [*base, "--metrics", f"mmd3d,{folder / 'mine.py'}:Mine"]
    run = ["run", "--dataset", f"{_TOYS}:ToyDataset", "--metrics", "mmd3d", "--out", str(folder / "out"), "--quiet"]
    if kind < 0.88:
        (folder / "mine.py").write_text(_generator(random), encoding="utf-8")
        return [*run, "--model", f"{folder / 'mine.py'}:Mine", "--samples", "2"]
    run += ["--model", str(random.choice(["medlord", "ha-gan", "vq-trans"]))]
    if kind < 0.94:
        files.checkpoint(folder, random)
        return [*run, "--checkpoint", str(folder / "mine.safetensors"), "--samples", "2"]
    return [*run, "--samples", "0", str(random.choice(_RUN_OPTIONS)), str(random.choice(_WORDS))]


def _metric(random: np.random.Generator) -> str:
    top = str(random.choice(_TOPS)) if random.random() < 0.4 else ""
    return _METRIC.format(top=top, info=random.choice(_INFOS), value=random.choice(_VALUES))


def _generator(random: np.random.Generator) -> str:
    seeds = random.choice(["request.seeds", "request.seeds[:1]", "[*request.seeds, 7]"])
    return _GENERATOR.format(toys=_TOYS.stem, seeds=seeds, value=random.choice(_SAMPLES))


def try_one(number: int, seed: int, folder: Path) -> tuple[int, str]:
    """Try one input; return the exit code and, where it failed, why."""
    arguments = command(folder, np.random.default_rng([seed, number]))
    told = f"--seed {seed} --only {number}: medbench {' '.join(arguments)!r:.300}"
    with _limited():
        result = CliRunner().invoke(app, arguments)
    lines = [line for line in result.stderr.splitlines() if line.startswith("medbench: ")]
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return result.exit_code, f"{told}: {type(result.exception).__name__}: {result.exception}"
    if "Traceback" in result.output or "unexpected failure" in result.output:
        return result.exit_code, f"{told}: {result.output[-400:]}"
    if result.exit_code in (2, 3) and len(lines) != 1 and not result.stderr.startswith("Usage"):
        return result.exit_code, f"{told}: {len(lines)} lines: {result.output[-400:]}"
    return result.exit_code, ""


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise BaseException(f"no end within {_SECONDS} s")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)


def trials(count: int, seed: int, only: int | None = None) -> Counter[str]:
    """Try inputs in a folder and a home of their own; print what failed, and return how they ended.

    Args:
        count: how many.
        seed: of all of them.
        only: the number of one input, whose folder stays.
    """
    tally: Counter[str] = Counter()
    folder, home = Path(tempfile.mkdtemp(prefix="malformed-")), os.environ.get("MEDBENCH_HOME")
    os.environ["MEDBENCH_HOME"] = str(folder / "home")
    sys.path.insert(0, str(_TOYS.parent))
    for number in range(count) if only is None else [only]:
        place = Path(tempfile.mkdtemp(dir=folder))
        code, failure = try_one(number, seed, place)
        tally[f"malformed: {'traceback or no end' if failure else f'exit code {code}'}"] += 1
        if failure:
            print(failure)
        if only is None:
            _remove(place)
    if only is None:
        _remove(folder)
    os.environ |= {} if home is None else {"MEDBENCH_HOME": home}
    return tally


def _remove(folder: Path) -> None:
    subprocess.run(["rm", "-rf", str(folder)], check=True)  # shutil goes no deeper than Python's own stack


def main(
    count: Annotated[int, typer.Option(help="inputs")] = 300,
    seed: Annotated[int, typer.Option(help="of all of them")] = 0,
    only: Annotated[int | None, typer.Option(help="this one alone; its folder stays")] = None,
) -> None:
    """Meet malformed inputs; exit code 1 where one ended in a traceback, an unexpected failure or not at all."""
    tally = trials(count, seed, only)
    for name, number in sorted(tally.items()):
        print(f"{number:6}  {name}")
    raise typer.Exit(int(any("traceback" in name for name in tally)))


if __name__ == "__main__":
    typer.run(main)
