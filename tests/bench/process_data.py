"""Readings as a line gives them, from the plant's own models, and the same as PubSub JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from enum import Enum

from plant.equipment.cleanroom import RoomState, advance
from plant.equipment.press_model import PressModel
from protocols.wire.reading import SECOND, Kind, Reading, SignalName
from tests.sealed import START


class Resolution(Enum):
    """How fine the values of the models come out of the equipment."""

    SENSOR = 0  # as a 16-bit input gives them: 0.01 K, 0.001 bar, 0.1 Pa
    DOUBLE = 1  # all 53 bits of the models' noise: nothing can make that small


def line_readings(
    signals: int, seconds: int, *, resolution: Resolution = Resolution.SENSOR, seed: int = 1
) -> Iterator[list[Reading]]:
    """Yield the readings of each second, of presses and clean rooms with so many signals in all.

    Five signals of eight are a press's, the others a clean room's, as in ``plant.line``.
    """
    units = -(-signals // _SIGNALS_A_UNIT)
    presses = [PressModel(seed=seed + unit) for unit in range(units)]
    rooms = [RoomState() for _ in range(units)]
    for number, press in enumerate(presses):
        press.warm_up()
        press.start_lot(f"LOT-{number}", "WO-1")
    for second in range(seconds):
        time = START + second * SECOND
        found: list[Reading] = []
        for unit, press in enumerate(presses):
            rooms[unit] = advance(rooms[unit], seed=seed + unit, door_held=False, fan_weak=False)
            found += _unit(unit, press, rooms[unit], time, resolution)
        yield found[:signals]


_SIGNALS_A_UNIT = 8


def _unit(
    unit: int, press: PressModel, room: RoomState, time: int, resolution: Resolution
) -> Iterator[Reading]:
    state = press.step(1.0)
    fine = resolution is Resolution.DOUBLE
    values: tuple[tuple[str, Kind, int | float], ...] = (
        ("press/plate-temperature", Kind.FLOAT64, _at(state.plate_temperature, 2, fine)),
        ("press/seal-pressure", Kind.FLOAT64, _at(state.seal_pressure, 3, fine)),
        ("press/dwell-time", Kind.FLOAT64, _at(state.dwell_time, 2, fine)),
        ("press/cycle-count", Kind.UINT, state.cycle_count),
        ("press/state", Kind.UINT, 1),
        ("room/temperature", Kind.FLOAT64, _at(room.temperature, 2, fine)),
        ("room/humidity", Kind.FLOAT64, _at(room.humidity, 2, fine)),
        ("room/pressure", Kind.FLOAT64, _at(room.pressure, 1, fine)),
    )
    for name, kind, value in values:
        yield Reading(
            signal=SignalName(f"unit-{unit:02}/{name}"),
            kind=kind,
            value=value,
            gateway_time=time + 1_500_000,
            source_time=time,
        )


def _at(value: float, digits: int, fine: bool) -> float:
    return value if fine else round(value, digits)


def pubsub_json(seconds: Sequence[Sequence[Reading]], *, publisher: str = "gw-01") -> bytes:
    """Return the readings as OPC UA PubSub JSON network messages, one a second.

    OPC 10000-14 section 7.2.5: a ua-data message a second with one data set of DataValues, in the
    reversible encoding of OPC 10000-6 section 5.4, statuses left out where they are Good.
    """
    return b"\n".join(
        json.dumps(_message(number, readings, publisher), separators=(",", ":")).encode()
        for number, readings in enumerate(seconds)
    )


def _message(number: int, readings: Sequence[Reading], publisher: str) -> dict[str, object]:
    payload = {
        reading.signal: {
            "Value": {"Type": 11 if reading.kind is Kind.FLOAT64 else 9, "Body": reading.value},
            "SourceTimestamp": _iso(reading.source_time or reading.gateway_time),
        }
        for reading in readings
    }
    data_set = {
        "DataSetWriterId": 1,
        "SequenceNumber": number,
        "MetaDataVersion": {"MajorVersion": 1, "MinorVersion": 0},
        "Timestamp": _iso(readings[0].gateway_time),
        "Payload": payload,
    }
    return {
        "MessageId": f"{publisher}-{number}",
        "MessageType": "ua-data",
        "PublisherId": publisher,
        "Messages": [data_set],
    }


def _iso(time: int) -> str:
    when = datetime.fromtimestamp(time // SECOND, UTC)
    return f"{when:%Y-%m-%dT%H:%M:%S}.{time % SECOND // 1_000_000:03}Z"
