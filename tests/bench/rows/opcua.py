"""Row b: OPC UA notifications to the aggregator's store, beside a bare asyncua client.

One asyncua server whose variables all change; both clients ask for every change. The bare client
counts what it is notified of and keeps nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

from asyncua import Server, ua

from plant.clock import utc_now
from plant.ports import free_port
from tests.bench.line import WatchedLine, source
from tests.bench.measure import interleave, now
from tests.bench.peers.client import bare
from tests.bench.scale import Scale
from tests.bench.table import Entry, Goal

NODES: Final = 1000
PERIOD_S: Final = 0.5


async def run(folder: Path, scale: Scale) -> list[Entry]:
    """Measure both in turn, with bundles cut once a second."""
    async with (
        changing_nodes(NODES, PERIOD_S) as port,
        WatchedLine(folder / "site", seal_age_s=1.0) as line,
    ):
        await line.set_up(opcua_source(line.site.folder, port, NODES, PERIOD_S))
        rounds = await interleave(
            {
                "ours": lambda: line.turn(scale.turn_s),
                "bare": lambda: bare(
                    "opcua", port=port, count=NODES, seconds=scale.turn_s, period=PERIOD_S
                ),
            },
            rounds=scale.rounds,
        )
    cpu = rounds.ratio("cpu_us", "ours", "bare")
    goal = Goal(name="G1", text="at most 0.5 x", reached=cpu <= 0.5)
    what = f"OPC UA, {NODES:,} variables at {1 / PERIOD_S:g} Hz, to the aggregator's store"
    entries = [
        Entry(
            row="b",
            what=what,
            figure=figure,
            ours=rounds.median("ours", key),
            beside="bare asyncua client, keeps nothing",
            theirs=rounds.median("bare", key),
            ratio=rounds.ratio(key, "ours", "bare"),
            goal=goal if key == "cpu_us" else None,
        )
        for key, figure in (
            ("readings_per_s", "readings/s"),
            ("cpu_us", "CPU us a reading (agent)"),
            ("rss_mb", "MB (agent)"),
        )
    ]
    aggregator = Entry(
        row="b",
        what=what.replace("to the aggregator's store", "at the aggregator"),
        figure="CPU us a reading",
        ours=rounds.median("ours", "aggregator_cpu_us"),
    )
    return [*entries, aggregator]


def drifting(number: int, turn: int) -> float:
    """Return the value of variable ``number``, that of a sensor with two decimals."""
    return round(20.0 + number + turn % 89 / 100, 2)


@contextlib.asynccontextmanager
async def changing_nodes(
    count: int, period_s: float, value: Callable[[int, int], float] = drifting
) -> AsyncIterator[int]:
    """Serve so many variables, all of which change every period; yields the port.

    ``value`` gives the value of variable 0 and on in a turn; a variable has every tenth turn.
    """
    logging.getLogger("asyncua").setLevel(logging.ERROR)
    port, server = free_port(), Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/bench/")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    await server.register_namespace("urn:lotproof:bench")
    folder = await server.nodes.objects.add_folder(ua.NodeId("Bench", 2), "Bench")
    nodes = [
        (await folder.add_variable(ua.NodeId(number, 2), f"V{number}", 20.0 + number)).nodeid
        for number in range(1, count + 1)
    ]
    async with server:
        changing = asyncio.create_task(_change(server, nodes, period_s, value))
        try:
            yield port
        finally:
            changing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await changing


async def _change(
    server: Any, nodes: list[Any], period_s: float, value: Callable[[int, int], float]
) -> None:
    """Give every variable a new value every period, a tenth of them at a time."""
    part, turn, due = max(1, len(nodes) // 10), 0, now()
    while True:
        first = turn % 10 * part
        for number, node in enumerate(nodes[first : first + part], first):
            variant = ua.Variant(value(number, turn), ua.VariantType.Double)
            changed = ua.DataValue(variant, SourceTimestamp=utc_now())
            await server.write_attribute_value(node, changed)
        turn += 1
        due += period_s / 10
        await asyncio.sleep(max(0.0, due - now()))


def opcua_source(folder: Path, port: int, count: int, period_s: float) -> str:
    """Return the source of the agent's settings that observes the variables."""
    signals = [
        {
            "name": f"bench/v-{number:04}",
            "kind": "float64",
            "address": f"ns=2;i={number}",
            "sampling_s": period_s,
        }
        for number in range(1, count + 1)
    ]
    return source(
        folder,
        "bench",
        "opcua",
        signals,
        endpoint=f"opc.tcp://127.0.0.1:{port}/bench/",
        security="None",
        publishing_s=period_s,
    )
