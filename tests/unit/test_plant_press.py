"""The simulated press as a client sees it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from asyncua import Client, ua

from plant.equipment.press import NAMESPACE, SIGNALS, Lines, Press, PressStatus
from plant.equipment.press_model import PressModel

UPDATE = 0.02


@pytest.fixture
async def press() -> AsyncIterator[Press]:
    # Twenty times faster than life: a heat-up takes a second.
    async with Press(update_seconds=UPDATE, speed=10.0, lines=Lines.PLAIN_TOO) as press:
        press.model.warm_up()
        yield press


@asynccontextmanager
async def client_of(press: Press) -> AsyncIterator[Client]:
    client = Client(press.endpoint, timeout=60)
    async with client:
        yield client


async def show(client: Client, name: str) -> ua.DataValue:
    index = await client.get_namespace_index(NAMESPACE)
    node = client.get_node(ua.NodeId(f"Press.{name}", index))
    return await node.read_data_value(raise_on_bad_status=False)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110 -- a server is asked, it does not tell
            await asyncio.sleep(UPDATE)


async def until_shown(client: Client, name: str, value: object) -> None:
    async def shown() -> bool:
        return bool((await show(client, name)).Value.Value == value)

    await until(shown)


async def test_a_lot_is_shown_from_its_start_to_its_end(press: Press) -> None:
    async with client_of(press) as client:
        assert (await show(client, "LotId")).Value.Value == ""
        await press.start_lot("LOT-1", "WO-1")
        assert (await show(client, "LotId")).Value.Value == "LOT-1"
        assert (await show(client, "WorkOrder")).Value.Value == "WO-1"
        assert (await show(client, "State")).Value.Value == PressStatus.PRODUCING
        await until_shown(client, "JobPhase", "dwell")
        await until_shown(client, "CycleCount", 2)
        await press.end_lot()
        assert (await show(client, "LotId")).Value.Value == ""
        assert (await show(client, "JobPhase")).Value.Value == "idle"


async def test_signals_are_the_nodes_that_there_are(press: Press) -> None:
    async with client_of(press) as client:
        assert len(SIGNALS) == 8
        for row in SIGNALS:
            node = str(row["address"]).rpartition("Press.")[2]
            data = await show(client, node)
            assert data.StatusCode.is_good(), row
            assert data.SourceTimestamp is not None


async def test_an_excursion_is_seen_on_the_plate(press: Press) -> None:
    await press.excursion(kelvin=15.0, seconds=20.0)

    async def hot() -> bool:
        return press.state.plate_temperature > 145.0

    async def well_again() -> bool:
        return press.state.plate_temperature < 138.0

    await until(hot)
    await until(well_again)


async def test_a_failing_sensor_says_so_and_then_lies(press: Press) -> None:
    async with client_of(press) as client:
        await press.fail_sensor(seconds=8.0)
        failed = await show(client, "PlateTemperature")
        assert failed.StatusCode.value == ua.StatusCodes.BadSensorFailure
        assert (await show(client, "State")).Value.Value == PressStatus.FAULT

        async def lies() -> bool:
            data = await show(client, "PlateTemperature")
            return data.StatusCode.is_good() and math.isnan(data.Value.Value)

        await until(lies)
        await until_shown(client, "State", PressStatus.IDLE)
        assert (await show(client, "PlateTemperature")).Value.Value == pytest.approx(135.0, abs=1.5)


async def test_it_comes_back_at_the_same_port_and_has_gone_on(press: Press) -> None:
    await press.start_lot("LOT-1", "WO-1")
    endpoint = press.endpoint
    await press.stop()
    cycles = press.state.cycle_count

    async def gone_on() -> bool:
        return press.state.cycle_count > cycles

    await until(gone_on)
    await press.start()
    assert press.endpoint == endpoint
    async with client_of(press) as client:
        assert (await show(client, "LotId")).Value.Value == "LOT-1"


async def test_the_server_shows_what_the_seeded_model_gives() -> None:
    async with Press(seed=5, update_seconds=UPDATE, lines=Lines.PLAIN_TOO) as press:
        seen = []
        for _ in range(5):
            await press._next_update()
            seen.append(press.state)
    model = PressModel(seed=5)
    model.step(0.0)
    expected = [model.step(UPDATE) for _ in range(10)]
    assert any(expected[start : start + 5] == seen for start in range(5))


def test_an_encrypted_line_needs_certificate_and_key(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="certificate and private_key"):
        Press(certificate=tmp_path / "press.pem")
