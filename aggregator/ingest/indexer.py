"""Builds the index behind the intake: segments over contiguous bundles, small ones joined later.

Here every column is decoded and held against its header for the first time (check 13). A bundle
whose columns are wrong stays as evidence, is marked, quarantined and counted, and gives no reading.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

import structlog

from aggregator import metrics
from aggregator.clock import Clock
from aggregator.errors import StoreError
from aggregator.ingest.quarantine import Quarantine, report
from aggregator.ingest.verify import Check, Message, Refused
from aggregator.settings import SegmentSettings
from aggregator.store.base import Param, Row, Store, Transaction
from aggregator.store.segments.build import (
    Opened,
    PartKey,
    join,
    leaves_digest,
    open_bundles,
)
from aggregator.store.segments.codec import (
    Encoded,
    Part,
    Shared,
    decode_column,
    encode_segment,
)
from aggregator.store.workers import Workers
from protocols.wire.reading import SECOND
from protocols.wire.topics import Channel, topic

_log: Final = structlog.get_logger(__name__)
_BUNDLES_MAX: Final = 4_000  # bundles of one segment
_BYTES_MAX: Final = 67_108_864  # bytes of bundles opened at once
_SMALL_MAX: Final = 240  # small segments looked at for joining


@dataclass(frozen=True, slots=True, kw_only=True)
class _Built:
    """A segment made, not stored yet; ``keys`` names the columns."""

    keys: list[PartKey]
    parts: list[Part]
    encoded: Encoded

    @property
    def readings(self) -> int:
        return sum(map(len, self.parts))

    @property
    def first_time(self) -> int:
        return min((int(part.times.min()) for part in self.parts), default=0)

    @property
    def last_time(self) -> int:
        return max((int(part.times.max()) for part in self.parts), default=0)


class _Covered(NamedTuple):
    """The bundles that a segment covers: numbers ``first`` up to, not including, ``end``."""

    epoch_id: int
    first: int
    end: int
    leaves: bytes  # digest of their leaf hashes


class Indexer:
    """Keeps the index near the head of every chain."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        settings: SegmentSettings | None = None,
        workers: Workers | None = None,
    ) -> None:
        """Reckon in ``workers``, so that the intake does not wait; without them in threads."""
        self._store = store
        self._workers = workers or Workers()
        self._clock = clock
        self._settings = settings or SegmentSettings()
        self._quarantine = Quarantine(0)  # a stored bundle is not kept twice
        self._span = self._settings.span_seconds * SECOND

    async def run(self) -> None:
        """Build what there is to build, again and again, until cancelled."""
        failing = False
        while True:
            try:
                await self.catch_up(self._settings.bundles_min)
                async with self._store.read() as tx:
                    row = await tx.fetch_one("bundles.unsegmented")
                metrics.UNSEGMENTED.set(0 if row is None else row["count"])
            except StoreError as error:
                if not failing:
                    _log.error("the index cannot be built", error=str(error), hint=error.hint)
                failing = True
            else:
                failing = False
            await asyncio.sleep(self._settings.build_seconds)

    async def catch_up(self, bundles_min: int = 1) -> int:
        """Build segments until fewer than ``bundles_min`` bundles of any chain are uncovered.

        Returns how many segments were built. What waits beyond a gap is left out until it closes.
        """
        async with self._store.read() as tx:
            epochs = await tx.fetch("epochs.all")
        built = 0
        for epoch in epochs:
            while await self._step(epoch["gateway"], epoch["epoch"], bundles_min):
                built += 1
        return built

    async def rebuild(self) -> int:
        """Throw the index away and make it again from the bundles; return the segments built."""
        async with self._store.write() as tx:
            for epoch in await tx.fetch("epochs.all"):
                for row in await tx.fetch("segments.of_epoch", epoch_id=epoch["epoch_id"]):
                    await _remove(tx, row["segment_id"])
                await tx.execute("epochs.set_segmented", epoch_id=epoch["epoch_id"], segmented=0)
        return await self.catch_up()

    async def _step(self, gateway: str, epoch: bytes, bundles_min: int) -> bool:
        """Build one segment of an epoch; tell whether there was enough for one."""
        async with self._store.read() as tx:
            row = await tx.fetch_one("epochs.by_key", gateway=gateway, epoch=epoch)
            if row is None or row["head"] + 1 - row["segmented"] < bundles_min:
                return False
            bundles = await tx.fetch(
                "bundles.range",
                epoch_id=row["epoch_id"],
                first=row["segmented"],
                stop=row["head"] + 1,
                count=_BUNDLES_MAX,
            )
        work = partial(_build, span=self._span)
        opened, built, taken = await self._workers.one(work, bundles)
        await self._keep(row, built, bundles[:taken], opened)
        metrics.SEGMENTS.inc()
        await self._join_small(row)
        return True

    async def _keep(
        self, epoch: Row, built: _Built, bundles: Sequence[Row], opened: Opened
    ) -> None:
        gateway, first = epoch["gateway"], bundles[0]["number"]
        end = bundles[-1]["number"] + 1
        refused = _refused(gateway, bundles, opened)
        async with self._store.write() as tx:
            now = await tx.fetch_one("epochs.by_key", gateway=gateway, epoch=epoch["epoch"])
            if now is None or now["segmented"] != first:
                return  # another worker was sooner
            ids = await _signal_ids(tx, gateway, built.keys)
            leaves = leaves_digest(each["leaf"] for each in bundles)
            await _add(tx, _Covered(epoch["epoch_id"], first, end, leaves), built, ids)
            await tx.execute("epochs.set_segmented", epoch_id=epoch["epoch_id"], segmented=end)
            for wrong in opened.wrong:
                await tx.execute(
                    "bundles.mark_wrong", epoch_id=epoch["epoch_id"], number=wrong.number
                )
            fresh = await self._quarantine.keep(tx, refused, now=self._clock.now())
        report(fresh, fresh)

    async def _join_small(self, epoch: Row) -> None:
        """Make one segment of the small ones at an epoch's end, when they cover a span."""
        epoch_id = epoch["epoch_id"]
        async with self._store.read() as tx:
            rows = await tx.fetch("segments.trailing", epoch_id=epoch_id, count=_SMALL_MAX)
            small: list[Row] = []
            for row in rows:
                if row["readings"] and row["last_time"] - row["first_time"] >= self._span // 2:
                    break
                small.insert(0, row)
            times = [(row["first_time"], row["last_time"]) for row in small if row["readings"]]
            if len(small) < 2 or not (
                len(small) == _SMALL_MAX
                or (times and max(last for _, last in times) - times[0][0] >= self._span)
            ):
                return
            stored = []
            for row in small:
                shared = await tx.fetch_one("segments.shared", segment_id=row["segment_id"])
                columns = await tx.fetch("segments.columns_of", segment_id=row["segment_id"])
                stored.append((b"" if shared is None else shared["shared"], columns))
            leaves = await tx.fetch(
                "bundles.leaves",
                epoch_id=epoch_id,
                first=small[0]["first_number"],
                stop=small[-1]["end_number"],
            )
        ids, built = await self._workers.one(_rejoin, stored)
        async with self._store.write() as tx:
            for row in small:
                await _remove(tx, row["segment_id"])
            first, end = small[0]["first_number"], small[-1]["end_number"]
            digest = leaves_digest(each["leaf"] for each in leaves)
            await _add(tx, _Covered(epoch_id, first, end, digest), built, ids)


def _build(bundles: Sequence[Row], span: int) -> tuple[Opened, _Built, int]:
    """Open bundles as far as a span reaches; return what was made and how many were taken."""
    taken = _reach(bundles, span)
    opened = open_bundles([(row["number"], row["bytes"]) for row in bundles[:taken]])
    keys = sorted(opened.parts)
    made = [opened.parts[key] for key in keys]
    return opened, _Built(keys=keys, parts=made, encoded=encode_segment(made)), taken


def _reach(bundles: Sequence[Row], span: int) -> int:
    """Return how many bundles, one at least, a segment of ``span`` nanoseconds takes."""
    size, start = 0, bundles[0]["first_time"]
    for taken, row in enumerate(bundles, 1):
        size += len(row["bytes"])
        if size >= _BYTES_MAX or row["last_time"] - start >= span:
            return taken
    return len(bundles)


def _rejoin(stored: Sequence[tuple[bytes, Sequence[Row]]]) -> tuple[list[int], _Built]:
    parts: dict[int, list[Part]] = {}
    for shared_data, columns in stored:
        shared = Shared(shared_data)
        for row in columns:
            parts.setdefault(row["signal_id"], []).append(decode_column(row["data"], shared))
    ids = sorted(parts)
    made = [join(parts[signal_id]) for signal_id in ids]
    return ids, _Built(keys=[], parts=made, encoded=encode_segment(made))


async def _add(
    tx: Transaction,
    covered: _Covered,
    built: _Built,
    ids: Sequence[int],
) -> None:
    fresh = await tx.fetch_one("segments.next_id")
    segment_id = 1 if fresh is None else fresh["segment_id"]
    await tx.execute(
        "segments.add",
        segment_id=segment_id,
        epoch_id=covered.epoch_id,
        first_number=covered.first,
        end_number=covered.end,
        readings=built.readings,
        first_time=built.first_time,
        last_time=built.last_time,
        leaves=covered.leaves,
        shared=built.encoded.shared,
    )
    rows = [
        {
            "segment_id": segment_id,
            "signal_id": signal_id,
            "readings": len(part),
            "first_time": int(part.times.min()),
            "last_time": int(part.times.max()),
            "data": data,
        }
        for signal_id, part, data in zip(ids, built.parts, built.encoded.columns, strict=True)
    ]
    await tx.execute_many("segments.add_column", rows)


async def _remove(tx: Transaction, segment_id: int) -> None:
    await tx.execute("segments.remove_columns", segment_id=segment_id)
    await tx.execute("segments.remove", segment_id=segment_id)


async def _signal_ids(tx: Transaction, gateway: str, keys: Sequence[PartKey]) -> list[int]:
    known: Mapping[tuple[str, int], int] = {
        (row["signal"], row["kind"]): row["signal_id"]
        for row in await tx.fetch("segments.signal_ids")
        if row["gateway"] == gateway
    }
    fresh = await tx.fetch_one("segments.next_signal_id")
    following = 1 if fresh is None else int(fresh["signal_id"])
    ids: list[int] = []
    added: list[Mapping[str, Param]] = []
    for key in keys:
        signal_id = known.get((key.signal, int(key.kind)))
        if signal_id is None:
            signal_id = following + len(added)
            added.append(
                {
                    "signal_id": signal_id,
                    "gateway": gateway,
                    "signal": key.signal,
                    "kind": int(key.kind),
                }
            )
        ids.append(signal_id)
    await tx.execute_many("segments.add_signal", added)
    return ids


def _refused(gateway: str, bundles: Sequence[Row], opened: Opened) -> list[Refused]:
    data = {row["number"]: row["bytes"] for row in bundles}
    return [
        Refused(
            message=Message(topic(gateway, Channel.BUNDLE), data[wrong.number]),
            check=Check.COLUMNS,
            reason=wrong.reason,
            text=f"bundle {wrong.number}: {wrong.text}",
        )
        for wrong in opened.wrong
    ]
