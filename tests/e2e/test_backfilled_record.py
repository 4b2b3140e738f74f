"""What an agent's absence cost is in the record of its lot, from the equipment's own history.

A real OPC UA server with a historian, the agent as a process, a broker, the aggregator as a
process, and the verifier as an auditor runs it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from plant.clock import utc_now
from plant.process import ask, our_command
from plant.site import GATEWAY, Site
from protocols.wire.reading import SECOND
from tests.contract.driver_contract import behind_proxy
from tests.contract.opcua.history_rig import HistoryRig

GTIN: Final = "09506000134352"
LOT: Final = "L-0042"
PRESS: Final = "acme/suzhou/press-1"
SIGNAL: Final = "press-1/counter"
RECORD: Final = f"/records/{GTIN}/{LOT}"
PATIENCE_S: Final = 180.0

MASTER: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    (f"/equipment/{PRESS}", {"path": PRESS, "name": "Sealing press"}),
    (
        f"/signals/{GATEWAY}/{SIGNAL}",
        {
            "gateway": GATEWAY,
            "signal": SIGNAL,
            "equipment": PRESS,
            "value_kind": "uint",
            "unit": "1",
            "role": "variable",
        },
    ),
    (f"/materials/{GTIN}", {"gtin": GTIN, "name": "Sterile tray"}),
    (
        f"/limits/{GTIN}/cycles",
        {
            "gtin": GTIN,
            "gateway": GATEWAY,
            "parameter": "cycles",
            "signal": SIGNAL,
            "unit": "1",
            "action_low": 0,
            "gap_max_s": 60.0,  # what is declared missing is told all the same
        },
    ),
    (f"/lots/{GTIN}/{LOT}", {"gtin": GTIN, "lot": LOT, "material": "Sterile tray"}),
    ("/work-orders/WO-1", {"order": "WO-1", "lots": [{"gtin": GTIN, "lot": LOT}]}),
    (
        "/jobs/J-1",
        {
            "job": "J-1",
            "order": "WO-1",
            "gtin": GTIN,
            "lot": LOT,
            "operation": "seal",
            "equipment": PRESS,
        },
    ),
)


@pytest.fixture
async def rig() -> AsyncIterator[HistoryRig]:
    async with behind_proxy(HistoryRig) as rig:
        yield rig


@pytest.fixture
async def site(tmp_path: Path, rig: HistoryRig) -> AsyncIterator[Site]:
    async with Site(tmp_path / "site") as site:
        await site.set_up(f"""
[[source]]
name = "press-1"
driver = "opcua"
endpoint = "opc.tcp://127.0.0.1:{rig.proxy.port}"
security = "None"
publishing_s = 0.1

[[source.signals]]
name = "{SIGNAL}"
address = "nsu=urn:lotproof:test:press;s=Counter"
kind = "uint"
sampling_s = 0.0
""")
        await site.aggregator.start()
        for path, document in MASTER:
            await put(site, path, document)
        yield site


@pytest.mark.parametrize("ends", ["afterwards", "meanwhile"])
async def test_the_record_of_a_lot_has_what_its_agent_missed(
    site: Site, rig: HistoryRig, tmp_path: Path, ends: str
) -> None:
    producing = asyncio.create_task(produce(rig))
    try:
        await site.agent.start()
        await newest(site, above=5)
        start = now()
        made = rig.counted
        await newest(site, above=made + 10)
        await site.agent.kill()
        lost = rig.counted
        while rig.counted < lost + 40:  # the equipment goes on alone  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        back, gone = rig.counted, now()
        await site.agent.start()
        await newest(site, above=back + 10)
        end = now() if ends == "afterwards" else gone
        record = await backfilled(site, start, end)
    finally:
        producing.cancel()
        await asyncio.gather(producing, return_exceptions=True)

    said = declared(record)
    (stopped,) = [gap for gap in said if gap["reason"] == "agent_stopped"]
    came = next(gap for gap in said if gap["reason"] == "backfilled")
    assert came["subject"] == "press-1"
    assert came["start"] <= stopped["start"]
    assert came["end"] >= stopped["end"]
    assert came["count"] >= back - lost
    (parameter,) = record["parameters"]
    assert parameter["gaps"] == []
    window = {"gateway": GATEWAY, "signal": SIGNAL, "start": start, "end": end}
    values = sorted((await site.client.get("/readings", **window))["values"])
    assert values == list(range(values[0], values[-1] + 1)), "a count is missing or came twice"
    assert set(values) >= set(range(lost + 1, back + 1)), "what was made meanwhile is missing"

    path = tmp_path / f"{LOT}.dossier"
    path.write_bytes(await site.client.fetch(f"{RECORD}.dossier"))
    printed = await ask(our_command("verifier", str(path), "--trust", str(site.policy)))
    assert printed.startswith("VERIFIED"), printed


async def put(site: Site, path: str, document: dict[str, Any]) -> None:
    """Put master data, as soon as the aggregator listens."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with contextlib.suppress(httpx.TransportError):
                await site.client.put(path, document, reason="set up by the test")
                return
            await asyncio.sleep(0.2)


async def produce(rig: HistoryRig) -> None:
    while True:
        await rig.produce()
        await asyncio.sleep(0.05)  # the equipment's own rhythm


async def newest(site: Site, *, above: int) -> None:
    """Wait until the aggregator has a count beyond that."""

    def is_there(answer: Any) -> bool:
        return any(
            item["signal"] == SIGNAL and item["values"][-1] > above for item in answer["items"]
        )

    await site.client.until("/readings/latest", is_there, timeout_s=PATIENCE_S)


async def backfilled(site: Site, start: int, end: int) -> dict[str, Any]:
    """Return the lot's record as soon as it tells of what came late."""
    occupancy = {
        "kind": "occupancy",
        "equipment": PRESS,
        "lot": {"gtin": GTIN, "lot": LOT},
        "reason": "seen at the press",
        "start": start,
        "end": end,
    }
    await site.client.post("/facts", occupancy)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await site.client.until(
                f"{RECORD}/preview",
                lambda answer: answer["state"] == "complete",
                timeout_s=PATIENCE_S,
            )
            await site.client.post(RECORD)
            record: dict[str, Any] = json.loads(await site.client.fetch(f"{RECORD}.json"))
            if any(gap["reason"] == "backfilled" for gap in declared(record)):
                return record
            await asyncio.sleep(0.5)


def declared(record: dict[str, Any]) -> list[dict[str, Any]]:
    return [gap for chain in record["chains"] for gap in chain["gaps"]]


def now() -> int:
    return int(utc_now().timestamp() * SECOND)
