"""Measure Lotproof beside others: ``python -m tests.bench [--rows a,b,c] [--quick]``.

Prints one table and keeps it in tests/bench/results (of a quick run: out/bench); the whole of it
also goes into docs/validation/benchmarks.md. Nothing here passes or fails: goals that are not
reached are printed as such.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from plant.clock import utc_now
from tests.bench.scale import QUICK, WHOLE, Scale
from tests.bench.table import Entry, markdown, publish, write

ROWS: Final[dict[str, tuple[str, ...]]] = {
    "a": ("modbus",),
    "b": ("opcua",),
    "c": ("intake", "intake_mqtt"),
    "d": ("lot",),
    "e": ("volume",),
    "f": ("latency",),
    "g": ("memory",),
    "h": ("genealogy",),
    "i": ("rebind",),
    "j": ("peers",),
}
"""The row's letter -> the files of ``rows`` that measure it."""

_ROOT: Final = Path(__file__).resolve().parents[2]
Run = Callable[[Path, Scale], Awaitable[list[Entry]]]


def main() -> int:
    """Measure the rows that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rows", default=",".join(ROWS), help="letters, for example c,e")
    parser.add_argument("--quick", action="store_true", help="little of each; not for quoting")
    asked = parser.parse_args()
    rows = [row for row in asked.rows.split(",") if row]
    if unknown := [row for row in rows if row not in ROWS]:
        parser.error(f"there is no row {', '.join(unknown)}; there are {', '.join(ROWS)}")
    scale = QUICK if asked.quick else WHOLE
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # it tells of clients that leave
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # more of them only fight over two cores
    entries = asyncio.run(_measure(rows, scale))
    command = f"./dev bench --rows {','.join(rows)}{' --quick' if asked.quick else ''}"
    how = f"`{command}`: medians of {scale.rounds} interleaved rounds; a ratio is of one run."
    folder = _ROOT / "out" / "bench" if asked.quick else Path(__file__).parent / "results"
    path = write(entries, folder, day=utc_now().date(), how=how)
    if scale is WHOLE and set(rows) == set(ROWS):
        publish(entries, _ROOT / "docs/validation/benchmarks.md", day=utc_now().date(), how=how)
    sys.stdout.write(f"\n{markdown(entries)}\n\nkept in {path}\n")
    return 0


async def _measure(rows: list[str], scale: Scale) -> list[Entry]:
    entries: list[Entry] = []
    for row in rows:
        for name in ROWS[row]:
            began = time.perf_counter()
            run: Run = importlib.import_module(f"tests.bench.rows.{name}").run
            folder = Path(tempfile.mkdtemp(prefix=f"lotproof-bench-{name}-"))
            try:
                found = await run(folder, scale)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            entries += found
            taken = time.perf_counter() - began
            sys.stderr.write(f"row {row}, {name}: {taken:.0f} s\n{markdown(found)}\n\n")
    return entries


if __name__ == "__main__":
    sys.exit(main())
