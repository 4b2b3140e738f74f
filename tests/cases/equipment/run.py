"""Run a case: the real driver, kept open as the agent keeps it, while equipment does its steps."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from protocols.field.driver import Delivery
from protocols.wire.reading import Doubt, GapReason, Reading, Status
from tests.cases.equipment.case import SUBJECT, Case, CaseError
from tests.cases.equipment.compare import Outcome, plain, seen_of
from tests.cases.equipment.equipment import Equipment
from tests.contract.driver_contract import Arrivals, HostClock

__all__ = ["run"]


async def run(case: Case, equipment: Equipment) -> Outcome:
    """Run the case against equipment that is on, and return what came of it."""
    watch = Watch(polled=equipment.polled)
    driver = equipment.spec.connect(SUBJECT, equipment.settings(case.settings), HostClock())
    task = asyncio.create_task(watch.keep_open(driver))
    try:
        await watch.until(lambda: watch.opened or watch.errors or task.done(), "it did not open")
        for step in case.steps:
            _raise_end(task)
            await watch.obey(step, equipment, over=task.done)
        _raise_end(task)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return Outcome(
        readings=seen_of(watch.readings, polled=equipment.polled),
        gaps=watch.gaps,
        errors=[f"{error}; {error.hint}" for error in watch.errors],
        counters={"opened": watch.opened, **equipment.counters()},
        breaches=[*watch.breaches, *watch.readings_in_gaps()],
    )


def _raise_end(task: asyncio.Task[None]) -> None:
    """Raise what ended the line, where it has ended: an error that no driver may raise."""
    if task.done():
        task.result()


@dataclass(slots=True)
class Watch(Arrivals):
    """What came, and what no driver may do, whatever the case.

    Give a signal twice in a poll, a gap that ends before it begins, or a polled reading in a time
    that it declares missing; and keep nothing of what was sent, where that was no value.
    """

    polled: bool = False
    breaches: list[str] = field(default_factory=list)
    _marks: tuple[int, int, int] = (0, 0, 0)  # readings, gaps, errors when equipment last acted

    def take(self, delivery: Delivery) -> None:
        Arrivals.take(self, delivery)
        if self.polled:
            times = Counter(reading.signal for reading in delivery.readings)
            self.breaches += [f"{name} came twice in a poll" for name, n in times.items() if n > 1]
        self.breaches += [f"{gap} ends early" for gap in delivery.gaps if gap.end < gap.start]
        self.breaches += [
            f"nothing is kept of {each}"
            for each in delivery.readings
            if each.code in (Doubt.NOT_FINITE, Doubt.WRONG_TYPE) and not each.raw
        ]

    def readings_in_gaps(self) -> list[str]:
        """Return which GOOD readings of a polled source came while it was declared to be down."""
        down = [gap for gap in self.gaps if self.polled and gap.reason is GapReason.SOURCE_DOWN]
        return [
            f"{reading} lies in {gap}"
            for gap in down
            for reading in self.readings
            if reading.status is Status.GOOD and gap.start < reading.gateway_time < gap.end
        ]

    async def obey(
        self, step: Mapping[str, Any], equipment: Equipment, *, over: Callable[[], bool]
    ) -> None:
        """Let the equipment act, and wait until what the step waits for came, or all is over."""
        given = dict(step)
        do, until = given.pop("do", None), given.pop("until", None)
        if do is not None:
            act = equipment.acts().get(do)
            if act is None:
                raise CaseError(f"{do!r} is none of {', '.join(equipment.acts())}")
            self._marks = len(self.readings), len(self.gaps), len(self.errors)
            await act(**given)
        if until is not None:
            await self.until(lambda: self._has(until) or over(), f"waited for {until}")

    def _has(self, until: Mapping[str, Any]) -> bool:
        readings, gaps, errors = self._marks
        if "error" in until:
            return any(re.search(until["error"], str(each)) for each in self.errors[errors:])
        if "gap" in until:
            return any(each.reason is GapReason[until["gap"]] for each in self.gaps[gaps:])
        if "signal" in until:
            came = self.of(until["signal"], readings)
            return sum(_is(each, until) for each in came) >= int(until.get("times", 1))
        raise CaseError(f"a step waits for an error, a gap or a signal, not for {dict(until)}")


def _is(reading: Reading, until: Mapping[str, Any]) -> bool:
    if "code" in until:
        code = until["code"]
        return reading.code == int(Doubt[code] if isinstance(code, str) else code)
    return reading.code >= 0 and bool(plain(reading.value) == until["value"])
