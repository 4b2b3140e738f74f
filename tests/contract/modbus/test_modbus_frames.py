"""Frames that are not what they should be, on each transport: a repeat at most, never a value."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest

from protocols.wire.reading import Doubt, Reading, Status
from tests.contract.modbus.modbus_peer import RAW, Device, Peer, Question, crc
from tests.contract.modbus.reading import DEVICE, QUICK, one_poll, opened, settings_at, words

Answer = list[tuple[float, bytes]]
Lie = Callable[[Peer, Question, bytes], Answer]


def raw(peer: Peer, question: Question, pdu: bytes, **more: Any) -> bytes:
    return RAW + peer.frame(question, pdu, **more)


def numbered(question: Question, pdu: bytes, number: int, protocol: int = 0) -> bytes:
    body = bytes((question.unit,)) + pdu
    return RAW + struct.pack(">HHH", number, protocol, len(body)) + body


def late_garbage(peer: Peer, question: Question, pdu: bytes) -> Answer:
    _ = peer, question
    return [(0, pdu), (0.01, RAW + b"\x55\xaa\x00\xff")]


HARMLESS: dict[str, Lie] = {
    "garbage with the frame": lambda peer, question, pdu: [
        (0, raw(peer, question, pdu) + b"\x55\xaa")
    ],
    "garbage after it": late_garbage,
    "the answer twice": lambda _, __, pdu: [(0, pdu), (0, pdu)],
}

A_REPEAT: dict[str, Lie] = {
    "cut off": lambda peer, question, pdu: [(0, raw(peer, question, pdu)[:-3])],
    "nothing": lambda *_: [],
    "noise alone": lambda *_: [(0, RAW + bytes(range(40)))],
    "another unit": lambda peer, question, pdu: [(0, raw(peer, question, pdu, unit=9))],
    "another function": lambda _, __, pdu: [(0, b"\x04" + pdu[1:])],
    "a function that is none": lambda _, __, pdu: [(0, b"\x2b" + pdu[1:])],
    "an exception of another function": lambda *_: [(0, b"\x84\x02")],
    "a register fewer": lambda _, __, pdu: [(0, bytes((3, pdu[1] - 2)) + pdu[2:-2])],
    "a register more": lambda _, __, pdu: [(0, bytes((3, pdu[1] + 2)) + pdu[2:] + b"\0\1")],
    "no register": lambda *_: [(0, b"\x03\x00")],
    "half a register": lambda _, __, pdu: [(0, bytes((3, pdu[1] - 1)) + pdu[2:-1])],
}

OF_TCP: dict[str, Lie] = {
    "another's number": lambda _, question, pdu: [
        (0, numbered(question, pdu, question.transaction + 1))
    ],
    "number 0": lambda _, question, pdu: [(0, numbered(question, pdu, 0))],
    "another protocol": lambda _, question, pdu: [
        (0, numbered(question, pdu, question.transaction, protocol=7))
    ],
    "a length past all frames": lambda _, question, pdu: [
        (0, RAW + struct.pack(">HHH", question.transaction, 0, 0xFFFF) + b"\x01" + pdu)
    ],
    "no length": lambda _, question, __: [
        (0, RAW + struct.pack(">HHHBB", question.transaction, 0, 0, 1, 3))
    ],
    "a byte count that is not kept": lambda _, __, pdu: [(0, bytes((3, 200)) + pdu[2:])],
}


def flipped(peer: Peer, question: Question, pdu: bytes) -> Answer:
    frame = bytearray(peer.frame(question, pdu))
    frame[4] ^= 0x10
    return [(0, RAW + bytes(frame))]


def echoed(_: Peer, question: Question, pdu: bytes) -> Answer:
    """Give the request back before its answer, as an adapter without echo suppression does."""
    body = struct.pack(">BBHH", question.unit, question.function, question.address, question.count)
    answer = bytes((question.unit,)) + pdu
    return [(0, RAW + body + crc(body) + answer + crc(answer))]


OF_RTU: dict[str, Lie] = {
    "a flipped bit": flipped,
    "noise before": lambda peer, question, pdu: [
        (0, RAW + b"\x00\xff" + peer.frame(question, pdu))
    ],
    "its own echo": echoed,
}

TRANSPORTS: dict[str, dict[str, Any]] = {
    "tcp": {},
    "rtu-over-tcp": {"rtu": True},
    "serial": {"pty": True},
}


def cases() -> list[tuple[str, str, Lie, int]]:
    found = []
    for transport in TRANSPORTS:
        own = OF_TCP if transport == "tcp" else OF_RTU
        found += [(transport, name, lie, 1) for name, lie in HARMLESS.items()]
        found += [(transport, name, lie, 2) for name, lie in (A_REPEAT | own).items()]
    return found


CASES = cases()


@pytest.mark.parametrize(
    ("transport", "lie", "questions"),
    [(transport, lie, questions) for transport, _, lie, questions in CASES],
    ids=[f"{transport}: {name}" for transport, name, _, _ in CASES],
)
async def test_one_bad_frame_costs_a_repeat_at_most(
    transport: str, lie: Lie, questions: int
) -> None:
    async with Peer({1: Device(holding=DEVICE)}, **TRANSPORTS[transport]) as peer:
        peer.misbehave = lambda question, pdu: (
            lie(peer, question, pdu) if question.number == 0 else [(0, pdu)]
        )
        settings = settings_at(peer, words(1, 3), period_s=0.02, timeout_s=0.6)
        async with opened(settings) as driver:
            assert values(await one_poll(driver)) == [7, 14, 21]
            assert len(peer.questions) == questions
            assert values(await one_poll(driver)) == [7, 14, 21]  # and nothing is left of it


@pytest.mark.parametrize(
    ("transport", "lie"),
    [(transport, lie) for transport, _, lie, questions in CASES if questions == 2],
    ids=[f"{transport}: {name}" for transport, name, _, questions in CASES if questions == 2],
)
async def test_bad_frames_for_ever_are_never_a_value(transport: str, lie: Lie) -> None:
    async with Peer({1: Device(holding=DEVICE)}, **TRANSPORTS[transport]) as peer:
        peer.misbehave = lambda question, pdu: lie(peer, question, pdu)
        settings = settings_at(
            peer, words(1, 3), period_s=0.02, timeout_s=0.25, retries=0, silent_max=99
        )
        async with opened(settings) as driver:
            got = await one_poll(driver)
    assert {(reading.status, reading.value) for reading in got.values()} == {(Status.BAD, None)}
    assert {reading.code for reading in got.values()} <= {int(Doubt.NO_ANSWER), int(Doubt.NO_VALUE)}


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_late_answer_is_not_taken_for_the_next(transport: str) -> None:
    def late(question: Question, pdu: bytes) -> Answer:
        # The first comes while the second is awaited, and before the second's own answer.
        return [({0: 2.7, 1: 1.35}.get(question.number, 0), pdu)]

    async with Peer({1: Device(holding={0: 1, 200: 2})}, **TRANSPORTS[transport]) as peer:
        peer.misbehave = late
        signals = [{"name": "first", "address": 0}, {"name": "second", "address": 200}]
        more = {"retries": 0, "silent_max": 9, "period_s": 0.02, "timeout_s": 1.8}
        async with opened(settings_at(peer, signals, **more)) as driver:
            got = await one_poll(driver)
            again = await one_poll(driver)
    assert got["first"].code == Doubt.NO_ANSWER
    assert got["second"].value == 2
    assert (again["first"].value, again["second"].value) == (1, 2)


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("transport", ["rtu-over-tcp", "serial"])
async def test_an_echo_that_is_known_of_costs_nothing(transport: str, together: bool) -> None:
    def echoing(question: Question, pdu: bytes) -> Answer:
        ((_, both),) = echoed(peer, question, pdu)
        if together:
            return [(0, both)]
        return [(0, both[:4]), (0.01, RAW + both[4:9]), (0.01, RAW + both[9:])]

    async with Peer({1: Device(holding=DEVICE)}, **TRANSPORTS[transport]) as peer:
        peer.misbehave = echoing
        settings = settings_at(peer, words(1, 3), period_s=0.05, timeout_s=2, echo=True)
        async with opened(settings) as driver:
            for _ in range(2):
                assert values(await one_poll(driver)) == [7, 14, 21]
        assert len(peer.questions) == 2


async def test_a_late_answer_together_with_the_awaited_one() -> None:
    late: list[bytes] = []

    def together(question: Question, pdu: bytes) -> Answer:
        if question.number == 0:
            late.append(peer.frame(question, pdu))
            return []
        if question.number == 1:
            return [(0, RAW + late[0] + peer.frame(question, pdu))]
        return [(0, pdu)]

    async with Peer({1: Device(holding=DEVICE)}) as peer:
        peer.misbehave = together
        async with opened(settings_at(peer, words(0, 125), **QUICK)) as driver:
            assert (await one_poll(driver))["w124"].value == 868
        assert len(peer.questions) == 2


async def test_a_short_answer_is_no_value_of_the_one_signal() -> None:
    def short(question: Question, pdu: bytes) -> Answer:
        if not question.address <= 3 < question.address + question.count:
            return [(0, pdu)]
        return [(0, bytes((3, pdu[1] - 2)) + pdu[2:-2])]  # one register fewer, well formed

    async with Peer({1: Device(holding=DEVICE)}) as peer:
        peer.misbehave = short
        async with opened(settings_at(peer, words(0, 6), **QUICK)) as driver:
            got = await one_poll(driver)
    assert got["w3"].status is Status.BAD
    assert got["w3"].code == Doubt.NO_VALUE
    assert got["w3"].raw
    assert [got[f"w{n}"].value for n in (0, 1, 2, 4, 5)] == [0, 7, 14, 28, 35]


def values(got: dict[str, Reading]) -> list[object]:
    return [reading.value for _, reading in sorted(got.items())]
