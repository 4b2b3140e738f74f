"""Archives: a sealed copy of all that is stored, restored where there is nothing else."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aggregator.app import make_store
from aggregator.errors import ConflictError, DeniedError, EvidenceError, StoreConflictError
from aggregator.ingest.fsck import fsck
from aggregator.service import archive, export_record
from aggregator.settings import StoreSettings
from aggregator.store.table_file import TableFile, Values
from protocols.wire.checkpoint import NoteKey
from tests.personal import ADMIN, cheap_passwords
from tests.recorded_plant import GTIN, QA
from tests.reviewed_plant import Floor, opened
from tests.servers import Postgres, running_postgres

pytestmark = pytest.mark.usefixtures("cheap_passwords")
__all__ = ["cheap_passwords"]
STORES = ("sqlite", "postgres")


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


def fresh(kind: str, folder: Path, request: pytest.FixtureRequest) -> str:
    """Return the URL of a store in which nothing is."""
    if kind == "sqlite":
        return f"sqlite:///{folder / 'aggregator.db'}"
    url: str = request.getfixturevalue("server").database()
    return url


def note_key(floor: Floor) -> NoteKey:
    context = floor.context
    return NoteKey(name=context.settings.log.origin, key=context.keys.log.public)


@pytest.mark.req(43)
@pytest.mark.clause("21 CFR 11.10(c)")
async def test_an_archive_verifies_where_there_is_nothing_else_of_the_plant(tmp_path: Path) -> None:
    """21 CFR 11.10(c): protection of records to enable their accurate and ready retrieval.

    Another process, an empty folder, the archive and two public keys: nothing else of the plant.
    """
    async with opened(tmp_path / "plant") as floor:
        await floor.release()
        kept = await export_record.export_json(floor.context, QA, GTIN, "L-1")
        await archive.archive(floor.context, ADMIN, tmp_path / "archive", why="the year is over")
        keys = (floor.context.keys.seal.public.to_text(), note_key(floor).to_text())
    (tmp_path / "plant").rename(tmp_path / "burnt")
    clean = tmp_path / "clean"
    clean.mkdir()
    settings = clean / "aggregator.toml"
    settings.write_text(
        f'keys_folder = "{clean}/keys"\n[store]\nurl = "sqlite:///{clean}/aggregator.db"\n'
    )

    async def command(*arguments: str) -> str:
        environment = {"PATH": os.environ["PATH"], "HOME": str(clean)}
        ran = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "aggregator", *arguments, "--settings", str(settings)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    restored = ("restore", str(tmp_path / "archive"), "--seal-key", keys[0], "--log-key", keys[1])
    found = json.loads(await command(*restored, "--json"))
    assert found["faults"] == []
    assert found["bundles"] == 32
    assert found["audit_entries"] > 10
    await command("record", "export", GTIN, "L-1", "-f", "json", "--out", str(clean))
    assert (clean / "L-1.json").read_bytes() == kept


@pytest.mark.req(43)
@pytest.mark.parametrize("source", STORES)
@pytest.mark.parametrize("target", STORES)
async def test_every_table_goes_from_any_store_into_any_store(
    tmp_path: Path, request: pytest.FixtureRequest, source: str, target: str
) -> None:
    (tmp_path / "plant").mkdir()
    url = fresh(source, tmp_path / "plant", request)
    async with opened(tmp_path / "plant", url) as floor:
        await floor.release()
        await archive.archive(floor.context, ADMIN, tmp_path / "one", why="kept")
        seal, log = floor.context.keys.seal.public, note_key(floor)
    other = make_store(StoreSettings(url=fresh(target, tmp_path, request)))  # type: ignore[arg-type]
    await other.open()
    try:
        await other.migrate()
        await archive.restore(other, tmp_path / "one", seal)
        assert (await fsck(other, log)).faults == []
        await other.copy_to(tmp_path / "again.db")
    finally:
        await other.close()
    assert rows_of(tmp_path / "again.db") == rows_of(tmp_path / "one" / archive.STORE_FILE)


async def test_an_altered_or_foreign_archive_is_refused_and_nothing_is_restored(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path / "plant") as floor:
        folder, key = tmp_path / "archive", floor.context.keys.seal.public
        await archive.archive(floor.context, ADMIN, folder, why="kept")
        foreign = floor.context.keys.log.public
    store = make_store(StoreSettings(url=f"sqlite:///{tmp_path}/new.db"))  # type: ignore[arg-type]
    await store.open()
    try:
        await store.migrate()
        with pytest.raises(EvidenceError, match="another key"):
            await archive.restore(store, folder, foreign)
        data = bytearray((folder / archive.STORE_FILE).read_bytes())
        data[len(data) // 2] ^= 1
        (folder / archive.STORE_FILE).write_bytes(data)
        with pytest.raises(EvidenceError, match="not the file that was archived"):
            await archive.restore(store, folder, key)
        async with store.read() as tx:
            assert await tx.fetch("gateways.all") == []
    finally:
        await store.close()


async def test_an_archive_takes_the_place_of_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path / "plant") as floor:
        context = floor.context
        await archive.archive(context, ADMIN, tmp_path / "archive", why="kept")
        with pytest.raises(StoreConflictError, match="is there already"):
            await archive.archive(context, ADMIN, tmp_path / "archive", why="kept again")
        with pytest.raises(ConflictError, match="stored there already"):
            await archive.restore(context.store, tmp_path / "archive", context.keys.seal.public)
        with pytest.raises(DeniedError):
            await archive.archive(context, QA, tmp_path / "other", why="curious")


def rows_of(path: Path) -> dict[str, set[Values]]:
    with TableFile(path) as file:
        return {table.name: set(file.rows(table)) for table in file.tables}
