"""The one table: what was measured beside what, the ratio, and whether the goal was reached."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it has no types


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What was to be reached."""

    name: str  # of the list in docs/validation/benchmarks.md: G4
    text: str  # "at most 1.6 B"
    reached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of the table."""

    row: str  # the letter of what was asked for
    what: str
    figure: str  # what the numbers are, with their unit
    ours: float
    beside: str = ""  # whom it is measured beside; "" where a figure stands for itself
    theirs: float | None = None
    ratio: float | None = None  # ours over theirs, of one run
    goal: Goal | None = None

    def cells(self) -> tuple[str, ...]:
        """Return the line's text, cell by cell."""
        goal = verdict = ""
        if self.goal is not None:
            goal = f"{self.goal.name}: {self.goal.text}"
            verdict = "reached" if self.goal.reached else "**not reached**"
        return (
            self.row,
            self.what,
            self.figure,
            plain(self.ours),
            self.beside,
            "" if self.theirs is None else plain(self.theirs),
            "" if self.ratio is None else plain(self.ratio),
            goal,
            verdict,
        )


HEADINGS = ("row", "what", "figure", "ours", "beside", "theirs", "ratio", "goal", "")


def markdown(entries: Sequence[Entry]) -> str:
    """Return the table."""
    lines = [HEADINGS, tuple("---" for _ in HEADINGS), *(entry.cells() for entry in entries)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write(entries: Sequence[Entry], folder: Path, *, day: date, how: str) -> Path:
    """Keep the table and its figures under the day's name, and return where the table is."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{day.isoformat()}.md"
    title = f"# Benchmarks of {day.isoformat()}"
    path.write_text(f"{title}\n\n{how}\n\n{equipment()}\n\n{markdown(entries)}\n", encoding="utf-8")
    found = {"day": day.isoformat(), "how": how, "on": equipment()}
    figures = {**found, "entries": [asdict(entry) for entry in entries]}
    path.with_suffix(".json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return path


def publish(entries: Sequence[Entry], page: Path, *, day: date, how: str) -> None:
    """Put the table in its place in a document."""
    before, rest = page.read_text(encoding="utf-8").split(_BEGIN)
    _, after = rest.split(_END)
    told = f"Of {day.isoformat()}, on {equipment()}.\n{how}\n\n{markdown(entries)}"
    page.write_text(f"{before}{_BEGIN}\n{told}\n{_END}{after}", encoding="utf-8")


_BEGIN = "<!-- results: written by ./dev bench -->"
_END = "<!-- end of results -->"


def equipment() -> str:
    """Say on what it was measured."""
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{platform.system()} {platform.release()}, {platform.machine()}, {os.cpu_count()} cores "
        f"({_processor()}), {memory:.0f} GiB, Python {platform.python_version()}; "
        f"load of the last minute {os.getloadavg()[0]:.1f}"
    )


def plain(number: float) -> str:
    """Return a number with three figures that count, thousands apart."""
    if number == 0 or abs(number) >= 1000:
        return f"{number:,.0f}"
    digits = 0 if abs(number) >= 100 else 1 if abs(number) >= 10 else 2
    return f"{number:.{digits}f}" if abs(number) >= 0.1 else f"{number:.3f}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unnamed"
