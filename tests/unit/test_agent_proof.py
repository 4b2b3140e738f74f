"""fsck finds whatever was changed; what the agent says of itself opens under its key."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
from pathlib import Path

import pytest

from edge_agent import status
from edge_agent.buffer.buffer import StoredReceipt
from edge_agent.fsck import check
from edge_agent.life import LifeStatements, ServiceManager
from edge_agent.status import LocalServer
from edge_agent.storage import BUFFER_FILE
from protocols.wire.life import (
    LifeKind,
    SettingsReport,
    SettingsState,
    SourceHealth,
    SourceState,
    open_life,
)
from protocols.wire.receipt import Receipt, seal_receipt
from tests.agent_line import KEY, NOW, fsck, line_in, receive
from tests.sealed import key_named


async def filled(folder: Path) -> None:
    """Leave a buffer of six bundles, the first two of them under a receipt."""
    async with line_in(folder) as line:
        for at in range(6):
            line.offer(line.reading(float(at)), line.reading(float(at), signal="b"))
            await line.sealer.cut()
        buffer = line.storage.buffer
        leaf = await line.storage.run(lambda b: b.leaf(1))
        receipt = Receipt(
            gateway=buffer.gateway,
            epoch=buffer.epoch,
            number=1,
            leaf=leaf or b"",
            position=1,
            checkpoint="",
            record_time=NOW,
        )
        sealed = seal_receipt(receipt, key_named("aggregator"))
        await line.storage.run(lambda b: receive(b, StoredReceipt(1, sealed)))


def change(folder: Path, *statements: str) -> None:
    raw = sqlite3.connect(folder / BUFFER_FILE)
    for statement in statements:
        raw.execute(statement)
    raw.commit()
    raw.close()


async def test_a_whole_buffer_is_whole(tmp_path: Path) -> None:
    await filled(tmp_path)
    report = fsck(tmp_path)
    assert report.problems == ()
    assert (report.bundles, report.readings, report.head, report.receipted) == (6, 12, 5, 1)


CHANGES = [
    ("DELETE FROM bundle WHERE number = 3", "bundles 3 to 3 are missing"),
    ("DELETE FROM bundle WHERE number = 5", "bundles 5 to 5 are missing"),
    ("DELETE FROM bundle WHERE number < 4", "no receipt covers them"),
    ("UPDATE bundle SET body = zeroblob(50) WHERE number = 2", "bundle 2"),
    ("UPDATE bundle SET leaf = randomblob(32) WHERE number = 2", "bundle 2 is not the one"),
    (
        "REPLACE INTO bundle SELECT 2, leaf, 0, sealed_header, body FROM bundle WHERE number = 1",
        "bundle 2 is not the one",
    ),
    ("UPDATE epoch SET head = 4", "bundles 5 to 5 are missing|head of the chain"),
    ("UPDATE epoch SET read = read + 1", "head of the chain"),
    ("UPDATE epoch SET epoch = randomblob(16)", "another gateway or epoch"),
    ("UPDATE receipt SET number = 0", "stored receipt"),
    ("UPDATE receipt SET sealed = randomblob(100)", "stored receipt does not open"),
    ("DELETE FROM epoch", "holds no epoch"),
    ("DROP TABLE bundle", "damaged"),
    ("PRAGMA user_version = 9", "not a buffer of this version"),
]


@pytest.mark.parametrize(("statement", "said"), CHANGES, ids=[s[:50] for s, _ in CHANGES])
async def test_every_change_is_found(tmp_path: Path, statement: str, said: str) -> None:
    await filled(tmp_path)
    change(tmp_path, statement)
    found = " ".join(fsck(tmp_path).problems)
    assert any(part in found for part in said.split("|")), found


async def test_bundles_of_another_key_are_found(tmp_path: Path) -> None:
    await filled(tmp_path)
    problems = check(tmp_path, key_named("somebody").public).problems
    assert len(problems) == 6


async def test_fsck_reads_beside_a_running_agent(tmp_path: Path) -> None:
    async with line_in(tmp_path) as line:
        for _ in range(3):
            line.offer(line.reading())
            await line.sealer.cut()
            assert fsck(tmp_path).problems == ()


async def test_statements_of_life_open_under_the_gateways_key(tmp_path: Path) -> None:
    health = SourceHealth(
        name="press-1",
        driver="opcua",
        state=SourceState.DOWN,
        since=NOW,
        last_reading=0,
        readings=0,
        error="no route",
    )
    async with line_in(tmp_path) as line:
        await line.sealer.cut()
        report = SettingsReport(
            hash=bytes(32), version=3, state=SettingsState.REFUSED, offered=4, why="no such key"
        )
        statements = LifeStatements(
            storage=line.storage,
            clock=line.clock,
            key=KEY,
            sources=lambda: [health],
            settings=lambda: report,
        )
        connection = statements.connection()
        life = open_life(await statements.seal(LifeKind.BIRTH, connection), KEY.public)
        assert life.settings == report
        assert (life.kind, life.head, life.receipted, life.sources) == (
            LifeKind.BIRTH,
            0,
            -1,
            (health,),
        )
        assert 0 < life.buffer_bytes < life.buffer_bytes_max
        line.source.advance(1_000_000)
        assert statements.connection() > connection


async def test_the_service_manager_hears_of_it(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        ServiceManager(str(tmp_path / "notify")).notify("READY=1")
        assert manager.recv(100) == b"READY=1"
    ServiceManager(str(tmp_path / "notify")).notify("STATUS=nobody listens")
    ServiceManager("").notify("READY=1")


async def test_status_is_asked_over_a_socket_however_deep_it_lies(tmp_path: Path) -> None:
    folder = tmp_path / ("deep-" * 20) / ("deeper-" * 20)
    folder.mkdir(parents=True)
    assert status.ask(folder) is None

    async def answer() -> dict[str, str]:
        return {"gateway": "gw-01"}

    server = LocalServer(folder, status.STATUS, answer)
    await server.start()
    assert await asyncio.to_thread(status.ask, folder) == {"gateway": "gw-01"}
    assert (folder / status.STATUS).stat().st_mode & 0o077 == 0
    await server.stop()
    assert status.ask(folder) is None
