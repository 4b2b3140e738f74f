"""What strace wrote down: which call on which file, and whether an order was broken.

The order oracle sees what killing cannot: a kernel that goes on keeps what was written and never
synced, so a missing fdatasync costs nothing until power fails.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One system call of a log made with ``strace -f -y``."""

    thread: int
    name: str
    arguments: str
    result: str

    @property
    def done(self) -> bool:
        """Whether it succeeded."""
        return not self.result.startswith(("-", "?"))

    def descriptor_path(self) -> str:
        """Return what the first argument's descriptor is open on, "" where it is no descriptor."""
        found = _DESCRIPTOR.match(self.arguments)
        return found[1] if found else ""

    def names(self) -> list[str]:
        """Return the paths that stand as text in the arguments."""
        return _QUOTED.findall(self.arguments)


def read_log(log: Path) -> Iterator[Call]:
    """Yield the calls in the order in which they ended."""
    begun: dict[int, str] = {}
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        if (started := _UNFINISHED.match(line)) is not None:
            begun[int(started[1])] = started[2]
            continue
        if (resumed := _RESUMED.match(line)) is not None:
            line = f"{resumed[1]} {begun.pop(int(resumed[1]), '')}{resumed[2]}"  # noqa: PLW2901
        if (call := _CALL.match(line)) is not None:
            yield Call(thread=int(call[1]), name=call[2], arguments=call[3], result=call[4])


def counts(calls: Iterable[Call]) -> Counter[str]:
    """Return how often each call was made by the thread that made most of them."""
    by_thread: dict[int, Counter[str]] = {}
    for call in calls:
        by_thread.setdefault(call.thread, Counter())[call.name] += 1
    most: Counter[str] = Counter()
    for found in by_thread.values():
        most |= found
    return most


def order_broken(calls: Iterable[Call], *, told: str, database: Path) -> list[str]:
    """Return every acknowledgement, and every reuse of the log, that came before a sync it needs.

    ``told`` is the descriptor's name of the pipe that acknowledgements go to (``pipe:[n]``).
    """
    return list(_Oracle(told, database).judge(calls))


@dataclass(slots=True)
class _Oracle:
    told: str
    database: Path
    unsynced: set[str] = field(default_factory=set)  # files with writes that no sync covers
    unlisted: set[str] = field(default_factory=set)  # folders with entries that no sync covers

    @property
    def log(self) -> str:
        """The database's write-ahead log."""
        return f"{self.database}-wal"

    def judge(self, calls: Iterable[Call]) -> Iterator[str]:
        """Yield what was broken; 1: acknowledged too early, 2: the log reused too early."""
        log = self.log
        for call in calls:
            if not call.done:
                continue
            path = call.descriptor_path()
            if call.name in _WRITES and path == self.told:
                for missing in sorted({log} & self.unsynced) + sorted(self.unlisted):
                    yield f"acknowledged before {PurePath(missing).name} was synced"
            starts_over = call.name == "pwrite64" and path == log and call.arguments.endswith(", 0")
            shrinks = call.name == "ftruncate" and path == log
            goes = call.name in _UNLINKS and log in call.names()
            if (starts_over or shrinks or goes) and str(self.database) in self.unsynced:
                yield "the log was given up before the database was synced"
            self._note(call, path)

    def _note(self, call: Call, path: str) -> None:
        if call.name in _SYNCS:
            self.unsynced.discard(path)
            self.unlisted.discard(path)
        elif call.name in _FILE_WRITES and path.startswith(str(self.database.parent.parent)):
            # The index of the log is rebuilt after a crash, so it is never synced.
            if not path.endswith("-shm"):
                self.unsynced.add(path)
        elif call.name in _UNLINKS:
            for name in call.names():
                self.unsynced.discard(name)
        elif call.name in _RENAMES:
            before, after = call.names()
            if str(self.database).startswith(f"{after}/"):  # other files promise nothing
                self.unlisted.add(str(PurePath(after).parent))
            for names in (self.unsynced, self.unlisted):
                for name in [name for name in names if name.startswith(before)]:
                    names.discard(name)
                    names.add(after + name.removeprefix(before))
        elif call.name == "openat" and "O_CREAT" in call.arguments:
            opened = _DESCRIPTOR.match(call.result)
            if opened and opened[1] == self.log:
                self.unlisted.add(str(self.database.parent))


_WRITES: Final = frozenset({"write", "sendto", "sendmsg", "writev"})
_FILE_WRITES: Final = frozenset({"write", "writev", "pwrite64", "pwritev", "ftruncate"})
_SYNCS: Final = frozenset({"fsync", "fdatasync"})
_UNLINKS: Final = frozenset({"unlink", "unlinkat"})
_RENAMES: Final = frozenset({"rename", "renameat", "renameat2"})
_DESCRIPTOR: Final = re.compile(r"\d+<([^>]*)>")
_QUOTED: Final = re.compile(r'"([^"]*)"')
_UNFINISHED: Final = re.compile(r"(\d+) +(.*) <unfinished \.\.\.>$")
_RESUMED: Final = re.compile(r"(\d+) +<\.\.\. \w+ resumed>(.*)$")
_CALL: Final = re.compile(r"(\d+) +(\w+)\((.*)\) += (.*)$")
