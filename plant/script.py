"""What goes wrong on the line, and when: scripted from one seed, so that a run can be had again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from enum import Enum
from typing import NamedTuple

from plant.equipment.cleanroom import Fault
from plant.line import Line
from plant.network import Proxy


class Trouble(Enum):
    """What can go wrong."""

    EXCURSION = "the heater overshoots"
    SENSOR_FAULT = "the room's pressure sensor says nothing that is a number"
    NETWORK_CUT = "the network between gateway and broker is cut"


class Event(NamedTuple):
    """One trouble: when it begins, how long it lasts, how bad it is."""

    after_s: float  # seconds from the start of the lot
    trouble: Trouble
    seconds: float
    kelvin: float = 0.0  # of an excursion

    def __str__(self) -> str:
        amount = f" by {self.kelvin:.1f} K" if self.kelvin else ""
        return f"{self.trouble.value}{amount} for {self.seconds:.1f} s"


def script(seed: int, troubles: Sequence[Trouble], *, lot_seconds: float) -> tuple[Event, ...]:
    """Return when each trouble befalls a lot of so many seconds, one after the other."""
    chance = random.Random(seed)
    share = lot_seconds / (len(troubles) + 1)
    events = []
    for at, trouble in enumerate(troubles):
        begins = share * (at + chance.uniform(0.55, 0.75))
        kelvin = chance.uniform(8.5, 10.0) if trouble is Trouble.EXCURSION else 0.0
        events.append(Event(begins, trouble, share * chance.uniform(0.5, 0.6), kelvin))
    return tuple(events)


async def play(events: Sequence[Event], line: Line, network: Proxy) -> AsyncIterator[Event]:
    """Let the events befall the line, yielding each as it begins; return when the last is over."""
    passed = 0.0
    for event in events:
        await asyncio.sleep(max(0.0, event.after_s - passed))
        yield event
        match event.trouble:
            case Trouble.EXCURSION:
                await line.press.excursion(kelvin=event.kelvin, seconds=event.seconds)
                await asyncio.sleep(event.seconds)
            case Trouble.SENSOR_FAULT:
                line.room.break_sensor("pressure", Fault.NOT_A_NUMBER)
                await asyncio.sleep(event.seconds)
                line.room.repair("pressure")
            case Trouble.NETWORK_CUT:
                await network.cut()
                await asyncio.sleep(event.seconds)
                await network.restore()
        passed = event.after_s + event.seconds
