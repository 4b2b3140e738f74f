"""The simulated portal: seeded, believable, and strict about where its antennas are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from plant.equipment.llrp_reader import LlrpReader
from plant.equipment.portal import Portal
from plant.equipment.sighting import Sighting

CRATE = bytes.fromhex("3374257bf40c0e4000000190")


class Recorded(LlrpReader):
    """A reader whose antennas always read, and whose reports are looked at, not sent."""

    def __init__(self) -> None:
        super().__init__()
        self.reported: list[Sighting] = []

    @property
    def reading(self) -> frozenset[int]:
        return frozenset(self.antennas_connected)

    def report(self, sightings: Sequence[Sighting]) -> None:
        self.reported += sightings


async def seen(
    rounds: int, *, epc: bytes = CRATE, unplug: int = 0, **given: float
) -> list[Sighting]:
    """Return what a portal reports of one carrier at antenna 2 in so many rounds."""
    portal = Portal(round_s=0.001, seed=7, **given)  # type: ignore[arg-type]
    reader = portal.reader = Recorded()
    reader.antennas_connected.discard(unplug)
    portal.arrive(epc, 2)
    async with portal, asyncio.timeout(60):
        while len(reader.reported) < rounds:  # noqa: ASYNC110 -- chance has no event
            await asyncio.sleep(0.001)
    return reader.reported[:rounds]


def shape(sightings: list[Sighting]) -> list[tuple[int, int]]:
    return [(sighting.antenna, sighting.rssi) for sighting in sightings]


async def test_the_same_seed_sees_the_same() -> None:
    first, again = await seen(40, crossed=0.3), await seen(40, crossed=0.3)
    assert shape(first) == shape(again)


async def test_a_crossed_read_is_weaker_than_a_true_one() -> None:
    sightings = await seen(60, crossed=0.5, rssi_noise=1.0)
    true = [s.rssi for s in sightings if s.antenna == 2]
    crossed = [s.rssi for s in sightings if s.antenna == 3]
    assert len(true) > len(crossed) > 0
    assert min(true) > max(crossed)


async def test_an_unplugged_antenna_sees_nothing() -> None:
    sightings = await seen(10, crossed=0.9, unplug=2)
    assert {s.antenna for s in sightings} == {3}


async def test_the_readers_time_never_stands() -> None:
    times = [s.first_us for s in await seen(40)]
    assert times == sorted(set(times))


async def test_a_carrier_that_left_is_not_seen() -> None:
    portal = Portal()
    portal.arrive(CRATE, 1)
    portal.arrive(CRATE, 4)
    assert [carrier.antenna for carrier in portal.present] == [4]
    portal.leave(CRATE)
    portal.leave(CRATE)
    assert portal.present == ()


@pytest.mark.parametrize("antenna", [0, 5])
def test_there_is_no_such_antenna(antenna: int) -> None:
    with pytest.raises(ValueError, match="1 to 4"):
        Portal().arrive(CRATE, antenna)


async def test_it_can_be_switched_off_and_on_at_the_same_port() -> None:
    async with Portal() as portal:
        port = portal.port
        await portal.stop()
        await portal.stop()
        with pytest.raises(OSError, match=r"\d"):
            await asyncio.open_connection(portal.host, port)
        await portal.start()
        assert portal.port == port
        _, writer = await asyncio.open_connection(portal.host, port)
        writer.close()
        await writer.wait_closed()
