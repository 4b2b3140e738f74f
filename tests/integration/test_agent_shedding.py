"""A line too slow for its equipment: what is critical is kept, the rest is declared."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from plant.equipment.registers import RegisterServer, Table
from protocols.wire.reading import GapReason
from tests.integration.agent_peer import Plant, until

SIGNALS = 100  # that may be given up first, beside the critical one
PATIENCE = 120.0


class Press:
    """Registers that all hold how often the first of them was read."""

    def __init__(self) -> None:
        self.polls = 0

    def read(self, _table: Table, address: int, count: int) -> Sequence[int]:
        self.polls += address == 0
        return [self.polls] * count

    @staticmethod
    def source(port: int) -> str:
        text = f"""
[[source]]
name = "press"
driver = "modbus"
host = "127.0.0.1"
port = {port}
period_s = 0.05
[[source.signals]]
name = "press/critical"
address = 0
shed = "last"
"""
        for at in range(1, SIGNALS + 1):
            text += f'[[source.signals]]\nname = "press/{at}"\naddress = {at}\nshed = "first"\n'
        return text


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    found = Plant(tmp_path)
    async with found:
        yield found


async def test_only_what_may_be_given_up_is_and_each_reading_of_it_is_declared(
    plant: Plant,
) -> None:
    press = Press()
    server = RegisterServer({1: press.read})
    await server.start()
    try:
        # A cut a second; the room between two is for four polls of all, or 400 critical readings.
        plant.write_settings(
            press.source(server.port), seal={"age_max_s": 1.0}, collect={"readings_max": 400}
        )
        await plant.make_key()
        await plant.agent.start()
        giver = plant.giver

        def refused() -> int:
            return max(
                (h.counters.refused.get("overrun", 0) for h in giver.headers.values()), default=0
            )

        await until(lambda: refused() > 2000, "nothing had to be given up", seconds=PATIENCE)
        report = await plant.stop_with_all_arrived()
    finally:
        await plant.agent.kill()  # the server waits for its clients
        await server.stop()
    assert not giver.problems
    (epoch,) = giver.chains
    headers = [giver.headers[epoch, number] for number in range(report.head + 1)]
    critical = sorted(
        int(str(each.value)) for each in giver.readings if each.signal == "press/critical"
    )
    assert critical == list(range(1, len(critical) + 1)), "a critical reading is missing, or twice"
    kept = Counter(str(each.signal) for each in giver.readings)
    lost: Counter[str] = Counter()
    for gap in (gap for header in headers for gap in header.gaps):
        # Of the source itself: polls that a busy machine did not make; nothing was read then.
        if gap.reason is GapReason.OVERRUN and gap.subject != "press":
            assert gap.start <= gap.end
            lost[gap.subject] += gap.count or 0
    assert set(lost) == {f"press/{at}" for at in range(1, SIGNALS + 1)}
    assert {kept[name] + lost[name] for name in lost} == {len(critical)}
    counters = headers[-1].counters
    assert counters.refused == {"overrun": lost.total()}
    assert counters.read == counters.sealed + lost.total()
