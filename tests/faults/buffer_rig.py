"""Rounds of the buffer's load under strace: one system call fails, or is where the process dies.

Every round works on a folder of its own, is looked at afterwards, started again without a fault as
a supervisor would, and looked at again.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Final, NamedTuple

from edge_agent.storage import BUFFER_FILE
from tests.faults.buffer_check import violations
from tests.faults.buffer_load import SAID_AND_DONE, Acknowledged, Load, Variant, work
from tests.faults.system_calls import Call, counts, read_log

ROUND_S: Final = 60.0
_reaping: Final = threading.Lock()
"""Starting a process asks after all others, and an exit code can be read only once."""

KILLED: Final = -9


class Kind(Enum):
    """What happens at the call, in strace's words."""

    EIO = "error=EIO"
    ENOSPC = "error=ENOSPC"
    KILL = "signal=KILL"
    EIO_FROM_THEN_ON = "error=EIO+"


class Fault(NamedTuple):
    """The n-th call of a name (from 1) that touches the gateway's folder, and what happens then."""

    call: str
    nth: int
    kind: Kind

    def injection(self) -> str:
        """Return the fault as an argument of strace."""
        how, on = self.kind.value.removesuffix("+"), self.kind.value.endswith("+")
        return f"inject={self.call}:{how}:when={self.nth}{'+' if on else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round showed."""

    fault: Fault | None
    struck: bool  # whether the call was made at all
    violations: tuple[str, ...]

    def __str__(self) -> str:
        what = f"{self.fault.call} #{self.fault.nth} {self.fault.kind.name}" if self.fault else "-"
        return f"{what}: {'; '.join(self.violations)}"


class Ran(NamedTuple):
    """One process that did the load."""

    exit_code: int
    told: list[Acknowledged]
    calls: list[Call]
    pipe: str  # name of the pipe that acknowledgements went to, as strace writes it
    words: str  # what the process said


class Rig:
    """Runs loads, each in a process forked from one that has everything imported."""

    def __init__(self, folder: Path, load: Load) -> None:
        """Keep rounds in ``folder``; ``load.folder`` is what each begins with, if it exists."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.load = load
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["tests.faults.buffer_rig"])

    def faults(self, kinds: Sequence[Kind] = tuple(Kind)) -> list[Fault]:
        """Return every fault that the load can meet: each call it makes, once, in every kind."""
        with self._place("reference") as load:
            ran = self.run(load, trace=("-e", "trace=%file,%desc", *_touching(load.folder)))
        if ran.exit_code != 0:
            raise RuntimeError(f"the load fails without a fault: {ran.words}")
        return [
            Fault(call, nth, kind)
            for call, count in sorted(counts(ran.calls).items())
            for nth in range(1, count + 1)
            for kind in kinds
        ]

    def round(self, number: int, fault: Fault) -> Round:
        """Run the load into one fault, start again, and say what was broken."""
        with self._place(f"round-{number}") as load:
            trace = ("-e", f"trace={fault.call}", "-e", fault.injection(), *_touching(load.folder))
            ran = self.run(load, trace=trace)
            renewed = load.renew_after is not None
            found = [*_end(ran), *violations(load.folder, ran.told, renewed=renewed)]
            again = self.run(replace(load, cuts=2, renew_after=None))
            if again.exit_code != 0:
                found.append(f"does not start again ({again.exit_code}): {again.words[-300:]}")
            found += violations(load.folder, [*ran.told, *again.told], renewed=renewed)
            struck = ran.exit_code == KILLED or any("INJECTED" in c.result for c in ran.calls)
        return Round(fault=fault, struck=struck, violations=tuple(dict.fromkeys(found)))

    def broken(self, variant: Variant) -> Rig:
        """Return a rig whose gateway breaks a promise, from the same beginning."""
        return Rig(self.folder, replace(self.load, variant=variant))

    def ordered(self) -> Ran:
        """Run the load without a fault, every call that writes, syncs or names a file noted."""
        with self._place("order") as load:
            return self.run(load, trace=("-e", "trace=%file,%desc"))

    def database(self, place: str) -> Path:
        """Return where the database of a round lies."""
        return self.folder / place / BUFFER_FILE

    def prepare(self, cuts: int) -> None:
        """Make what every round begins with: a gateway killed at work, its log not folded in."""
        self.run(replace(self.load, cuts=10_000, renew_after=None), kill_after=cuts)

    def run(self, load: Load, *, trace: Sequence[str] = (), kill_after: int | None = None) -> Ran:
        """Do the load in a process of its own; traced with these arguments of strace, if any."""
        hear, told = self._context.Pipe(duplex=False)
        gate, opener = self._context.Pipe(duplex=False)
        process = self._context.Process(target=work, args=(load, told, gate))
        with _reaping:
            process.start()
        told.close()
        gate.close()
        log = load.folder.with_suffix(".strace")
        try:
            with _strace(process.pid, log, trace):
                opener.send_bytes(b"go")
                heard = list(_hear(hear, kill_after))
                if kill_after is not None:
                    process.kill()
                if not wait([process.sentinel], ROUND_S):
                    raise TimeoutError(f"the load hangs: {load}")
            with _reaping:
                process.join()
            assert process.exitcode is not None
            return Ran(
                exit_code=process.exitcode,
                told=heard,
                calls=list(read_log(log)) if trace else [],
                pipe=f"pipe:[{os.fstat(hear.fileno()).st_ino}]",  # both ends have one inode
                words=load.words.read_text(encoding="utf-8") if load.words.exists() else "",
            )
        finally:
            with _reaping:
                process.kill()
                process.join()
            hear.close()
            opener.close()

    @contextmanager
    def _place(self, name: str) -> Iterator[Load]:
        """Give a round its folder, and take it away again."""
        place = self.folder / name
        if self.load.folder.exists():
            shutil.copytree(self.load.folder, place)
        load = replace(self.load, folder=place)
        yield load
        shutil.rmtree(place, ignore_errors=True)
        for left in (load.words, place.with_suffix(".strace")):
            left.unlink(missing_ok=True)


def _hear(connection: Connection, most: int | None) -> Iterator[Acknowledged]:
    """Yield what is told until the other end is closed, or ``most`` was heard."""
    heard = 0
    while heard != most:
        if not connection.poll(ROUND_S):
            raise TimeoutError("the load says nothing")
        try:
            yield connection.recv()
        except EOFError:
            return
        heard += 1


@contextmanager
def _strace(pid: int | None, log: Path, arguments: Sequence[str]) -> Iterator[None]:
    """Hold a process and its threads under strace, from before the next line to their end."""
    if not arguments:
        yield
        return
    command = ["strace", "-f", "-y", "-p", str(pid), "-o", str(log), *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr is not None
        line = strace.stderr.readline()
        if "attached" not in line:
            raise RuntimeError(f"strace does not attach: {line}{strace.stderr.read()}")
        yield
        strace.wait(ROUND_S)


def _touching(folder: Path) -> list[str]:
    """Return the arguments that leave every call out that does not touch the gateway's folder."""
    databases = [folder / name for name in ("buffer", "buffer.new")]
    files = [
        database / f"{BUFFER_FILE.name}{suffix}"
        for database in databases
        for suffix in ("", "-wal", "-shm", "-journal")
    ]
    memory = [folder / name for name in ("lock", "epoch.json", "epoch.new", "buffer-aside-1")]
    return [word for path in (folder, *memory, *databases, *files) for word in ("-P", str(path))]


def _end(ran: Ran) -> list[str]:
    if ran.exit_code in {0, SAID_AND_DONE, KILLED}:
        return []
    return [f"ended with {ran.exit_code}, not with an error of the agent: {ran.words[-600:]}"]
