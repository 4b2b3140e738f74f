"""Readings by signal: the index over the bundles, and what of them it does not cover yet.

A record never waits for the index: what no segment covers is read from the bundles themselves, and
the answer is the same. All numbers of a series come from verified bundles whose columns hold.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from aggregator.model.series import Series, SignalKey
from aggregator.store.base import Transaction
from aggregator.store.segments.assemble import EpochPart, chosen, empty_series, series_of
from aggregator.store.segments.build import (
    Opened,
    PartKey,
    join,
    open_bundles,
    times_between,
)
from aggregator.store.segments.codec import Part, Shared, decode_column
from protocols.wire.header import GatewayId
from protocols.wire.reading import Kind, Nanoseconds, SignalName


class SignalRow(NamedTuple):
    """A signal that was seen in a bundle."""

    gateway: GatewayId
    signal: SignalName
    kind: Kind


Found = dict[SignalKey, list[EpochPart]]


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
        found: Found = {}
        silent: dict[SignalKey, Kind] = {}
        stored: list[tuple[SignalKey, bytes, int, bytes]] = []
        shared: dict[int, bytes] = {}
        for key in keys:
            for row in await tx.fetch(
                "segments.signals_of", gateway=key.gateway, signal=key.signal
            ):
                silent[key] = Kind(row["kind"])
                for column in await tx.fetch(
                    "segments.columns_between", signal_id=row["signal_id"], start=start, stop=end
                ):
                    segment_id = column["segment_id"]
                    stored.append((key, column["epoch"], segment_id, column["data"]))
                    if segment_id not in shared:
                        segment = await tx.fetch_one("segments.shared", segment_id=segment_id)
                        shared[segment_id] = b"" if segment is None else segment["shared"]
        await asyncio.to_thread(_decode, stored, shared, found, start, end)
        for key, each in await self._tail_parts(tx, keys):
            silent.setdefault(key, each.part.kind)
            part = times_between(each.part, start, end)
            if len(part):
                found.setdefault(key, []).append(EpochPart(epoch=each.epoch, part=part))
        return {
            key: series_of(key, found[key]) if key in found else empty_series(key, silent[key])
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
        """Return the newest reading of each signal of a gateway, as a series of one."""
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
            series = await self.series(tx, SignalKey(gateway, name), time, time + 1)
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
            first = row["segmented"]
            while True:
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
                    if each["number"] not in opened and not each["wrong"]
                ]
                opened |= await asyncio.to_thread(_open_each, missing)
                if len(fresh) < _PAGE:
                    break
                first = fresh[-1]["number"] + 1
            opened = dict(sorted(opened.items()))
            self._tails[row["epoch_id"]] = dict(list(opened.items())[-_KEPT:])
            tails.append((row["epoch"], opened))
        return tails


_NUMBERS_END: Final = 2**62
_PAGE: Final = 500
_KEPT: Final = 2_000  # opened bundles remembered of an epoch


def _open_each(bundles: Iterable[tuple[int, bytes]]) -> dict[int, Opened]:
    return {number: open_bundles([(number, data)]) for number, data in bundles}


def _decode(
    stored: Iterable[tuple[SignalKey, bytes, int, bytes]],
    shared: Mapping[int, bytes],
    found: Found,
    start: int,
    end: int,
) -> None:
    opened = {segment_id: Shared(data) for segment_id, data in shared.items()}
    for key, epoch, segment_id, data in stored:
        part = times_between(decode_column(data, opened[segment_id]), start, end)
        if len(part):
            found.setdefault(key, []).append(EpochPart(epoch=epoch, part=part))
