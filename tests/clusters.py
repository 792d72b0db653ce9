"""Clusters on this machine: a SLURM of two nodes from the system's packages, and a Dask cluster of processes."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch")
SLURM_CONF = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,batch_sched_delay=0,bf_interval=1
SlurmctldTimeout=30
SlurmdTimeout=30
KillWait=2
MinJobAge=10
ReturnToService=2
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
LaunchParameters=send_gids
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={first} CPUs=1 State=UNKNOWN
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={second} CPUs=1 State=UNKNOWN
PartitionName=all Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
"""


@dataclass
class Slurm:
    """A SLURM cluster of two nodes.

    Args:
        folder: of its configuration, state and logs.
    """

    folder: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What a command needs to find it."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def start(self, name: str, *command: str) -> None:
        """Start one of its daemons."""
        with (self.folder / f"{name}.out").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, stdout=log, stderr=log, env=os.environ | self.environment, start_new_session=True
            )

    def asked(self, *command: str) -> str:
        """Return what one of its commands says."""
        return subprocess.run(
            command, env=os.environ | self.environment, capture_output=True, text=True, timeout=60, check=False
        ).stdout

    def running_jobs(self) -> list[str]:
        """Return the ids of the jobs that run now."""
        return self.asked("squeue", "--noheader", "--array", "--states=RUNNING", "--format=%i").split()

    def wait_until_running(self, count: int) -> None:
        """Return once so many jobs run."""
        _wait_for(lambda: len(self.running_jobs()) == count, f"{count} jobs", self.folder)

    def wait_until_idle(self, seconds: float = 40.0) -> None:
        """Return once no job waits or runs."""
        _wait_for(lambda: not self.asked("squeue", "--noheader").strip(), "the end of all jobs", self.folder, seconds)

    def kill_a_job(self, job: str) -> None:
        """Kill what a job runs, as the kernel does where memory is short."""
        self.asked("scancel", "--signal=KILL", job)
        self.asked("scancel", "--signal=KILL", "--batch", job)


@contextlib.contextmanager
def slurm(folder: Path) -> Iterator[Slurm]:
    """Start a SLURM cluster; it is up when this yields."""
    for name in ("state", "munge"):
        (folder / name).mkdir(parents=True)
    key = folder / "munge" / "munge.key"
    key.write_bytes(os.urandom(128))
    for path in (key, folder / "munge"):
        path.chmod(0o600 if path == key else 0o700)
    ports = _free_ports(3)
    conf = SLURM_CONF.format(
        host=socket.gethostname(), user=getpass.getuser(), folder=folder, controller=ports[0], first=ports[1],
        second=ports[2],
    )  # fmt: skip
    (folder / "slurm.conf").write_text(conf, encoding="utf-8")
    cluster = Slurm(folder)
    try:
        munge = ["--foreground", "--force", f"--socket={folder}/munge.socket", f"--key-file={key}"]
        munge += [
            f"--log-file={folder}/munge.log",
            f"--pid-file={folder}/munge.pid",
            f"--seed-file={folder}/munge/seed",
        ]
        cluster.start("munged", _program("munged"), *munge)
        _wait_for(lambda: (folder / "munge.socket").exists(), "munged", folder)
        cluster.start("slurmctld", _program("slurmctld"), "-D", "-f", str(folder / "slurm.conf"))
        for node in ("n1", "n2"):
            cluster.start(node, _program("slurmd"), "-D", "-N", node, "-f", str(folder / "slurm.conf"))
        idle = ("sinfo", "--noheader", "--Node", "--format=%N %t")
        _wait_for(lambda: cluster.asked(*idle).count(" idle") == 2, "the nodes", folder)
        yield cluster
    finally:
        cluster.asked("scancel", f"--user={getpass.getuser()}")
        _end(list(cluster.processes.values())[::-1])


@dataclass
class Dask:
    """A Dask cluster of processes: a scheduler and workers, each started again by its nanny when it dies."""

    address: str
    processes: list[subprocess.Popen[bytes]]

    @property
    def words(self) -> tuple[str, ...]:
        """What gives a command's work to it."""
        return ("--engine", "dask", "--engine-option", f"scheduler={self.address}")

    def wait_until_there(self, workers: int) -> None:
        """Return once it has so many workers."""
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:  # type: ignore[no-untyped-call]
            client.wait_for_workers(workers, timeout=60)

    def worker_pids(self) -> list[int]:
        """Return the ids of the processes that do the work."""
        import psutil

        found = []
        for process in self.processes[1:]:
            with contextlib.suppress(psutil.Error):
                for child in psutil.Process(process.pid).children(recursive=True):
                    if "spawn_main" in " ".join(child.cmdline()):
                        found.append(child.pid)
        return found


@contextlib.contextmanager
def dask(
    folder: Path, *, workers: int = 2, home: Path | None = None, resources: str = "", before: Sequence[str] = ()
) -> Iterator[Dask]:
    """Start a Dask cluster; its workers share this machine's files.

    Args:
        folder: for its logs and scratch.
        workers: processes.
        home: their MEDBENCH_HOME before work comes; None: this process's.
        resources: what each declares, like ``GPU=1``.
        before: words that start the last worker's command.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (port,) = _free_ports(1)
    address = f"tcp://127.0.0.1:{port}"
    environment = os.environ | ({"MEDBENCH_HOME": str(home)} if home else {})
    own = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port)]
    declared = ["--resources", resources] if resources else []
    commands = [[*own, "--no-dashboard"]] + [
        [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard",
         "--local-directory", str(folder / f"worker{number}"), "--host", "127.0.0.1", *declared]
        for number in range(workers)
    ]  # fmt: skip
    commands[-1] = [*before, *commands[-1]]
    processes = []
    try:
        for number, command in enumerate(commands):
            with (folder / f"dask{number}.log").open("ab") as log:
                processes.append(
                    subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
                )
        yield Dask(address, processes)
    finally:
        _end(processes[::-1])


def lacks_slurm() -> str | None:
    """Return why no SLURM can be started here; None where it can."""
    missing = [name for name in PROGRAMS if _program(name) == name and shutil.which(name) is None]
    return f"needs {', '.join(missing)}: apt-get install slurm-wlm munge" if missing else None


def _program(name: str) -> str:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin") or name


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _wait_for(done: object, what: str, folder: Path, seconds: float = 40.0) -> None:
    last = time.monotonic() + seconds
    while not done():  # type: ignore[operator]
        if time.monotonic() > last:
            logs = "\n".join(f"{path}: {path.read_text(errors='replace')[-800:]}" for path in folder.glob("*.[lo]*"))
            raise AssertionError(f"{what} did not start:\n{logs}")
        time.sleep(0.1)


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
        last = time.monotonic() + 5
        while any(process.poll() is None for process in processes) and time.monotonic() < last:
            time.sleep(0.05)
