"""Presence made of tag reads: who is where, and nobody at two places."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llrpkit.protocol import params

from protocols.field.llrp.codec import Notice, ReaderEvent
from protocols.field.llrp.presence import Moved, Movement, Presence
from protocols.field.llrp.readings import Readings
from protocols.field.llrp.rospec import rospec
from protocols.field.llrp.settings import LlrpSettings, PresenceSettings
from protocols.wire.reading import SECOND, TagRead
from tests.contract.driver_contract import HostClock

EPC = bytes.fromhex("3034257bf7194e4000001a85")
T0 = 1_800_000_000 * SECOND
ENTER, LEAVE = Movement.ENTER, Movement.LEAVE


def read(antenna: int, at: float, rssi: int = -50, *, epc: bytes = EPC, count: int = 1) -> TagRead:
    time = T0 + int(at * SECOND)
    return TagRead(
        epc=epc,
        epc_bits=96,
        antenna=antenna,
        rssi=rssi * 100,
        first_seen=time,
        last_seen=time,
        count=count,
    )


def moves(presence: Presence, reads: Iterable[tuple[int, float, int]]) -> list[tuple[str, int]]:
    """Return what follows from (antenna, seconds, dBm), carriers leaving when they are due."""
    found: list[Moved] = []
    for antenna, at, rssi in reads:
        found += presence.unseen(at)
        found += presence.seen(read(antenna, at, rssi), at)
    found += presence.unseen(1e9)
    return [(moved.movement.value, moved.antenna) for moved in found]


def of(**rules: Any) -> Presence:
    return Presence(PresenceSettings.model_validate(rules))


def test_a_carrier_enters_by_enough_strong_reads_and_leaves_by_silence() -> None:
    presence = of(reads_min=3, dbm_min=-60, leave_s=5)
    assert moves(presence, [(1, 0.0, -50), (1, 0.1, -50)]) == [], "two reads are a glimpse"
    assert moves(presence, [(1, t / 10, -90) for t in range(50)]) == [], "too weak"
    assert moves(presence, [(1, float(t), -50) for t in range(9)]) == [("enter", 1), ("leave", 1)]


def test_its_times_are_those_of_its_first_and_last_read() -> None:
    presence = of(reads_min=2, leave_s=5)
    entered = [moved for at in (1.0, 1.5, 4.0) for moved in presence.seen(read(1, at), at)]
    left = list(presence.unseen(9.0))
    assert [(m.movement, m.time, m.stayed) for m in entered] == [(ENTER, T0 + SECOND, 0)]
    assert [(m.movement, m.time, m.stayed) for m in left] == [(LEAVE, T0 + 4 * SECOND, 3 * SECOND)]
    assert (left[0].reads, left[0].rssi) == (3, -5000)


def test_a_fading_carrier_does_not_leave_before_its_time() -> None:
    presence = of(leave_s=5)
    assert moves(presence, [(1, at, -50) for at in (0.0, 0.1, 4.0, 8.9, 13.0)]) == [
        ("enter", 1),
        ("leave", 1),
    ]


def test_a_neighbour_that_hears_it_as_well_does_not_take_it() -> None:
    presence = of(db_margin=6)
    both = [(antenna, t / 10, -50) for t in range(50) for antenna in (1, 2)]
    assert moves(presence, both) == [("enter", 1), ("leave", 1)]


def test_a_neighbour_that_hears_it_clearly_better_takes_it() -> None:
    presence = of(db_margin=6)
    walk = [(1, t / 10, -45) for t in range(10)] + [(2, 1 + t / 10, -60) for t in range(10)]
    walk += [(2, 2 + t / 10, -40) for t in range(20)] + [(1, 2 + t / 10, -60) for t in range(20)]
    assert moves(presence, sorted(walk, key=lambda each: each[1])) == [
        ("enter", 1),
        ("leave", 1),
        ("enter", 2),
        ("leave", 2),
    ]


def test_a_weaker_antenna_takes_what_the_stronger_has_not_heard_for_long() -> None:
    presence = of(db_margin=20, leave_s=3)
    walk = [(1, 0.0, -40), (1, 0.1, -40)] + [(2, t / 10, -60) for t in range(60)]
    walk.sort(key=lambda each: each[1])
    assert moves(presence, walk) == [("enter", 1), ("leave", 1), ("enter", 2), ("leave", 2)]


def test_nobody_leaves_for_a_time_in_which_nothing_could_be_read() -> None:
    presence = of(leave_s=5)
    assert [m.movement for at in (0.0, 0.1) for m in presence.seen(read(1, at), at)] == [ENTER]
    presence.resume(100.0)
    assert list(presence.unseen(104.0)) == []
    assert [m.movement for m in presence.unseen(105.0)] == [LEAVE]


def test_more_carriers_than_are_remembered_leave_first_come_first() -> None:
    presence = of(reads_min=1, carriers_max=3)
    found = [
        moved
        for number in range(5)
        for moved in presence.seen(read(1, float(number), epc=bytes((number,)) * 12), number)
    ]
    assert [m.epc[0] for m in found if m.movement is LEAVE] == [0, 1]


@given(
    st.lists(
        st.tuples(
            st.integers(1, 3),
            st.floats(0, 3, allow_nan=False),
            st.integers(-90, -30),
            st.integers(0, 3),
        )
    )
)
def test_nobody_is_at_two_places_and_who_enters_leaves(
    steps: list[tuple[int, float, int, int]],
) -> None:
    presence = of(reads_min=2, leave_s=2, carriers_max=3)
    where: dict[bytes, int] = {}
    found: list[Moved] = []
    at = 0.0
    for antenna, wait, rssi, who in steps:
        at += wait
        found += presence.unseen(at)
        found += presence.seen(read(antenna, at, rssi, epc=bytes((who,)) * 12), at)
    found += presence.unseen(at + 2)
    for moved in found:
        if moved.movement is ENTER:
            assert moved.epc not in where
            where[moved.epc] = moved.antenna
        else:
            assert where.pop(moved.epc) == moved.antenna
            assert moved.stayed >= 0
    assert where == {}
    assert presence.due() is None


def settings(**more: Any) -> LlrpSettings:
    return LlrpSettings.model_validate({"host": "reader"} | more)


def test_inventory_is_limited_to_the_prefixes_asked_for() -> None:
    (part,) = rospec(settings(epc_prefixes=["3034257", "e2"])).spec_parameters
    assert isinstance(part, params.AISpec)
    command = (
        part.inventory_parameter_specs[0]
        .antenna_configurations[0]
        .air_protocol_inventory_command_settings[0]
    )
    assert isinstance(command, params.C1G2InventoryCommand)
    masks = [each.c1_g2_tag_inventory_mask for each in command.c1_g2_filters]
    assert [(m.mb, m.pointer, m.tag_mask.bit_len, m.tag_mask.data.hex()) for m in masks] == [
        (1, 32, 28, "30342570"),
        (1, 32, 8, "e2"),
    ]
    with pytest.raises(ValueError, match="hexadecimal"):
        settings(epc_prefixes=["urn:epc"])


def test_a_reader_whose_clock_strays_says_so_once() -> None:
    readings = Readings("dock", settings(), HostClock())
    told = []
    for ahead_s in (0.0, 90.0, 90.001, -5.0):
        utc_us = HostClock().gateway_time() // 1000 + int(ahead_s * 1e6)
        event = ReaderEvent(utc_us=utc_us, uptime_us=None, notices=((Notice.OTHER, "x"),))
        told += [str(each.value) for each in readings.of_clock(event)]
    assert [each.split("=")[0] for each in told] == ["reader-clock ahead_ms"] * 2
    assert [round(int(each.split("=")[1]) / 1000) for each in told] == [90, -5]
