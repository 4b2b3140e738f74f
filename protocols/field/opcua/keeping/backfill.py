"""Fetches from the server's history what an interruption cost (OPC 10000-11 section 6.5.3).

A gap is declared the moment it is known. When the first reading behind it has come, history is
asked for what lies between that one and the last before; what it gives is delivered, and a
BACKFILLED takes the declaration back for as long as nothing is missing (docs/specs/bundle.md).
History may lag: it is asked again until it holds the reading behind the gap, or time is up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import structlog
from asyncua import ua

from protocols.field.driver import DriverError, FieldClock
from protocols.field.opcua.keeping.history import read_raw, value_before, with_history
from protocols.field.opcua.keeping.stretch import Claim, Stretch, is_believed
from protocols.field.opcua.refusal import RefusedError
from protocols.field.opcua.session import Session
from protocols.field.opcua.settings import OpcuaSettings, OpcuaSignal
from protocols.field.opcua.waiting import Waiting
from protocols.wire.reading import SECOND, Gap, GapReason, Nanoseconds, Reading

_log = structlog.get_logger(__name__)


class Backfill:
    """The stretches of one source that history may still fill; it outlives lines and sessions."""

    def __init__(
        self, source: str, settings: OpcuaSettings, clock: FieldClock, waiting: Waiting
    ) -> None:
        self._source = source
        self._settings = settings
        self._clock = clock
        self._waiting = waiting
        self._open: dict[str, Stretch] = {}  # by signal: the reading behind it has not come
        self._ready: list[Stretch] = []
        self._work: list[Stretch] = []  # being filled
        self._changed = asyncio.Event()

    def __bool__(self) -> bool:
        """Whether ``sift`` wants to see what arrives."""
        return bool(self._open)

    @property
    def slack(self) -> Nanoseconds:
        """How far the clocks of gateway and server are expected to differ at most."""
        return self._clock.skew_max() or _SLACK

    def lost(
        self,
        signals: Mapping[int, OpcuaSignal],
        since: Nanoseconds,
        until: Nanoseconds,
        *,
        before: Mapping[int, Reading],
        restarted: Nanoseconds | None = None,
    ) -> None:
        """Note that values of ``signals`` were lost; ``before`` are the last ones that arrived."""
        if self._settings.history_lag_s <= 0:
            return
        for handle, signal in signals.items():
            held = self._open.get(signal.name)
            if held is not None:
                held.until = until
                held.restarted = restarted if restarted is not None else held.restarted
                continue
            last = before.get(handle)
            self._open[signal.name] = Stretch(
                handle=handle,
                signal=signal,
                since=since,
                until=until,
                before=last if last is not None and is_believed(last) else None,
                restarted=restarted,
            )

    def overflowed(
        self, handle: int, signal: OpcuaSignal, gap: Gap, before: Reading, after: Reading
    ) -> None:
        """Note that the server's queue lost values between two readings of a signal."""
        if signal.name not in self._open:
            self.lost({handle: signal}, gap.start, gap.end, before={handle: before})
            self.sift([after])

    def sift(self, readings: Sequence[Reading]) -> list[Reading]:
        """Return what arrived without what is known already; the first ones end their stretches."""
        kept: list[Reading] = []
        for reading in readings:
            stretch = self._open.get(reading.signal)
            if stretch is None or reading.source_time is None:
                kept.append(reading)
                continue
            del self._open[reading.signal]
            if is_believed(reading):
                stretch.meet(reading, self.slack)
                self._ready.append(stretch)
                self._changed.set()
            if not stretch.is_constant:
                kept.append(reading)
        return kept

    async def run(self, session: Session, nodes: Mapping[int, ua.NodeId]) -> None:
        """Fill stretches for ever; ``nodes`` are the variables by handle."""
        while True:
            if not self._work:
                await self._changed.wait()
                self._changed.clear()
                # What belongs together arrives within a few turns of publishing.
                await asyncio.sleep(4 * self._settings.publishing_s)
                self._work, self._ready = self._ready, []
            await self._fill(session, nodes)
            self._say()

    async def _fill(self, session: Session, nodes: Mapping[int, ua.NodeId]) -> None:
        """Ask for each stretch, again and again, until it is filled or time is up."""
        await self._drop_those_without(session, nodes)
        deadline = self._clock.monotonic() + self._settings.history_lag_s
        while True:
            for stretch in self._work:
                if not stretch.is_done:
                    await self._read(session, nodes[stretch.handle], stretch)
            if all(stretch.is_done for stretch in self._work):
                return
            if self._clock.monotonic() >= deadline:
                return
            await asyncio.sleep(min(_AGAIN_S, self._settings.history_lag_s))

    async def _drop_those_without(self, session: Session, nodes: Mapping[int, ua.NodeId]) -> None:
        """Expect nothing where there is nothing to expect."""
        asked = []
        for stretch in self._work:
            is_whole = stretch.is_constant or (stretch.joined and stretch.met)
            if is_whole or stretch.handle not in nodes:
                stretch.is_done = True
            else:
                asked.append(stretch)
        answers = await with_history(session, [nodes[each.handle] for each in asked])
        for stretch, has_history in zip(asked, answers, strict=True):
            stretch.is_done = not has_history

    async def _read(self, session: Session, node: ua.NodeId, stretch: Stretch) -> None:
        begin = stretch.begin(self.slack)
        if begin is None or stretch.after is None or stretch.after.source_time is None:
            stretch.is_done = True
            return
        known = stretch.before.source_time if stretch.before is not None else None
        try:
            if not stretch.joined and known is not None and known < begin:
                last = await value_before(session, node, begin, known)
                stretch.joined = last is not None
            # The end is asked for with the slack of rounding.
            end = stretch.after.source_time + SECOND
            async for changes in read_raw(session, node, begin, end):
                now = self._clock.gateway_time()
                readings = [r for each in changes if (r := stretch.take(each, now)) is not None]
                await self._waiting.room()
                self._waiting.add(readings)
        except RefusedError as refusal:
            stretch.is_done = True
            _log.info(
                "history not given",
                source=self._source,
                signal=stretch.signal.name,
                why=str(refusal),
            )
        except DriverError as error:
            # A line that broke ends us from outside; an answer that makes no sense is one signal's.
            _log.info(
                "history not read", source=self._source, signal=stretch.signal.name, why=str(error)
            )
        else:
            stretch.is_done = stretch.met

    def _say(self) -> None:
        """Take back what was declared missing, as far as it came."""
        work, self._work = self._work, []
        claims: dict[str, list[Claim]] = {}
        for stretch in work:
            claims.setdefault(stretch.signal.name, []).extend(stretch.claims())
        count = sum(claim.readings for several in claims.values() for claim in several)
        spans = {(claim.start, claim.end) for several in claims.values() for claim in several}
        whole = len(claims) == len(self._settings.signals) == sum(map(len, claims.values()))
        if whole and len(spans) == 1:
            ((start, end),) = spans
            self._declare(self._source, start, end, count)
        else:
            for signal, several in claims.items():
                for claim in several:
                    self._declare(signal, claim.start, claim.end, claim.readings)
        _log.info(
            "history asked for what was lost",
            source=self._source,
            readings=count,
            signals=len(claims),
            filled=sum(map(bool, claims.values())),
        )

    def _declare(self, subject: str, start: Nanoseconds, end: Nanoseconds, count: int) -> None:
        self._waiting.declare(
            Gap(subject=subject, start=start, end=end, reason=GapReason.BACKFILLED, count=count)
        )


_AGAIN_S: Final = 1.0
_SLACK: Final = 60 * SECOND
