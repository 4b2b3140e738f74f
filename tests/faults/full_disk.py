"""A gateway whose disk is full, on a disk of its own; prints what happened as JSON.

Run as ``python -m tests.faults.full_disk FOLDER CASE``, the folder on a small file system.
"""

from __future__ import annotations

import asyncio
import json
import sys
from enum import Enum
from pathlib import Path
from typing import Any, Final

from edge_agent.buffer.buffer import BYTES_MAX_LEAST, Buffer
from edge_agent.storage import BUFFER_FILE
from protocols.wire.bundle import peek_header
from protocols.wire.reading import GapReason
from tests.faults.buffer_check import violations
from tests.faults.buffer_load import Acknowledged, Gateway, Load

_CUTS_BEFORE: Final = 30
_REFUSALS: Final = 3
_CUTS_MAX: Final = 2000


class Case(Enum):
    """Why there is no room."""

    CAP = "cap"  # the buffer has reached its cap
    OUTSIDER = "outsider"  # somebody else's file has taken the rest of the disk


async def fill_and_drain(folder: Path, case: Case) -> dict[str, Any]:
    """Deliver until readings are refused, let receipts come, and deliver again."""
    told: list[Acknowledged] = []
    load = Load(
        folder=folder / "agent",
        bytes_max=BYTES_MAX_LEAST,
        raw_bytes=200,
        pages_a_checkpoint=4000,  # the agent's own
    )
    filler = folder / "filler"
    async with Gateway(load, told.append) as gateway:
        refused = 0
        for cut in range(_CUTS_MAX):
            if case is Case.OUTSIDER and cut == _CUTS_BEFORE:
                _take_all(filler)
            before = len(told)
            await gateway.deliver()
            refused += len(told) == before
            if refused == _REFUSALS:
                break
        full = await gateway.storage.run(Buffer.extent)
        found = [f"full: {text}" for text in violations(load.folder, told)]
        before = len(told)
        await gateway.deliver(urgent=True)
        urgent_taken = len(told) > before
        refused += not urgent_taken
        await gateway.receive()
        drained_while_full = (await gateway.storage.run(Buffer.extent))[0] == 1
        filler.unlink(missing_ok=True)
        await gateway.receive()
        left, _ = await gateway.storage.run(Buffer.extent)
        await gateway.deliver()
        declared = _declared(load.folder / BUFFER_FILE)
        found += [f"drained: {text}" for text in violations(load.folder, told)]
    return {
        "stored_when_full": full,
        "acknowledged": len(told),
        "refused": refused,
        "urgent_taken": urgent_taken,
        "drained_while_full": drained_while_full,
        "left": left,
        "declared": declared,
        "violations": found,
    }


def _take_all(filler: Path) -> None:
    """Write a file until there is no room for one byte more."""
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            while True:
                try:
                    file.write(b"\0" * size)
                except OSError:
                    break


def _declared(path: Path) -> int:
    """Return how many readings the bundles that are left declare as refused for want of room."""
    buffer = Buffer.read_only(path)
    gaps = [
        gap
        for number in buffer.numbers()
        for gap in peek_header(buffer.bundle(number).sealed_header)[1].gaps
    ]
    buffer.close()
    return sum(gap.count or 0 for gap in gaps if gap.reason is GapReason.DISK_FULL)


if __name__ == "__main__":
    result = asyncio.run(fill_and_drain(Path(sys.argv[1]), Case(sys.argv[2])))
    Path(sys.argv[3]).write_text(json.dumps(result), encoding="utf-8")
