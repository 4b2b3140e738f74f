"""Readings by signal: the index over the bundles, and what of them it does not cover yet.

A record never waits for the index: what no segment covers is read from the bundles themselves, and
the answer is the same. All numbers of a series come from verified bundles whose columns hold.
Segments have the times as they were sealed: what a gateway stamped whose clock was not synchronised
is placed when it is read, for the anchor may come long after.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from aggregator.model.gaps import merged
from aggregator.model.once import Once
from aggregator.model.placing import Moves
from aggregator.model.placing import doubted as doubted_series
from aggregator.model.series import Series, SignalKey
from aggregator.store.base import Row, Transaction
from aggregator.store.chains.clocks import doubted
from aggregator.store.segments.assemble import (
    EpochPart,
    Joiner,
    chosen,
    empty_series,
    series_of,
)
from aggregator.store.segments.build import (
    Opened,
    PartKey,
    join,
    open_bundles,
    times_between,
)
from aggregator.store.segments.codec import Part, Shared, decode_column
from protocols.wire.dossier.series import Interval
from protocols.wire.header import GatewayId
from protocols.wire.reading import SECOND, Kind, Nanoseconds, SignalName


class SignalRow(NamedTuple):
    """A signal that was seen in a bundle."""

    gateway: GatewayId
    signal: SignalName
    kind: Kind


class ReadingIndex:
    """Reads series; what it returns is the same whether or not a segment was built."""

    def __init__(self) -> None:
        self._tails: dict[int, dict[int, Opened]] = {}  # epoch_id -> number -> one bundle

    async def series(
        self, tx: Transaction, key: SignalKey, start: Nanoseconds, end: Nanoseconds
    ) -> Series | None:
        """Return the readings of one signal with ``start <= time < end``, None for no signal."""
        return (await self.window(tx, [key], start, end)).get(key)

    async def window(
        self, tx: Transaction, keys: Sequence[SignalKey], start: Nanoseconds, end: Nanoseconds
    ) -> dict[SignalKey, Series]:
        """Return the readings of many signals with ``start <= time < end``.

        A signal that never was seen is missing from the answer; one that is silent in the window
        has an empty series. Raises ConflictError where a signal changed between kinds that cannot
        be compared.
        """
        moved = await _moved(tx, keys, start, end)
        return await self._window(tx, keys, Interval(start, end), moved)

    async def _window(
        self,
        tx: Transaction,
        keys: Sequence[SignalKey],
        times: Interval,
        moved: Mapping[GatewayId, _Moved],
    ) -> dict[SignalKey, Series]:
        silent: dict[SignalKey, Kind] = {}
        stored: dict[tuple[int, int], _StoredColumn] = {}
        shared: dict[int, bytes] = {}
        async for signal, columns in _everywhere(tx, keys, times, moved):
            silent[signal.key] = signal.kind
            for row in columns:
                stored[row["signal_id"], row["segment_id"]] = _StoredColumn(
                    signal.key, row["epoch"], row["segment_id"], row["data"]
                )
        for segment_id in {column.segment_id for column in stored.values()}:
            segment = await tx.fetch_one("segments.shared", segment_id=segment_id)
            shared[segment_id] = b"" if segment is None else segment["shared"]
        tail = await self._tail_parts(tx, keys)
        for key, each in tail:
            silent.setdefault(key, each.part.kind)
        moves = {gateway: each.moves for gateway, each in moved.items()}
        found = await asyncio.to_thread(_read, stored.values(), shared, tail, times, moves)
        return {
            key: found[key] if key in found else empty_series(key, silent[key])
            for key in keys
            if key in silent
        }

    async def signals(self, tx: Transaction, gateway: GatewayId | None = None) -> list[SignalRow]:
        """Return every signal that was seen, of one gateway or of all, in order of their names."""
        rows = await tx.fetch("segments.signal_ids")
        found = {
            SignalRow(row["gateway"], row["signal"], Kind(row["kind"]))
            for row in rows
            if gateway in (None, row["gateway"])
        }
        for row in await tx.fetch("gateways.all"):
            if gateway in (None, row["gateway"]):
                for _, opened in await self._tail(tx, row["gateway"]):
                    for each in opened.values():
                        found |= {SignalRow(row["gateway"], *key) for key in each.parts}
        return sorted(found)

    async def latest(self, tx: Transaction, gateway: GatewayId) -> dict[SignalName, Series]:
        """Return the newest reading of each signal of a gateway, as a series of one.

        By the times as they were sealed: what came last is asked for, not when it was.
        """
        newest: dict[SignalName, int] = {}
        for row in await tx.fetch("segments.latest", gateway=gateway):
            name = SignalName(row["signal"])
            newest[name] = max(newest.get(name, row["last_time"]), row["last_time"])
        for _, opened in await self._tail(tx, gateway):
            for each in opened.values():
                for key, part in each.parts.items():
                    time = int(part.times.max())
                    newest[key.signal] = max(newest.get(key.signal, time), time)
        if not newest:
            return {}
        found = {}
        for name, time in newest.items():
            signal = SignalKey(gateway, name)
            series = (await self._window(tx, [signal], Interval(time, time + 1), {})).get(signal)
            if series is not None and len(series):
                found[name] = chosen(series, np.array([len(series) - 1]))
        return found

    async def _tail_parts(
        self, tx: Transaction, keys: Sequence[SignalKey]
    ) -> list[tuple[SignalKey, EpochPart]]:
        """Return all that no segment covers of these signals."""
        found = []
        for gateway in dict.fromkeys(key.gateway for key in keys):
            wanted = {key.signal: key for key in keys if key.gateway == gateway}
            for epoch, opened in await self._tail(tx, gateway):
                parts: dict[PartKey, list[Part]] = {}
                for each in opened.values():
                    for part_key, part in each.parts.items():
                        if part_key.signal in wanted:
                            parts.setdefault(part_key, []).append(part)
                found += [
                    (wanted[part_key.signal], EpochPart(epoch=epoch, part=join(several)))
                    for part_key, several in parts.items()
                ]
        return found

    async def _tail(
        self, tx: Transaction, gateway: GatewayId
    ) -> list[tuple[bytes, dict[int, Opened]]]:
        """Return, of each epoch, the bundles that no segment covers, opened."""
        tails = []
        for row in await tx.fetch("segments.unsegmented", gateway=gateway):
            kept = self._tails.get(row["epoch_id"], {})
            opened = {number: each for number, each in kept.items() if number >= row["segmented"]}
            first = await self._first_unopened(tx, row, opened)
            while first is not None:
                fresh = await tx.fetch(
                    "bundles.range",
                    epoch_id=row["epoch_id"],
                    first=first,
                    stop=_NUMBERS_END,
                    count=_PAGE,
                )
                missing = [
                    (each["number"], each["bytes"])
                    for each in fresh
                    if each["number"] not in opened
                ]
                opened |= await asyncio.to_thread(_open_each, missing)
                first = None if len(fresh) < _PAGE else fresh[-1]["number"] + 1
            opened = dict(sorted(opened.items()))
            self._tails[row["epoch_id"]] = dict(list(opened.items())[-_KEPT:])
            tails.append((row["epoch"], opened))
        return tails

    async def _first_unopened(
        self, tx: Transaction, epoch: Row, opened: Mapping[int, Opened]
    ) -> int | None:
        """Return the number of the first bundle to be opened yet: bytes are read from there on."""
        leaves = await tx.fetch(
            "bundles.leaves",
            epoch_id=epoch["epoch_id"],
            first=epoch["segmented"],
            stop=_NUMBERS_END,
        )
        return next((each["number"] for each in leaves if each["number"] not in opened), None)


_NUMBERS_END: Final = 2**62
_PAGE: Final = 500
_KEPT: Final = 2_000  # opened bundles remembered of an epoch


def _open_each(bundles: Iterable[tuple[int, bytes]]) -> dict[int, Opened]:
    return {number: open_bundles([(number, data)]) for number, data in bundles}


class _Signal(NamedTuple):
    key: SignalKey
    kind: Kind


class _StoredColumn(NamedTuple):
    key: SignalKey
    epoch: bytes
    segment_id: int
    data: bytes


class _Moved(NamedTuple):
    """How a gateway's bundles are placed, and when those were said to be that are in a window."""

    moves: Mapping[bytes, Moves]  # by epoch
    recorded: Sequence[tuple[Nanoseconds, Nanoseconds]]


async def _moved(
    tx: Transaction, keys: Sequence[SignalKey], start: Nanoseconds, end: Nanoseconds
) -> dict[GatewayId, _Moved]:
    """Return what was placed around a window, of the gateways whose clock was in doubt there."""
    found: dict[GatewayId, _Moved] = {}
    for gateway in dict.fromkeys(key.gateway for key in keys):
        epochs = [each for each in await doubted(tx, gateway, start, end) if each.placements]
        if epochs:
            stamps = (placed.stamp for each in epochs for placed in each.placements)
            found[gateway] = _Moved(
                {each.epoch: Moves.of(each.placements) for each in epochs},
                merged((each.first_time - _NEAR, each.last_time + _NEAR) for each in stamps),
            )
    return found


async def _everywhere(
    tx: Transaction,
    keys: Sequence[SignalKey],
    times: Interval,
    moved: Mapping[GatewayId, _Moved],
) -> AsyncIterator[tuple[_Signal, list[Row]]]:
    """Yield the signals and their columns in the window, and where readings of it were sealed."""
    async for found in _columns(tx, keys, *times):
        yield found
    for gateway, each in moved.items():
        own = [key for key in keys if key.gateway == gateway]
        for start, end in each.recorded:
            async for found in _columns(tx, own, start, end):
                yield found


_NEAR: Final = 3_600 * SECOND
"""Bundles no further apart are looked for at once."""


async def _columns(
    tx: Transaction, keys: Sequence[SignalKey], start: Nanoseconds, end: Nanoseconds
) -> AsyncIterator[tuple[_Signal, list[Row]]]:
    """Yield the signals of ``keys`` that were seen, once a kind, and their columns in the window.

    Where many signals of a gateway are asked for, all of it are read at once.
    """
    for gateway in dict.fromkeys(key.gateway for key in keys):
        wanted = {key.signal: key for key in keys if key.gateway == gateway}
        if len(wanted) > _APART_MAX:
            known = await tx.fetch("segments.signals_of_gateway", gateway=gateway)
        else:
            known = [
                row
                for signal in wanted
                for row in await tx.fetch("segments.signals_of", gateway=gateway, signal=signal)
            ]
        signals = {
            row["signal_id"]: _Signal(wanted[row["signal"]], Kind(row["kind"]))
            for row in known
            if row["signal"] in wanted
        }
        columns: dict[int, list[Row]] = {signal_id: [] for signal_id in signals}
        if len(wanted) > _APART_MAX and 4 * len(signals) > len(known):
            for row in await tx.fetch(
                "segments.columns_of_gateway", gateway=gateway, start=start, stop=end
            ):
                if row["signal_id"] in columns:
                    columns[row["signal_id"]].append(row)
        else:
            for signal_id in columns:
                columns[signal_id] = await tx.fetch(
                    "segments.columns_between", signal_id=signal_id, start=start, stop=end
                )
        for signal_id, signal in signals.items():
            yield signal, columns[signal_id]


_APART_MAX: Final = 8
"""So many signals of a gateway are read one by one, whatever else it has."""


def _read(
    stored: Iterable[_StoredColumn],
    shared: Mapping[int, bytes],
    tail: Iterable[tuple[SignalKey, EpochPart]],
    times: Interval,
    moves: Mapping[GatewayId, Mapping[bytes, Moves]],
) -> dict[SignalKey, Series]:
    """Return the readings in the window of every signal that has one."""
    opened = {segment_id: Shared(data) for segment_id, data in shared.items()}
    parts = [
        (
            each.key,
            EpochPart(epoch=each.epoch, part=decode_column(each.data, opened[each.segment_id])),
        )
        for each in stored
    ]
    found: dict[SignalKey, list[EpochPart]] = {}
    once = Once()
    for key, whole in [*parts, *tail]:
        own = moves.get(key.gateway, {}).get(whole.epoch)
        part = times_between(whole.part if own is None else _placed(whole.part, own), *times, once)
        if len(part):
            found.setdefault(key, []).append(EpochPart(epoch=whole.epoch, part=part))
    joiner = Joiner()
    series = {key: series_of(key, several, joiner) for key, several in found.items()}
    return {
        key: doubted_series(each, moves[key.gateway]) if key.gateway in moves else each
        for key, each in series.items()
    }


def _placed(part: Part, moves: Moves) -> Part:
    return replace(part, times=moves.times(part.times, part.gateway_times, part.numbers))
