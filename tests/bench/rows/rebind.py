"""Row i: one late bundle, from its commit until it is known which lots it is about.

A gateway that was cut off delivers ten seconds of a press's readings, or of its lot ids, from the
midst of the history. What is found must be what a look at the whole history finds.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, Final

from aggregator.access.roles import Actor, Role
from aggregator.ingest.verify import Message
from aggregator.model.master.lot import LotKey, check_lot_key
from aggregator.service.binding.rebind import rebind
from aggregator.service.binding.sightings import refresh
from aggregator.service.context import Context
from aggregator.service.master import master_data
from aggregator.service.master.documents import EntityKind
from aggregator.settings import Settings
from aggregator.store.segments import ReadingIndex
from protocols.wire.reading import SECOND, Kind, Reading, SignalName
from protocols.wire.topics import Channel, topic
from tests.bench.feeder import GROUP, Intaking
from tests.bench.measure import Stopwatch
from tests.bench.scale import Scale
from tests.bench.table import Entry, Goal
from tests.sealed import START, SealedGateway

_READINGS: Final = (1_000_000, 10_000_000)
_SIGNALS: Final = 100  # of the gateway that was never cut off, at 1 Hz
_BUNDLE_S: Final = 10
_LOT_S: Final = 60
_LATE: Final = 10  # late bundles of each sort
_GTIN: Final = "09506000134352"
_LINE: Final = "acme/suzhou/line-1"
_GOAL_MS: Final = 100.0
_BENCH: Final = Actor(name="bench", roles=frozenset({Role.QA, Role.ENGINEER}))


async def run(folder: Path, scale: Scale) -> list[Entry]:
    """Measure late bundles in a short and in a long history."""
    return [
        entry
        for readings in _READINGS
        for entry in await _history(folder / str(readings), readings // scale.divisor)
    ]


async def _history(folder: Path, readings: int) -> list[Entry]:
    store = Intaking(folder)
    live, late = SealedGateway("gw-live"), SealedGateway("gw-late")
    await store.open({each.name: each.key.public for each in (live, late)})
    context = Context(
        store=store.store,
        index=ReadingIndex(),
        clock=store.clock,
        settings=Settings(),
        keys=store.keys,
    )
    seconds = readings // _SIGNALS
    try:
        await _set_up(context, seconds)
        ticks = _ticks(seconds)
        while bundles := [
            _message(live, [each for tick in part for each in tick])
            for part in islice(iter(lambda: list(islice(ticks, _BUNDLE_S)), []), GROUP)
        ]:
            await store.accept(bundles)
        await store.index()
        await rebind(context)
        return await _measure(context, store, late, seconds)
    finally:
        await store.close()


async def _measure(
    context: Context, store: Intaking, late: SealedGateway, seconds: int
) -> list[Entry]:
    chance = random.Random(1)
    taken: dict[str, list[float]] = {"readings": [], "lot ids": []}
    for at in sorted(chance.sample(range(0, seconds - _LOT_S, _LOT_S), 2 * _LATE)):
        for sort, figures in taken.items():
            begin = at + (0 if sort == "readings" else 2 * _BUNDLE_S)
            bundle = _message(late, [*_late(sort, begin, at)])
            await store.accept([bundle])
            with Stopwatch() as watch:
                found = await rebind(context)
            figures.append(watch.seconds * 1000)
            if found != [_lot(at)]:
                raise AssertionError(f"a late bundle of {sort} is about {found}, not {_lot(at)}")
    step_by_step = await _index(context)
    with Stopwatch() as watch:
        await _again(context)
    if await _index(context) != step_by_step:
        raise AssertionError("bundle by bundle the index is another than made at once")
    millions = seconds * _SIGNALS / 1e6
    return [
        Entry(
            row="i",
            what=f"late bundle of {sort} rebound, {millions:.3g} M readings before",
            figure=f"ms, {name}",
            ours=ours,
            beside="the index of lot ids made anew",
            theirs=watch.seconds * 1000,
            ratio=ours / (watch.seconds * 1000),
            goal=Goal(name="G12", text="at most 100 ms", reached=ours <= _GOAL_MS),
        )
        for sort, figures in taken.items()
        for name, ours in (("median", median(figures)), ("slowest", max(figures)))
    ]


def _ticks(seconds: int) -> Iterator[list[Reading]]:
    """Yield a second after another of the gateway that was never cut off, with its lot id."""
    names = [SignalName(f"line-1/signal-{number}") for number in range(_SIGNALS - 1)]
    for second in range(seconds):
        time = START + second * SECOND
        yield [
            *(_reading(name, time, 20.0 + number / 8) for number, name in enumerate(names)),
            _reading(SignalName("press-1/lot-id"), time, _lot(second).lot),
        ]


def _late(sort: str, begin: int, lot_at: int) -> Iterator[Reading]:
    """Yield ten seconds of the press's force, or of another press's lot id."""
    for second in range(begin, begin + _BUNDLE_S):
        time = START + second * SECOND + SECOND // 2
        if sort == "readings":
            yield _reading(SignalName("press-1/force"), time, 4.0)
        else:
            text = _lot(lot_at).lot if second < begin + _BUNDLE_S - 1 else ""
            yield _reading(SignalName("press-2/lot-id"), time, text)


def _reading(name: SignalName, time: int, value: float | str) -> Reading:
    kind = Kind.TEXT if isinstance(value, str) else Kind.FLOAT64
    return Reading(signal=name, kind=kind, value=value, gateway_time=time, source_time=time)


def _lot(second: int) -> LotKey:
    return check_lot_key(_GTIN, f"L-{second // _LOT_S}")


def _message(gateway: SealedGateway, readings: Sequence[Reading]) -> Message:
    return Message(topic(gateway.name, Channel.BUNDLE), gateway.seal(readings))


async def _set_up(context: Context, seconds: int) -> None:
    entities: list[tuple[EntityKind, dict[str, Any]]] = [
        *((EntityKind.EQUIPMENT, {"path": f"{_LINE}/press-{number}"}) for number in (1, 2)),
        (EntityKind.MATERIAL, {"gtin": _GTIN, "name": "Sterile barrier pouch"}),
        *(
            (EntityKind.LOT, {"gtin": _GTIN, "lot": _lot(second).lot})
            for second in range(0, seconds, _LOT_S)
        ),
    ]
    for gateway, signal, press, kind, role in (
        ("gw-live", "press-1/lot-id", 1, "text", "lot_id"),
        ("gw-late", "press-1/force", 1, "float64", "variable"),
        ("gw-late", "press-2/lot-id", 2, "text", "lot_id"),
    ):
        signal_data = {"gateway": gateway, "signal": signal, "value_kind": kind, "role": role}
        entities.append((EntityKind.SIGNAL, {**signal_data, "equipment": f"{_LINE}/press-{press}"}))
    for entity, data in entities:
        document = master_data.parse(entity, data)
        await master_data.put(context, _BENCH, document, expected_version=None, why="bench")


async def _index(context: Context) -> list[tuple[Any, ...]]:
    """Return every sighting."""
    found = []
    async with context.store.read() as tx:
        for gateway, signal in (("gw-live", "press-1/lot-id"), ("gw-late", "press-2/lot-id")):
            rows = await tx.fetch(
                "sightings.within", gateway=gateway, signal=signal, start=0, stop=2**63 - 1
            )
            found += [(signal, each["said"], each["start_time"], each["end_time"]) for each in rows]
    return sorted(found)


async def _again(context: Context) -> None:
    """Look for all sightings once more, in whatever has come."""
    async with context.store.write() as tx:
        await tx.execute("sightings.advance", position=0)
    await refresh(context)
