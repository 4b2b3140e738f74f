"""What a line will be asked: rates that meet, and the time of a serial line."""

from __future__ import annotations

from typing import Any

import pytest

from protocols.field.modbus.forecast import Forecast, forecast
from protocols.field.modbus.settings import ModbusSettings
from tests.contract.modbus.modbus_peer import Device, Peer
from tests.contract.modbus.reading import DEVICE, one_poll, opened, settings_at, words


def of(signals: list[dict[str, Any]], **more: Any) -> Forecast:
    given = {"host": "plc", "signals": signals} | more
    return forecast(ModbusSettings.model_validate(given))


def periods(*seconds: float) -> list[dict[str, Any]]:
    return [{"name": f"s{at}", "address": 500 * at, "period_s": s} for at, s in enumerate(seconds)]


def test_rates_that_divide_each_other_meet() -> None:
    found = of(periods(1, 2, 4))
    assert {each.periods: each.per_s for each in found.rounds} == pytest.approx(
        {(1.0,): 0.5, (1.0, 2.0): 0.25, (1.0, 2.0, 4.0): 0.25}
    )
    assert found.requests_per_s == pytest.approx(1 + 1 / 2 + 1 / 4)
    assert found.exact


def test_rates_that_do_not_divide_each_other_meet_now_and_then() -> None:
    found = of(periods(0.2, 0.3))
    assert {each.periods: each.per_s for each in found.rounds} == pytest.approx(
        {(0.2,): 10 / 3, (0.3,): 5 / 3, (0.2, 0.3): 5 / 3}
    )


def test_rates_that_hardly_ever_meet_are_counted_each_for_itself() -> None:
    found = of(periods(0.0123457, 0.0987651))
    assert not found.exact
    assert found.requests_per_s == pytest.approx(1 / 0.0123457 + 1 / 0.0987651)


def test_the_time_of_a_serial_line() -> None:
    serial: dict[str, Any] = {"transport": "serial", "serial_port": "/dev/ttyS0", "baud_rate": 9600}
    # 8 characters asked, 5 + 20 answered, 3.5 silent before each; 11 bits a character.
    assert of(words(0, 10), **serial).load == pytest.approx((8 + 25 + 7) * 11 / 9600)
    assert of(words(0, 10), **serial, parity="N").load == pytest.approx((8 + 25 + 7) * 10 / 9600)
    fast = serial | {"baud_rate": 115_200, "turnaround_s": 0.05}
    assert of(words(0, 10), **fast).load == pytest.approx(33 * 11 / 115_200 + 0.1)
    coils = [{"name": "c", "table": "coil", "address": 0}]
    assert of(coils, **serial).load == pytest.approx((8 + 6 + 7) * 11 / 9600)
    assert of(words(0, 10)).load is None


async def test_it_is_what_the_driver_asks() -> None:
    signals = [
        *words(0, 140),
        {"name": "guarded", "address": 200, "type": "int32", "guard": 210},
        {"name": "other", "address": 0, "unit_id": 2},
    ]
    async with Peer({unit: Device(holding=DEVICE) for unit in (1, 2)}) as peer:
        settings = settings_at(peer, signals, period_s=1.0)
        assert isinstance(settings, ModbusSettings)
        async with opened(settings) as driver:
            assert all(seen.value is not None for seen in (await one_poll(driver)).values())
        (only,) = forecast(settings).rounds
        planned = [
            (block.unit, block.address, block.count)
            for request in only.requests
            for block in (request.block, *request.counters, *request.counters)
        ]
        asked = [(each.unit, each.address, each.count) for each in peer.questions]
    assert sorted(planned) == sorted(asked)
    assert forecast(settings).requests_per_s == len(asked)
