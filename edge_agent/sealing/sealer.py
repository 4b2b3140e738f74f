"""From readings to sealed bundles on disk: cut, seal, append, acknowledge, in that order.

A bundle is cut by age, count or bytes, whichever is first; at once for what cannot be had twice;
and empty, as a heartbeat, when nothing came: silence is proved, too. All that waited while a
commit ran goes into the next one together. Encoding, sealing and the commit run in the storage's
thread, so a slow disk delays neither polling nor the broker.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

import structlog

from edge_agent import metrics
from edge_agent.buffer.buffer import Appended, Buffer, Head
from edge_agent.clock import GatewayClock
from edge_agent.errors import BufferDamagedError, BufferFullError
from edge_agent.sealing.gaps import OpenGaps, fit, shares
from edge_agent.sealing.inbox import Entry, Inbox
from edge_agent.sealing.packing import Packed, pack, span
from edge_agent.settings import SealSettings
from edge_agent.storage import Storage
from protocols.field.driver import Shed
from protocols.wire.bundle import seal_bundle
from protocols.wire.header import Clock as ClockStatement
from protocols.wire.header import ClockState, Counters, Header, OpeningReason
from protocols.wire.reading import WHOLE_GATEWAY, Gap, GapReason, Nanoseconds, Reading
from protocols.wire.seal import SealKey
from protocols.wire.tlog import leaf_hash

_log = structlog.get_logger("sealer")
_PATIENCE_S: Final = 0.1
"""Seal age of the first bundle with readings, then twice that, up to what is configured: whoever
waits for a gateway that was started sees at once that it reads."""
_CUT_S: Final = 30.0  # that a cut may take on a slow disk before a watchdog hears of it


class Fingerprints(NamedTuple):
    """Hashes of what is in force, as every header carries them."""

    settings: bytes
    dictionary: bytes


class Sealer:
    """The end of the line on the gateway's side: nothing is acknowledged before it is here."""

    def __init__(
        self,
        *,
        inbox: Inbox,
        storage: Storage,
        clock: GatewayClock,
        key: SealKey,
        settings: SealSettings,
        fingerprints: Fingerprints,
        down: Callable[[], Sequence[Gap]],
        sealed: Callable[[Sequence[Appended]], None],
    ) -> None:
        """``down`` declares what sources miss up to now; ``sealed`` takes what was committed."""
        self._inbox = inbox
        self._storage = storage
        self._clock = clock
        self._key = key
        self._settings = settings
        self._fingerprints = fingerprints
        self._down = down
        self._sealed = sealed
        self._uncounted = _Tally()
        self._gaps: list[Gap] = []  # declared in the next bundle that is committed
        self._full = OpenGaps(GapReason.DISK_FULL)
        self._refused = 0  # readings since the buffer was full first; 0 while it takes them
        self._change: _Change | None = None
        self.age_s = settings.age_max_s
        """After which age a bundle is cut: as configured, or later where the disk's budget asks."""
        self._patience_s = _PATIENCE_S
        self._cut_at: float | None = None  # loop time of the last cut; None before the first

    def in_time(self) -> bool:
        """Tell whether a cut was stored, or refused, not long ago; each heartbeat owes one."""
        longest = 3 * max(self._settings.heartbeat_s, self.age_s) + _CUT_S
        now = asyncio.get_running_loop().time()
        return self._cut_at is None or now - self._cut_at < longest

    async def change(self, settings: SealSettings, fingerprints: Fingerprints) -> None:
        """Seal what was read so far as it was, and go on under other settings.

        Returns when all that waited stands on disk, or was refused and will be declared.
        """
        done = asyncio.get_running_loop().create_future()
        self._change = _Change(settings, fingerprints, done)
        self._inbox.hurry()
        await done

    async def run(self) -> None:
        """Seal until the inbox is closed, and once more then; StorageFailedError ends it."""
        since = self._storage.missing_since
        if since is not None:
            now = max(since, self._clock.gateway_time())
            self._gaps.append(
                Gap(subject=WHOLE_GATEWAY, start=since, end=now, reason=GapReason.AGENT_STOPPED)
            )
        await self.cut()
        while not self._inbox.closed:
            age_s = min(self.age_s, self._patience_s)
            await self._inbox.until_due(age_max=age_s, silence_max=self._settings.heartbeat_s)
            if not self._inbox.closed:
                await self.cut()
        await self.cut()

    async def cut(self) -> None:
        """Seal and store all that waits, acknowledge it; refuse and declare what finds no room."""
        taken = self._inbox.take()
        change, self._change = self._change, None
        self._gaps += [*self._down(), *taken.gaps]
        self._uncounted.refuse("overrun", taken.overrun)
        moment = _Moment(
            time=self._clock.gateway_time(),
            monotonic=self._clock.monotonic_ns(),
            boot=self._clock.boot,
            clock=self._clock.state(),
        )
        self._clock.anchor()  # what is stamped from here on stands in the next bundle
        try:
            await self._store(taken.entries, moment)
        except BufferFullError as error:
            await self._store_critical(taken.entries, moment, error)
        else:
            if self._refused:
                _log.info("buffer takes readings again", refused_meanwhile=self._refused)
            self._refused = 0
        self._cut_at = asyncio.get_running_loop().time()
        if taken.entries and self._patience_s < self.age_s:
            self._patience_s *= 2
        if change is not None:
            self._settings, self._fingerprints = change.settings, change.fingerprints
            self.age_s = change.settings.age_max_s
            if not change.done.done():
                change.done.set_result(None)

    async def _store_critical(
        self, entries: Sequence[Entry], moment: _Moment, error: BufferFullError
    ) -> None:
        """Store what is given up last in the room that is kept for it, and refuse the others."""
        parted = [entry.within({Shed.FIRST: 0, Shed.NORMAL: 0}) for entry in entries]
        self._refuse([reading for _, given_up in parted for reading in given_up], error)
        if critical := [kept for kept, _ in parted if kept.delivery.readings]:
            try:
                await self._store(critical, moment, urgent=True)
            except BufferFullError as still:
                self._refuse([r for kept in critical for r in kept.delivery.readings], still)

    async def _store(
        self, entries: Sequence[Entry], moment: _Moment, *, urgent: bool = False
    ) -> None:
        readings = [reading for entry in entries for reading in entry.delivery.readings]
        gaps = self._gaps + self._full.gaps()
        work = partial(self._commit, readings=readings, gaps=gaps, moment=moment, urgent=urgent)
        with metrics.commit_seconds.time():
            try:
                done = await self._storage.run(work)
            except BufferDamagedError as error:
                _log.error("buffer damaged", error=str(error))
                await self._storage.renew(OpeningReason.BUFFER_LOST)
                done = await self._storage.run(work)
        self._full = OpenGaps(GapReason.DISK_FULL)
        self._gaps = []
        self._uncounted = _Tally()
        metrics.readings_sealed.inc(sum(packed.count for packed in done.packed))
        metrics.bundles_sealed.inc(len(done.bundles))
        for entry in entries:
            entry.committed()
        self._sealed(done.bundles)

    def _commit(
        self,
        buffer: Buffer,
        *,
        readings: Sequence[Reading],
        gaps: Sequence[Gap],
        moment: _Moment,
        urgent: bool,
    ) -> _Done:
        """Encode, seal and append in the storage's thread; nothing is changed where it raises."""
        packed, sifted = pack(readings)
        tally = self._uncounted.plus(len(readings), sifted.reasons)
        declared = shares([*gaps, *_refusals(sifted.refused, moment.time)])
        packed += [pack(())[0][0] for _ in range(len(declared) - len(packed))]
        before = len(packed) - len(declared)  # what came late is declared with it or after it
        chain = _Chain(
            buffer, key=self._key, moment=moment, tally=tally, fingerprints=self._fingerprints
        )
        for at, body in enumerate(packed):
            last = at == len(packed) - 1
            chain.add(body, gaps=declared[at - before] if at >= before else (), last=last)
        synchronised = moment.clock.state is ClockState.SYNCHRONISED
        floor = moment.time if synchronised else 0
        buffer.append(chain.bundles, chain.head, floor=floor, urgent=urgent)
        for reason, count in sifted.reasons.items():
            metrics.readings_refused.labels(reason).inc(count)
        return _Done(bundles=chain.bundles, packed=packed)

    def _refuse(self, readings: Sequence[Reading], error: BufferFullError) -> None:
        """Count readings that found no room; they are declared as soon as anything fits."""
        self._gaps = list(fit(self._gaps))  # they wait for room, too, and must not grow for ever
        if not readings:
            return
        if not self._refused:
            _log.error("buffer full: readings are refused", error=str(error), hint=error.hint)
        self._refused += len(readings)
        self._full.add(readings)
        self._uncounted.refuse("disk_full", len(readings))


class _Change(NamedTuple):
    """Settings that hold from the bundle after the next on."""

    settings: SealSettings
    fingerprints: Fingerprints
    done: asyncio.Future[None]


class _Tally:
    """Readings since the last commit."""

    def __init__(self, read: int = 0, refused: Counter[str] | None = None) -> None:
        self.read = read
        self.refused = refused or Counter()

    def refuse(self, reason: str, count: int) -> None:
        """Count readings that were read and not sealed."""
        if count:
            self.read += count
            self.refused[reason] += count
            metrics.readings_refused.labels(reason).inc(count)

    def plus(self, read: int, refused: Counter[str]) -> _Tally:
        return _Tally(self.read + read, self.refused + refused)


class _Moment(NamedTuple):
    """When a cut was made."""

    time: Nanoseconds
    monotonic: Nanoseconds
    boot: bytes
    clock: ClockStatement


class _Done(NamedTuple):
    bundles: list[Appended]
    packed: list[Packed]


class _Chain:
    """Bundles sealed one after the other from a buffer's head on."""

    def __init__(
        self,
        buffer: Buffer,
        *,
        key: SealKey,
        moment: _Moment,
        tally: _Tally,
        fingerprints: Fingerprints,
    ) -> None:
        self.bundles: list[Appended] = []
        self.head = buffer.head
        self._buffer = buffer
        self._key = key
        self._moment = moment
        self._fingerprints = fingerprints
        before = buffer.head.counters
        self._read = before.read + tally.read
        self._refused = dict(Counter(before.refused) + tally.refused)

    def add(self, packed: Packed, *, gaps: tuple[Gap, ...], last: bool) -> None:
        """Seal the next bundle."""
        moment, head = self._moment, self.head
        end = head.end_reading + packed.count
        # Between the bundles of one commit nothing is on its way: all that was read is accounted.
        read = self._read if last else end + sum(self._refused.values())
        header = Header(
            gateway=self._buffer.gateway,
            epoch=self._buffer.epoch,
            number=head.number + 1,
            previous=head.leaf,
            first_reading=head.end_reading,
            count=packed.count,
            first_time=moment.time if packed.first_time is None else packed.first_time,
            last_time=moment.time if packed.last_time is None else packed.last_time,
            boot=moment.boot,
            sealed_time=moment.time,
            sealed_monotonic=moment.monotonic,
            clock=moment.clock,
            settings_hash=self._fingerprints.settings,
            dictionary_hash=self._fingerprints.dictionary,
            body_hash=packed.body_hash,
            columns_root=packed.root,
            gaps=gaps,
            counters=Counters(read=read, sealed=end, refused=self._refused),
            opening=self._buffer.opening if head.number < 0 else None,
        )
        bundle = seal_bundle(header, packed.body, self._key)
        leaf = leaf_hash(bundle.sealed_header)
        self.bundles.append(Appended(header.number, leaf, moment.time, bundle))
        self.head = Head(
            number=header.number,
            leaf=leaf,
            end_reading=end,
            sealed_time=moment.time,
            counters=header.counters,
        )


def _refusals(readings: Sequence[Reading], now: Nanoseconds) -> list[Gap]:
    """Declare readings that cannot be sealed, by signal."""
    by_signal: dict[str, list[Reading]] = {}
    for reading in readings:
        by_signal.setdefault(str(reading.signal) or WHOLE_GATEWAY, []).append(reading)
    gaps = []
    for signal, refused in by_signal.items():
        start, end = span(refused, now)
        gaps.append(
            Gap(
                subject=signal,
                start=start,
                end=end,
                reason=GapReason.REFUSED,
                count=len(refused),
            )
        )
    return gaps
