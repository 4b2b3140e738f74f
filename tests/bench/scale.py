"""How much is done: the whole, or a little of it to see that it works."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Amounts of work."""

    name: str
    rounds: int  # turns of each side
    divisor: int  # of the bundles of a turn
    growth: tuple[int, int]  # readings in a small and in a large store
    growth_turn: int  # readings taken in by a turn of either
    lot_seconds: int  # length of the lot, at 1 Hz
    turn_s: float  # seconds that a running line is watched for
    outage_s: float  # seconds that a gateway's line to the broker is cut


WHOLE: Final = Scale(
    name="whole",
    rounds=5,
    divisor=1,
    growth=(5_120_000, 51_200_000),
    growth_turn=1_024_000,
    lot_seconds=28_800,
    turn_s=15.0,
    outage_s=40.0,
)
QUICK: Final = Scale(
    name="quick",
    rounds=3,
    divisor=4,
    growth=(512_000, 5_120_000),
    growth_turn=512_000,
    lot_seconds=2_880,
    turn_s=4.0,
    outage_s=8.0,
)
