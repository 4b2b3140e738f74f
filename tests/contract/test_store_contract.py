"""What every store must do; the same tests over SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from aggregator.app import make_store
from aggregator.errors import (
    SchemaError,
    StoreConflictError,
    StoreError,
    StoreUnavailableError,
)
from aggregator.settings import StoreSettings
from aggregator.store.base import Store
from aggregator.store.postgres import PostgresStore
from aggregator.store.queries import queries
from tests.servers import Postgres, running_postgres

STORES = ("sqlite", "postgres")


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=STORES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store/test.db"
    database: str = request.getfixturevalue("server").database()
    return database


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    store = make_store(StoreSettings(url=url, timeout_seconds=5))  # type: ignore[arg-type]
    await store.open()
    await store.migrate()
    yield store
    await store.close()


async def add(store: Store, gateway: str) -> None:
    async with store.write() as tx:
        await tx.execute("gateways.add", gateway=gateway, registered_time=1, registered_by="a")


async def names(store: Store) -> list[str]:
    async with store.read() as tx:
        return [row["gateway"] for row in await tx.fetch("gateways.all")]


async def test_migrating_twice_changes_nothing(store: Store) -> None:
    assert await store.migrate() == []


async def test_what_is_committed_is_read_by_another_connection(store: Store, url: str) -> None:
    await add(store, "gw-1")
    other = make_store(StoreSettings(url=url))  # type: ignore[arg-type]
    await other.open()
    try:
        assert await names(other) == ["gw-1"]
    finally:
        await other.close()


async def test_a_block_that_raises_leaves_nothing(store: Store) -> None:
    async def write() -> None:
        async with store.write() as tx:
            await tx.execute("gateways.add", gateway="gw-1", registered_time=1, registered_by="a")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await write()
    assert await names(store) == []


async def test_a_broken_constraint_rolls_back_the_whole_block(store: Store) -> None:
    async def write() -> None:
        async with store.write() as tx:
            await tx.execute("gateways.add", gateway="gw-2", registered_time=1, registered_by="a")
            await tx.execute("gateways.add", gateway="gw-1", registered_time=1, registered_by="a")

    await add(store, "gw-1")
    with pytest.raises(StoreConflictError):
        await write()
    assert await names(store) == ["gw-1"]


async def test_a_cancelled_block_leaves_nothing_and_blocks_nobody(store: Store) -> None:
    entered = asyncio.Event()

    async def write() -> None:
        async with store.write() as tx:
            await tx.execute("gateways.add", gateway="gw-1", registered_time=1, registered_by="a")
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await add(store, "gw-2")
    assert await names(store) == ["gw-2"]


async def test_one_writer_at_a_time_and_none_is_lost(store: Store) -> None:
    async def raise_version() -> None:
        async with store.write() as tx:
            await tx.execute("log.touch_trust")

    await asyncio.gather(*(raise_version() for _ in range(20)))
    async with store.read() as tx:
        row = await tx.fetch_one("log.state")
    assert row is not None
    assert row["trust_version"] == 20


async def test_a_reader_sees_one_state(store: Store) -> None:
    await add(store, "gw-1")
    async with store.read() as tx:
        before = await tx.fetch("gateways.all")
        await add(store, "gw-2")
        assert await tx.fetch("gateways.all") == before
    assert await names(store) == ["gw-1", "gw-2"]


async def test_a_look_sees_what_is_committed_and_nothing_else(store: Store) -> None:
    async with store.write() as tx:
        await tx.execute("gateways.add", gateway="gw-1", registered_time=1, registered_by="a")
        assert await store.look("gateways.all") == []
    assert [row["gateway"] for row in await store.look("gateways.all")] == ["gw-1"]
    with pytest.raises(StoreError, match="no query named"):
        await store.look("gateways.nothing")


async def test_values_come_back_as_they_went_in(store: Store) -> None:
    data = bytes(range(256))
    async with store.write() as tx:
        await tx.execute(
            "log.add_entry", position=2**62, kind="Zürich 批号 \N{LATIN SMALL LETTER E}", data=data
        )
        await tx.execute_many(
            "log.add_hash",
            [{"level": level, "position": -(2**62), "hash": b""} for level in range(3)],
        )
        row = await tx.fetch_one("log.hash", level=1, position=-(2**62))
    assert row is not None
    assert row["hash"] == b""


async def test_rows_touched_are_counted(store: Store) -> None:
    async with store.write() as tx:
        assert await tx.execute("log.touch_trust") == 1
        assert await tx.execute("segments.remove", segment_id=7) == 0
        assert await tx.fetch_one("gateways.one", gateway="gw-9") is None


async def test_unknown_queries_and_parameters_are_refused(store: Store) -> None:
    async with store.read() as tx:
        with pytest.raises(StoreError, match="no query named"):
            await tx.fetch("gateways.of_mars")
        with pytest.raises(StoreError, match="takes"):
            await tx.fetch("gateways.one", gateway="gw-1", colour="red")


async def test_a_transaction_ends_with_its_block(store: Store) -> None:
    async with store.read() as tx:
        pass
    with pytest.raises(StoreError, match="over"):
        await tx.fetch("gateways.all")


async def test_a_number_too_wide_is_refused_and_nothing_is_written(store: Store) -> None:
    with pytest.raises(StoreError):
        async with store.write() as tx:
            await tx.execute(
                "gateways.add", gateway="gw-1", registered_time=2**70, registered_by="a"
            )
    assert await names(store) == []


async def test_a_newer_store_is_not_touched(store: Store) -> None:
    await _plant_migration(store, 9_999, "later")
    with pytest.raises(SchemaError, match="9999"):
        await store.migrate()


async def test_what_named_lots_before_the_index_of_lots_is_in_it(store: Store) -> None:
    documents = {
        ("work_order", "WO-1"): '{"lots":[{"gtin":"4012345123456","lot":"L-1"},'
        '{"gtin":"04012345123456","lot":"L-2"}],"order":"WO-1"}',
        ("job", "J-1"): '{"gtin":"04012345123456","job":"J-1","lot":"L-2","order":"WO-1"}',
        ("lot", "04012345123456/L-2"): '{"gtin":"04012345123456","lot":"L-2"}',
        ("limit", "04012345123456/heat"): '{"gtin":"04012345123456","parameter":"heat"}',
    }
    async with store.write() as tx:
        for (kind, key), document in documents.items():
            await tx.execute(
                "master.insert",
                kind=kind,
                key=key,
                version=1,
                document=document,
                recorded_at=1,
                recorded_by="a",
                state="approved",
                effective_from=0,
                effective_to=None,
            )
    await _raw(store, "DROP TABLE lot_mentions")
    await _raw(store, "DELETE FROM schema_migrations WHERE subject = 'lot_index'")
    assert await store.migrate() == ["0011_lot_index"]
    async with store.read() as tx:
        found = {
            (lot, kind): [
                row["key"]
                for row in await tx.fetch(
                    "lot_index.mentioning", lot=f"04012345123456/{lot}", kind=kind
                )
            ]
            for lot in ("L-1", "L-2")
            for kind in ("work_order", "job", "lot")
        }
    assert {name: keys for name, keys in found.items() if keys} == {
        ("L-1", "work_order"): ["WO-1"],
        ("L-2", "work_order"): ["WO-1"],
        ("L-2", "job"): ["J-1"],
    }


async def test_every_query_is_understood_by_the_store(store: Store, url: str) -> None:
    """Each named query is prepared: a name or a column that one dialect lacks is found here."""
    dialect = "sqlite" if url.startswith("sqlite") else "postgres"
    for query in queries(dialect).values():
        await _prepare(store, query.name)


async def test_a_closed_store_says_so(store: Store) -> None:
    await store.close()
    with pytest.raises(StoreError):
        async with store.read():
            pass
    await store.close()


async def test_a_server_that_is_not_there_is_said_with_a_hint() -> None:
    store = PostgresStore("postgresql://nobody@127.0.0.1:1/none", timeout_seconds=2)
    with pytest.raises(StoreUnavailableError) as raised:
        await store.open()
    assert "store.url" in raised.value.hint


async def test_a_server_that_dies_is_said_and_its_return_is_noticed(server: Postgres) -> None:
    store = PostgresStore(server.database(), timeout_seconds=5)
    await store.open()
    await store.migrate()
    await add(store, "gw-1")
    server.stop("immediate")
    try:
        with pytest.raises(StoreUnavailableError):
            await add(store, "gw-2")
    finally:
        server.start()
    await add(store, "gw-3")
    assert await names(store) == ["gw-1", "gw-3"]
    await store.close()


async def _prepare(store: Store, name: str) -> None:
    async with store.write() as tx:
        if isinstance(store, PostgresStore):
            query = queries("postgres")[name]
            await tx._open().prepare(query.numbered)  # type: ignore[attr-defined]
        else:
            query = queries("sqlite")[name]
            params = dict.fromkeys(query.params)
            await tx._run(  # type: ignore[attr-defined]
                lambda database: database.execute(f"EXPLAIN {query.sql}", params).fetchall()
            )


async def _raw(store: Store, statement: str) -> None:
    async with store.write() as tx:
        if isinstance(store, PostgresStore):
            await tx._open().execute(statement)  # type: ignore[attr-defined]
        else:
            await tx._run(  # type: ignore[attr-defined]
                lambda database: database.execute(statement)
            )


async def _plant_migration(store: Store, number: int, subject: str) -> None:
    async with store.write() as tx:
        if isinstance(store, PostgresStore):
            await tx._open().execute(  # type: ignore[attr-defined]
                "INSERT INTO schema_migrations VALUES ($1, $2, 'x')", number, subject
            )
        else:
            await tx._run(  # type: ignore[attr-defined]
                lambda database: database.execute(
                    "INSERT INTO schema_migrations VALUES (?, ?, 'x')", (number, subject)
                )
            )


async def test_a_caller_that_is_cancelled_leaves_the_store_usable(store: Store) -> None:
    """As where a browser goes away in the middle of its request, at whatever step."""
    for ticks in range(40):
        for work in (add(store, f"gw-{ticks}"), names(store)):
            task = asyncio.ensure_future(work)
            for _ in range(ticks):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    async with asyncio.timeout(5):
        await add(store, "gw-last")
        for _ in range(4):  # every reader has its turn
            assert "gw-last" in await names(store)
