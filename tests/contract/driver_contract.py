"""What every driver must hold, whatever equipment it speaks to.

A driver's test file supplies a ``Rig`` (its equipment on loopback, behind the proxy) as the
fixture ``rig`` and inherits the levels that the driver claims::

    class TestReads(ReadsContract): ...
    class TestRecovers(RecoversContract): ...

The line is used as the agent uses it: open, read until DriverError, close, wait, open again, all
on one driver object. A driver that can go on where it stopped does so; what it cannot get back
it declares as a gap itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar

import pytest

from plant.network import Proxy
from protocols.field.driver import Delivery, Driver, DriverError, DriverSettings, Spec
from protocols.wire.reading import (
    SECOND,
    Gap,
    Nanoseconds,
    Reading,
    Status,
    Value,
)

PATIENCE = 60.0
"""Seconds after which a condition that did not come true has failed."""


class Keeps(Enum):
    """What the equipment can still give after a short cut."""

    EVERY = 0  # it queues: nothing may be missing, nothing may come twice
    LATEST = 1  # it is asked in turns: what happened meanwhile is gone, and declared


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """A value that the equipment can be made to show, and what must arrive."""

    signal: str
    put: Callable[[], Awaitable[None]]
    value: Value
    status: Status = Status.GOOD


@dataclass(frozen=True, slots=True, kw_only=True)
class Lie:
    """A value that the equipment can be made to send and that must never count as GOOD."""

    label: str
    signal: str
    put: Callable[[], Awaitable[None]]
    raw: bool = True  # the sent form must be kept in ``raw``, where ``value`` does not hold it


class Rig(ABC):
    """Equipment of one driver, real and on loopback, reached through ``proxy``."""

    spec: Spec
    proxy: Proxy
    counter: str  # the signal whose value ``produce`` raises by one
    keeps: Keeps
    source_time: bool  # whether the equipment tells when it observed
    silence_max: float  # seconds in which a half-open line must be noticed
    absent: Sequence[str] = ()  # configured signals that the equipment does not have

    @abstractmethod
    def settings(self) -> DriverSettings:
        """Return settings that reach the equipment through the proxy."""

    @abstractmethod
    async def start(self) -> None:
        """Start the equipment, or start it again, and point the proxy at it."""

    @abstractmethod
    async def stop(self) -> None:
        """Stop the equipment as a power cycle would."""

    @abstractmethod
    async def produce(self) -> None:
        """Raise the counter by one; counts go on across a restart."""

    @abstractmethod
    def truths(self) -> Sequence[Truth]:
        """Return values to read, at least one a type and an odd one."""

    @abstractmethod
    def lies(self) -> Sequence[Lie]:
        """Return what this protocol can carry of: NaN, infinity, wrong type, impossible time."""

    def count(self, reading: Reading) -> int:
        """Return the count that a reading of the counter shows."""
        assert isinstance(reading.value, int | float)
        return int(reading.value)


R = TypeVar("R", bound=Rig)


@contextlib.asynccontextmanager
async def behind_proxy(made: Callable[[Proxy], R]) -> AsyncIterator[R]:
    """Yield a rig that runs behind a proxy of its own; it is stopped whatever happened."""
    async with Proxy() as proxy:
        rig = made(proxy)
        await rig.start()
        try:
            yield rig
        finally:
            await rig.stop()


class HostClock:
    """The clock of the computer that runs the tests, as a driver sees it."""

    def gateway_time(self) -> Nanoseconds:
        return time.time_ns()  # noqa: TID251 -- a test stands where the gateway's clock does

    def monotonic(self) -> float:
        return time.monotonic()  # noqa: TID251 -- a test stands where the gateway's clock does

    def skew_max(self) -> Nanoseconds | None:
        return 60 * SECOND


@dataclass(slots=True)
class Arrivals:
    """What came over a driver's line, kept open as the agent keeps it."""

    readings: list[Reading] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    errors: list[DriverError] = field(default_factory=list)
    opened: int = 0

    def of(self, signal: str, since: int = 0) -> list[Reading]:
        return [reading for reading in self.readings[since:] if reading.signal == signal]

    async def until(self, condition: Callable[[], object], why: str) -> None:
        """Wait until the condition holds; fail with what did arrive after PATIENCE seconds."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not condition():  # noqa: ASYNC110 -- what arrives has no event
                    await asyncio.sleep(0.01)
        except TimeoutError:
            tail = self.readings[-3:]
            pytest.fail(f"{why}; last: {tail}; gaps: {self.gaps}; errors: {self.errors[-3:]}")

    def take(self, delivery: Delivery) -> None:
        """Take in what one read brought."""
        self.readings += delivery.readings
        self.gaps += delivery.gaps

    async def keep_open(self, driver: Driver) -> None:
        """Open, read until the line is lost, close, wait, and open again, until cancelled."""
        try:
            while True:
                try:
                    await driver.open()
                    self.opened += 1
                    while True:
                        delivery = await driver.read()
                        self.take(delivery)
                        if delivery.ack is not None:
                            await delivery.ack()
                except DriverError as error:
                    self.errors.append(error)
                    await driver.close()
                    await asyncio.sleep(0.1)
        finally:
            await driver.close()


@dataclass(slots=True)
class Line(Arrivals):
    """The line to a rig, the counter of which tells what came."""

    rig: Rig = field(kw_only=True)

    def counts(self) -> list[int]:
        good = [r for r in self.of(self.rig.counter) if r.status is Status.GOOD]
        return [self.rig.count(reading) for reading in good]

    async def produce(self, times: int) -> None:
        for _ in range(times):
            await self.rig.produce()
            await asyncio.sleep(0.02)  # the equipment's own rhythm, not a wait for a result

    async def catch_up(self) -> None:
        """Produce until a count that was produced after this call has arrived."""
        start = max(self.counts(), default=-1)
        await self.rig.produce()

        async def go_on() -> None:
            while True:
                await self.produce(1)

        task = asyncio.create_task(go_on())
        try:
            await self.until(lambda: max(self.counts(), default=-1) > start, "no new count came")
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def run(self) -> None:
        await self.keep_open(self.rig.spec.connect("source", self.rig.settings(), HostClock()))


@contextlib.asynccontextmanager
async def line_of(rig: Rig) -> AsyncIterator[Line]:
    """Yield a line to the rig that is open and has brought its first count."""
    line = Line(rig=rig)
    task = asyncio.create_task(line.run())
    try:
        await line.until(lambda: line.opened or task.done(), "the line did not open")
        if task.done():
            task.result()
        await line.catch_up()
        yield line
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def tell_truths(rig: Rig, line: Line) -> None:
    """Have the equipment show each value that a rig knows, and see it arrive as it is."""
    for truth in rig.truths():
        since = len(line.readings)
        await truth.put()
        await line.until(
            lambda truth=truth, since=since: any(  # type: ignore[misc]
                r.value == truth.value
                and type(r.value) is type(truth.value)
                and r.status is truth.status
                for r in line.of(truth.signal, since)
            ),
            f"{truth.signal} did not arrive as {truth.value!r}",
        )


class ReadsContract:
    """Level 1: right values, status and source time; each failing signal alone."""

    async def test_values_arrive_true(self, rig: Rig) -> None:
        async with line_of(rig) as line:
            await tell_truths(rig, line)

    async def test_times_are_the_sources_and_the_gateways(self, rig: Rig) -> None:
        before = time.time_ns()  # noqa: TID251 -- compared with what the line says
        async with line_of(rig) as line:
            after = time.time_ns()  # noqa: TID251 -- compared with what the line says
            counted = line.of(rig.counter)
            assert counted
            for reading in counted:
                assert before <= reading.gateway_time <= after
                assert (reading.source_time is not None) is rig.source_time
            if rig.source_time:
                last = counted[-1].source_time
                assert last is not None
                assert before - 5 * SECOND <= last <= after

    async def test_a_signal_that_is_not_there_fails_alone(self, rig: Rig) -> None:
        if not rig.absent:
            assert rig.spec.exemptions["absent"], "an exemption gives its reason"
            return
        async with line_of(rig) as line:
            for name in rig.absent:
                await line.until(lambda name=name: line.of(name), f"nothing said of {name}")  # type: ignore[misc]
                for reading in line.of(name):
                    assert reading.status is Status.BAD
                    assert reading.value is None
                    assert reading.code != 0
            await line.catch_up()
            assert not line.errors

    async def test_a_lie_is_never_good(self, rig: Rig) -> None:
        lies = rig.lies()
        if not lies:
            assert rig.spec.exemptions["lies"], "an exemption gives its reason"
            return
        async with line_of(rig) as line:
            for lie in lies:
                since = len(line.readings)
                await lie.put()
                await line.until(
                    lambda lie=lie, since=since: any(  # type: ignore[misc]
                        r.status is not Status.GOOD for r in line.of(lie.signal, since)
                    ),
                    f"{lie.label} of {lie.signal} was not doubted",
                )
                doubted = next(r for r in line.of(lie.signal, since) if r.status is not Status.GOOD)
                assert doubted.code != 0, lie.label
                assert doubted.raw or doubted.value is not None or not lie.raw, lie.label
            await line.catch_up()
            assert not line.errors


class RecoversContract:
    """Level 2: cut, restart, half-open, wrong answers; what is lost is declared, nothing twice."""

    async def test_a_stalled_line_loses_nothing(self, rig: Rig) -> None:
        async with line_of(rig) as line:
            await rig.proxy.stall()
            await line.produce(5)
            await rig.proxy.restore()
            await line.catch_up()
            assert not line.errors
            _accounted(line)

    async def test_a_cut_line_comes_back(self, rig: Rig) -> None:
        async with line_of(rig) as line:
            await line.produce(5)
            await rig.proxy.cut()
            await line.until(lambda: line.errors, "the cut was not noticed")
            await line.produce(20)
            await rig.proxy.restore()
            await line.catch_up()
            _accounted(line)
            if rig.keeps is Keeps.EVERY:
                assert _missing(line) == []

    async def test_cut_again_and_again(self, rig: Rig) -> None:
        async with line_of(rig) as line:
            for _ in range(4):
                await rig.proxy.cut()
                await line.produce(3)
                await rig.proxy.restore()
                await line.catch_up()
            _accounted(line)
            if rig.keeps is Keeps.EVERY:
                assert _missing(line) == []

    async def test_restarted_equipment_is_read_again(self, rig: Rig) -> None:
        async with line_of(rig) as line:
            await rig.stop()
            await line.until(lambda: line.errors, "the stop was not noticed")
            await rig.start()
            await line.catch_up()
            assert line.gaps
            _accounted(line)

    async def test_a_half_open_line_is_noticed(self, rig: Rig) -> None:
        async with line_of(rig) as line:
            await rig.proxy.blackhole()
            since = time.monotonic()  # noqa: TID251 -- how long the driver took
            await line.until(lambda: line.errors, "the half-open line was not noticed")
            assert time.monotonic() - since <= rig.silence_max  # noqa: TID251
            await rig.proxy.restore()
            await line.catch_up()
            _accounted(line)

    async def test_garbage_ends_the_line_and_is_not_a_value(self, rig: Rig) -> None:
        async with line_of(rig) as line:
            await rig.proxy.garble()
            await line.produce(3)
            await line.until(lambda: line.errors, "garbage was not noticed")
            await rig.proxy.restore()
            await line.catch_up()
            _accounted(line)


def _missing(line: Line) -> list[int]:
    counts = line.counts()
    return sorted(set(range(counts[0], counts[-1] + 1)) - set(counts))


def _accounted(line: Line) -> None:
    """Assert that nothing came twice or out of order, and that what is missing was declared."""
    counts = line.counts()
    if line.rig.keeps is Keeps.EVERY:
        assert counts == sorted(set(counts)), "a reading came twice or out of order"
    else:
        assert counts == sorted(counts), "a reading came out of order"
    if line.rig.keeps is Keeps.LATEST and not line.errors:
        return  # turns that never failed: what happened between two of them is nobody's loss
    if _missing(line):
        assert line.gaps, f"missing {_missing(line)} and no gap declared"
    for gap in line.gaps:
        assert gap.start <= gap.end
