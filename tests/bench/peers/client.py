"""A bare client run to its end, and its own figures."""

from __future__ import annotations

import json

from plant.process import ask, our_command
from tests.bench.measure import Figures


async def bare(name: str, **arguments: object) -> Figures:
    """Run a client of ``tests.bench.peers.bare`` and return what it did."""
    given = [part for key, value in arguments.items() for part in (f"--{key}", str(value))]
    printed = await ask(our_command("tests.bench.peers.bare", name, *given), timeout_s=300)
    seen: dict[str, float] = json.loads(printed.splitlines()[-1])
    count = max(1.0, seen["count"])
    return {
        "readings_per_s": count / seen["seconds"] if seen["seconds"] else 0.0,
        "cpu_us": seen["cpu_s"] / count * 1e6,
        "rss_mb": seen["rss_mb"],
    }
