"""Readings of a gateway without the time: bound where they were, whenever that is known."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aggregator.clock import SystemClock
from aggregator.errors import NotFoundError
from aggregator.export.disclosure import Disclosure
from aggregator.ingest.indexer import Indexer
from aggregator.model.binding.fact import Authority, Fact, FactKind
from aggregator.model.master.equipment import EquipmentPath
from aggregator.model.master.lot import LotKey, check_lot_key
from aggregator.service import assemble_record, facts, readings
from aggregator.service.assemble_record import StoredRecord
from aggregator.service.binding.coverage import coverage
from aggregator.service.binding.rebind import overtaken, rebind
from aggregator.service.export_dossier import export_dossier
from protocols.wire.bundle import PURPOSE, open_header
from protocols.wire.dossier.file import Dossier, read_dossier, write_dossier
from protocols.wire.header import Clock, ClockState, encode_header
from protocols.wire.reading import SECOND, Kind, Reading, SignalName
from protocols.wire.seal import seal
from tests.recorded_plant import GTIN, OPERATOR, PRESS, QA, RecordedPlant, recorded_plant
from tests.sealed import START, key_named
from tests.servers import Postgres, running_postgres
from verifier.report import Verdict
from verifier.verify import verify

ONE, TWO = (check_lot_key(GTIN, lot) for lot in ("L-1", "L-2"))
TEMPERATURE = "press-1/plate-temperature"
UNSET, FREE, SYNC = ClockState.UNSET, ClockState.FREE_RUNNING, ClockState.SYNCHRONISED


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
async def plant(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RecordedPlant]:
    url = request.getfixturevalue("server").database() if request.param == "postgres" else ""
    async with recorded_plant(tmp_path, url) as opened:
        yield opened


class Line:
    """A gateway whose clock shows ``ahead`` seconds more than it is; it reads once a second."""

    def __init__(self, plant: RecordedPlant) -> None:
        self.plant = plant
        self.now, self.ahead = 0, 0
        self.began, self.boot = -100, 1
        self.state = SYNC
        self.sealed: list[bytes] = []

    def run(self, seconds: int, *, reads: bool = True) -> None:
        """Seal a bundle of so many seconds."""
        gateway, start = self.plant.gateway, self.now
        self.now += seconds
        wall = START + (self.now + self.ahead) * SECOND
        # Half a second behind the second, so that no time is a bound's own.
        found = [self._reading(second) for second in range(start, self.now)] if reads else []
        gateway.time = wall
        bundle = gateway.seal(
            found,
            boot=bytes([self.boot]) * 16,
            sealed_time=wall,
            sealed_monotonic=(self.now - self.began) * SECOND,
            clock=Clock(state=self.state, uncertainty=1_000_000, floor=START - 9_000 * SECOND),
        )
        self.sealed.append(bundle)

    def starts(self, *, shows: int) -> None:
        """Start anew, with a clock that has no time and shows what is left of another."""
        self.boot, self.began, self.state = self.boot + 1, self.now - 1, UNSET
        self.ahead = shows - self.now

    def has_time(self) -> None:
        """Find a time service."""
        self.ahead, self.state = 0, SYNC

    def _reading(self, second: int) -> Reading:
        shown = START + (second + self.ahead) * SECOND + SECOND // 2
        hot = 131.0 if 3_620 <= second < 3_625 else 120.0
        return Reading(
            signal=SignalName(TEMPERATURE),
            kind=Kind.FLOAT64,
            value=hot,
            gateway_time=shown,
            source_time=None,
        )


async def occupied(plant: RecordedPlant, lot: LotKey, start: int, end: int) -> None:
    """Say that a lot was at the press, by the time of whoever says so."""
    fact = Fact(
        kind=FactKind.OCCUPANCY,
        start=START + start * SECOND,
        end=START + end * SECOND,
        authority=Authority.OPERATOR,
        source="mes",
        equipment=EquipmentPath(PRESS),
        lot=lot,
    )
    await facts.add(plant.context, OPERATOR, fact, why="started")


async def assembled(plant: RecordedPlant, lot: str) -> StoredRecord:
    return await assemble_record.assemble_record(plant.context, QA, GTIN, lot)


def temperature(record: StoredRecord) -> dict[str, Any]:
    return next(each for each in record.document["parameters"] if each["signal"] == TEMPERATURE)


def of_kind(record: StoredRecord, kind: str) -> list[dict[str, Any]]:
    return [each for each in record.document["exceptions"] if each["kind"] == kind]


def power_cut(plant: RecordedPlant) -> Line:
    """Two lots: one before a power cut, and one behind it while the clock shows the past."""
    line = Line(plant)
    for _ in range(6):
        line.run(10)
    line.now = 3_600
    line.starts(shows=5)  # as if it were the first lot's time again
    for _ in range(6):
        line.run(10)
    line.run(600, reads=False)
    line.has_time()
    line.run(10)
    line.run(10)
    return line


@pytest.mark.req(12)
async def test_a_late_anchor_moves_readings_from_one_lot_to_another(plant: RecordedPlant) -> None:
    line = power_cut(plant)
    await occupied(plant, ONE, 0, 70)
    await occupied(plant, TWO, 3_610, 3_640)
    await plant.take(line.sealed[:-2])
    first, second = await assembled(plant, "L-1"), await assembled(plant, "L-2")
    assert second.summary.readings == 0, "nobody knows yet"
    assert temperature(first)["figures"]["readings"] == 120, "nor that they are not of this one"
    assert temperature(first)["boundary"] == 60, "they may have been after its end"
    assert of_kind(first, "clock_in_doubt")[0]["details"]["uncertainty_ns"] is None
    await rebind(plant.context)
    await plant.take(line.sealed[-2:])
    assert await rebind(plant.context) == [ONE, TWO]
    assert {each.lot for each in await overtaken(plant.context, QA)} == {ONE, TWO}
    first, second = await assembled(plant, "L-1"), await assembled(plant, "L-2")
    assert temperature(first)["figures"]["readings"] == 60
    assert of_kind(first, "clock_in_doubt") == of_kind(first, "boundary") == []
    assert temperature(first)["excursions"] == []
    found = temperature(second)
    assert found["figures"]["readings"] == 30
    assert [each["readings"] for each in found["excursions"]] == [5, 5], "of two limits"
    assert found["gaps"] == []
    (doubt,) = of_kind(second, "clock_in_doubt")
    assert doubt["details"]["correction_ns"] == 3_595 * SECOND
    assert second.summary.state == "complete", second.document["unproved"]
    assert await rebind(plant.context) == []
    shown = await coverage(plant.context, QA, START, START + 4_300 * SECOND, signal=TEMPERATURE)
    assert [(each.readings, each.bound) for each in shown] == [(140, 90)]


@pytest.mark.req(12)
async def test_what_is_read_out_has_both_times(plant: RecordedPlant) -> None:
    line = power_cut(plant)
    await plant.take(line.sealed)
    found = await readings.between(
        plant.context,
        QA,
        gateway="gw-01",
        signal=TEMPERATURE,
        start=START + 3_600 * SECOND,
        end=START + 3_660 * SECOND,
    )
    assert len(found) == 60
    assert (found.times[0] - START, found.gateway_times[0] - START) == (
        3_600 * SECOND + SECOND // 2,
        5 * SECOND + SECOND // 2,
    )
    (newest,) = await readings.latest(plant.context, QA)
    assert newest.newest.times.tolist() == [START + 4_279 * SECOND + SECOND // 2]


@pytest.mark.req(12)
@pytest.mark.parametrize("disclosure", list(Disclosure))
async def test_a_dossier_carries_the_anchor_and_proves_the_placement(
    plant: RecordedPlant, disclosure: Disclosure
) -> None:
    line = power_cut(plant)
    await occupied(plant, TWO, 3_622, 3_640)
    await plant.take(line.sealed)
    await assembled(plant, "L-2")
    data = await export_dossier(plant.context, QA, GTIN, "L-2", disclosure)
    report = verify(data, plant.policy())
    assert report.verdict is Verdict.VERIFIED, report.to_text("en")
    dossier = read_dossier(data).dossier
    (chain,) = dossier.statement.chains
    assert (chain.held_first, chain.held_last, chain.anchors) == (7, 10, (5, 13))
    for wrong in altered(plant, dossier):
        judged = verify(write_dossier(wrong, plant.context.keys.seal), plant.policy())
        assert judged.verdict is Verdict.NOT_VERIFIED


def altered(plant: RecordedPlant, dossier: Dossier) -> Iterator[Dossier]:
    """Yield dossiers with another anchor, sealed by the aggregator itself: another one, or none."""
    (chain,), (held,) = dossier.statement.chains, dossier.chains
    none = replace(dossier.statement, chains=(replace(chain, anchors=()),))
    yield replace(
        dossier, statement=none, chains=(held[:-2],), places=dossier.places[: len(held) - 2]
    )
    header = open_header(held[-1].sealed_header, plant.gateway.key.public)
    later = replace(header, sealed_time=header.sealed_time + 20 * SECOND)
    forged = seal(encode_header(later), key_named("stranger"), PURPOSE)
    yield replace(dossier, chains=((*held[:-1], replace(held[-1], sealed_header=forged)),))
    yield replace(dossier, chains=((*held[:-2], held[-1], held[-2]),))


@pytest.mark.req(12)
@pytest.mark.parametrize("seed", range(6))
async def test_whatever_comes_first_gives_the_identical_record(tmp_path: Path, seed: int) -> None:
    """Anchor before readings or behind them, once or twice, indexed or not, rebound or not."""
    hashes = set()
    for chance in (None, random.Random(seed)):
        async with recorded_plant(tmp_path / f"{chance is None}") as plant:
            plant.context = replace(plant.context, clock=Stopped())
            await occupied(plant, ONE, 0, 600)
            await occupied(plant, TWO, 3_000, 4_200)
            for part in arrivals(wandering(plant, seed).sealed, chance):
                await plant.take(part)
                if chance is not None:
                    await disturbed(plant, chance)
            await rebind(plant.context)
            stale = {each.lot.lot for each in await overtaken(plant.context, QA)}
            known = {lot: await newest(plant, lot) for lot in {"L-1", "L-2"} - stale}
            records = {lot: await assembled(plant, lot) for lot in ("L-1", "L-2")}
            for lot, before in known.items():
                assert before in (None, measured(records[lot])), "changed, and nobody was told"
            hashes.add(tuple(each.summary.content_hash for each in records.values()))
            assert sum(each.summary.readings for each in records.values())
            for lot, record in records.items():
                if record.summary.state == "complete":
                    data = await export_dossier(plant.context, QA, GTIN, lot)
                    report = verify(data, plant.policy())
                    assert report.verdict is Verdict.VERIFIED, report.to_text("en")
    assert len(hashes) == 1


async def disturbed(plant: RecordedPlant, chance: random.Random) -> None:
    """Do what a running aggregator does meanwhile, or not."""
    if chance.random() < 0.5:
        await Indexer(plant.context.store, SystemClock()).catch_up()
    if chance.random() < 0.5:
        await rebind(plant.context)
    if chance.random() < 0.5:
        await assembled(plant, chance.choice(("L-1", "L-2")))


async def newest(plant: RecordedPlant, lot: str) -> object:
    """Return what the newest version that is kept says of the readings."""
    with suppress(NotFoundError):
        return measured(await assemble_record.get(plant.context, QA, GTIN, lot))
    return None


def measured(record: StoredRecord) -> object:
    """Return what a record says of the lot's readings; its chains may have grown longer since."""
    names = ("parameter", "figures", "boundary", "excursions")
    return [{name: each[name] for name in names} for each in record.document["parameters"]]


class Stopped(SystemClock):
    """A clock that shows one time: when something was said is not what is asked here."""

    def now(self) -> int:
        return START


def wandering(plant: RecordedPlant, seed: int) -> Line:
    """Let a gateway start, lose its time, be set back and find it again, as chance will."""
    chance, line = random.Random(f"line {seed}"), Line(plant)
    while line.now < 4_500:
        match chance.randrange(8):
            case 0:
                line.starts(shows=chance.randrange(-600, 4_000))
            case 1 | 2:
                line.has_time()
            case 3 if line.state is SYNC:
                line.state = FREE
            case 4 if line.state is FREE:
                line.ahead += chance.randrange(-40, 40)
            case 5:
                line.run(chance.randrange(60, 700), reads=False)
        line.run(chance.randrange(5, 60))
    return line


def arrivals(sealed: Sequence[bytes], chance: random.Random | None) -> Iterator[list[bytes]]:
    """Yield bundles in the order of their numbers, or in any, some of them twice."""
    if chance is None:
        yield list(sealed)
        return
    waiting = [*sealed, *chance.choices(sealed, k=5)]
    chance.shuffle(waiting)
    while waiting:
        count = chance.randrange(1, 1 + len(waiting))
        yield waiting[:count]
        waiting = waiting[count:]
