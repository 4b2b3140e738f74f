"""Read the gateway's own sensors on a fixed grid; one that hangs costs itself alone."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Sequence

from protocols.field.driver import Delivery, FieldClock
from protocols.field.host.sensor import Said, read_sensor
from protocols.field.host.settings import HostSettings, HostSignal
from protocols.wire.reading import (
    Doubt,
    Gap,
    GapReason,
    Nanoseconds,
    Reading,
    SignalName,
    Status,
    judge,
)

__all__ = ["HostDriver"]


class HostDriver:
    """The sensors of one computer."""

    def __init__(self, source: str, settings: HostSettings, clock: FieldClock) -> None:
        self._source = source
        self._settings = settings
        self._clock = clock
        self._signals: dict[float, list[HostSignal]] = {}
        for signal in settings.signals:
            self._signals.setdefault(signal.period_s or settings.period_s, []).append(signal)
        self._asked: dict[str, asyncio.Future[Said]] = {}  # sensors that have not answered yet
        self._origin = clock.monotonic()
        self._next = dict.fromkeys(self._signals, 0)  # number of each period's next turn
        self._read_at: dict[float, Nanoseconds] = {}

    async def open(self) -> None:
        """Begin the grid now; sensors that are not there yet may come later."""
        self._origin = self._clock.monotonic()
        self._next = dict.fromkeys(self._signals, 0)
        self._read_at = dict.fromkeys(self._signals, self._clock.gateway_time())

    async def read(self) -> Delivery:
        """Wait for the next turn and return a reading of every sensor that is due."""
        due = min(period * turn for period, turn in self._next.items()) + self._origin
        await asyncio.sleep(max(0.0, due - self._clock.monotonic()))
        since = self._clock.monotonic() - self._origin
        periods = [period for period, turn in self._next.items() if period * turn <= since]
        gaps = [gap for period in periods for gap in self._overrun(period, int(since / period))]
        signals = [signal for period in periods for signal in self._signals[period]]
        return Delivery(readings=tuple(await self._poll(signals)), gaps=tuple(gaps))

    async def close(self) -> None:
        """Let go; what a sensor still answers is not wanted any more."""
        for future in self._asked.values():
            future.cancel()
        self._asked.clear()

    def _overrun(self, period: float, turn: int) -> list[Gap]:
        """Go on to the turn after this one; declare those that passed while sensors were slow."""
        missed = turn - self._next[period]
        self._next[period] = turn + 1
        now, before = self._clock.gateway_time(), self._read_at[period]
        self._read_at[period] = now
        if not missed:
            return []
        count = missed * len(self._signals[period])
        start = min(before, now)
        return [
            Gap(subject=self._source, start=start, end=now, reason=GapReason.OVERRUN, count=count)
        ]

    async def _poll(self, signals: Sequence[HostSignal]) -> list[Reading]:
        waiting = [self._ask(signal.sensor) for signal in signals]
        await asyncio.wait(waiting, timeout=self._settings.timeout_s)
        now = self._clock.gateway_time()
        readings = []
        for signal, future in zip(signals, waiting, strict=True):
            said = _SILENT
            if future.done():
                self._asked.pop(signal.sensor, None)
                said = future.result()
            readings.append(
                judge(
                    signal=SignalName(signal.name),
                    kind=signal.kind,
                    value=said.value,
                    gateway_time=now,
                    status=said.status,
                    code=said.code,
                    raw=said.raw,
                )
            )
        return readings

    def _ask(self, sensor: str) -> asyncio.Future[Said]:
        """Read a sensor in a thread of its own, unless it still owes an answer.

        A bus that hangs holds its thread in the kernel for as long as it likes: no pool could give
        such a thread back, and none may keep the agent from ending.
        """
        if (asked := self._asked.get(sensor)) is not None:
            return asked
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Said] = loop.create_future()

        def work() -> None:
            said = read_sensor(self._settings.sysfs, sensor)
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(_settle, answer, said)

        threading.Thread(target=work, name=sensor, daemon=True).start()
        self._asked[sensor] = answer
        return answer


def _settle(answer: asyncio.Future[Said], said: Said) -> None:
    if not answer.done():
        answer.set_result(said)


_SILENT = Said(None, Status.BAD, Doubt.NO_ANSWER)
