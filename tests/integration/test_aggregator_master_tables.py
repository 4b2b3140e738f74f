"""Master data as CSV: out and in again without a loss, every fault named, all or nothing."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
from typer.testing import CliRunner, Result

from aggregator.__main__ import app
from aggregator.access.roles import Actor, Role
from aggregator.errors import DeniedError
from aggregator.model.master.lot import check_digit
from aggregator.service import audit_trail
from aggregator.service.context import Context
from aggregator.service.master import master_data
from aggregator.service.master.documents import DOCUMENTS, EntityKind
from aggregator.service.master.master_data import Times
from aggregator.service.master.tables import Imported, export_table, import_table
from aggregator.settings import MasterKind
from tests.recorded_plant import ENGINEER, GTIN, QA
from tests.rigs.context import running_context
from tests.rigs.master_documents import DOCUMENTS_OF, put, put_before, table_of

MATERIAL, LIMIT = EntityKind.MATERIAL, EntityKind.LIMIT
OTHER: Final = "04012345123456"
HEAD: Final = table_of(MATERIAL)
TRAY: Final = {"gtin": GTIN, "name": "Tray"}
LID: Final = {"gtin": OTHER, "name": "Lid"}


@pytest.fixture
async def context(tmp_path: Path) -> AsyncIterator[Context]:
    async with running_context(tmp_path) as opened:
        yield opened


async def take_in(
    context: Context, kind: EntityKind, text: str | bytes, *, dry_run: bool = False
) -> Imported:
    data = text if isinstance(text, bytes) else text.encode()
    return await import_table(context, ENGINEER, kind, data, dry_run=dry_run, why="yearly")


async def names(context: Context) -> list[str]:
    found = await master_data.page(context, QA, MATERIAL)
    return [str(each.document.model_dump()["name"]) for each in found]


def changed(table: bytes, **cells: str) -> str:
    """Return the table with other cells in its last row."""
    rows = list(csv.DictReader(io.StringIO(table.decode(), newline="")))
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys(), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows([*rows[:-1], rows[-1] | cells])
    return text.getvalue()


@pytest.mark.parametrize("kind", EntityKind)
async def test_every_kind_goes_out_and_comes_in_as_it_was(
    context: Context, tmp_path: Path, kind: EntityKind
) -> None:
    await put_before(context)
    table = await export_table(context, ENGINEER, kind)
    again = await take_in(context, kind, table)
    assert (again.applied, again.rows, again.unchanged, again.faults) == (True, 1, 1, [])
    async with running_context(tmp_path / "other") as other:
        await put_before(other, kind)
        fresh = changed(table, version="")
        made = await take_in(other, kind, fresh)
        assert (made.applied, made.approved, made.faults) == (True, 1, [])
        (copy,) = await master_data.page(other, QA, kind)
        (original,) = await master_data.page(context, QA, kind)
        assert copy.document == original.document
        assert await export_table(other, ENGINEER, kind) == table


async def test_what_a_spreadsheet_would_compute_is_text(context: Context) -> None:
    for number, name in enumerate(("=1+1", "+1", "-1", "@A1", "'quoted", "'=1", "plain's")):
        await put(
            context,
            MATERIAL,
            {"gtin": f"{number}0000{check_digit(f'{number}0000')}".zfill(14), "name": name},
        )
    table = await export_table(context, ENGINEER, MATERIAL)
    cells = [row["name"] for row in csv.DictReader(io.StringIO(table.decode(), newline=""))]
    assert cells == ["'=1+1", "'+1", "'-1", "'@A1", "''quoted", "''=1", "plain's"]
    assert (await take_in(context, MATERIAL, table)).unchanged == 7


async def test_a_mark_in_front_and_other_line_ends_are_taken(context: Context) -> None:
    text = table_of(MATERIAL, TRAY).replace("\r\n", "\n")
    done = await take_in(context, MATERIAL, b"\xef\xbb\xbf" + text.encode())
    assert (done.applied, done.approved) == (True, 1)
    assert await names(context) == ["Tray"]


async def test_a_dry_run_tells_all_and_changes_nothing(context: Context) -> None:
    before = await audit_trail.page(context, QA, after=-1, count=100)
    done = await take_in(context, MATERIAL, table_of(MATERIAL, TRAY, LID), dry_run=True)
    assert (done.applied, done.rows, done.approved, done.faults) == (False, 2, 2, [])
    assert await names(context) == []
    assert await audit_trail.page(context, QA, after=-1, count=100) == before


@pytest.mark.parametrize("dry_run", [True, False])
async def test_one_fault_leaves_everything_as_it_was_and_all_are_named(
    context: Context, dry_run: bool
) -> None:
    before, after = (
        (
            TRAY,
            LID | {"tolerance": "0,02"},
            LID | {"gtin": "09506000134353"},
            LID | {"gtin": "", "tolerance": "1.5", "effective_from": "soon"},
            TRAY | {"name": "Tray again"},
        ),
        LID | {"version": "x", "name": ""},
    )
    rows = table_of(MATERIAL, *before) + "one,two\r\n"
    rows += table_of(MATERIAL, after).removeprefix(HEAD)
    done = await take_in(context, MATERIAL, rows, dry_run=dry_run)
    found = [(fault.line, fault.column) for fault in done.faults]
    assert not done.applied
    assert found == [
        (3, "tolerance"),
        (4, ""),
        (5, "effective_from"),
        (5, "gtin"),
        (5, "tolerance"),
        (6, ""),
        (7, ""),
        (8, "version"),
        (8, "name"),
    ]
    by_line = {fault.line: fault for fault in done.faults}
    assert by_line[3].hint == "write a decimal point, and no separator of thousands"
    assert "would be" in by_line[4].hint
    assert "line 2 already" in by_line[6].text
    assert await names(context) == []


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "the table is empty"),
        ("version;gtin;name\r\n", 1, "separated by semicolons"),
        (HEAD.replace("tolerance", "colour"), 1, "a material has no column 'colour'"),
        (HEAD.replace("tolerance", "name"), 1, "the column name stands there twice"),
        (HEAD.replace(",tolerance", ""), 1, "the column tolerance is missing"),
        (HEAD.encode() + b",\xff,Tray,,,\r\n", 2, "this is not UTF-8"),
        (HEAD + ',"open', 2, "this is not CSV"),
    ],
)
async def test_what_is_no_table_is_told_with_its_form(
    context: Context, text: str | bytes, line: int, message: str
) -> None:
    done = await take_in(context, MATERIAL, text)
    (fault,) = done.faults
    assert (fault.line, done.applied) == (line, False)
    assert message in fault.text
    assert fault.hint


async def test_a_line_break_within_a_cell_does_not_shift_the_lines(context: Context) -> None:
    rows = TRAY | {"name": "Tray\r\nlarge"}, LID | {"tolerance": "much"}
    done = await take_in(context, MATERIAL, table_of(MATERIAL, *rows))
    assert [(fault.line, fault.column) for fault in done.faults] == [(4, "tolerance")]


async def test_a_row_overwrites_nothing_that_its_writer_has_not_seen(context: Context) -> None:
    await put(context, MATERIAL, {"gtin": GTIN, "name": "Tray"})
    table = await export_table(context, ENGINEER, MATERIAL)
    await put(context, MATERIAL, {"gtin": GTIN, "name": "Tray, blue"}, 1)
    untouched = await take_in(context, MATERIAL, table)
    assert (untouched.applied, untouched.unchanged) == (True, 1)
    assert await names(context) == ["Tray, blue"]
    touched = await take_in(context, MATERIAL, changed(table, name="Tray, red"))
    ((line, column, text, _),) = touched.faults
    assert (line, column) == (2, "version")
    assert "is at version 2, not 1" in text
    assert await names(context) == ["Tray, blue"]


async def test_a_table_taken_in_twice_is_taken_in_once(context: Context) -> None:
    await put(context, MATERIAL, {"gtin": GTIN, "name": "Tray"}, times=Times(start=1_000))
    table = changed(await export_table(context, ENGINEER, MATERIAL), name="Tray, red")
    first, second = [await take_in(context, MATERIAL, table) for _ in range(2)]
    assert (first.approved, first.unchanged) == (1, 0)
    assert (second.approved, second.unchanged) == (0, 1)
    newest = await master_data.get(context, QA, MATERIAL, GTIN)
    assert newest.version == 2
    assert newest.effective_from is not None
    assert newest.effective_from > 1_000, "the start of the old version is not the new one's"


async def test_a_time_of_its_own_is_kept(context: Context) -> None:
    await put(context, MATERIAL, {"gtin": GTIN, "name": "Tray"})
    table = await export_table(context, ENGINEER, MATERIAL)
    done = await take_in(
        context,
        MATERIAL,
        changed(table, name="Tray, red", effective_from="2026-08-01T00:00:00+08:00"),
    )
    assert done.approved == 1
    second = await master_data.get(context, QA, MATERIAL, GTIN, version=2)
    assert second.effective_from == 1_785_513_600 * 10**9


async def test_kinds_that_need_approval_are_proposed(tmp_path: Path) -> None:
    async with running_context(tmp_path, approval=(MasterKind.MATERIAL,)) as context:
        done = await take_in(context, MATERIAL, table_of(MATERIAL, TRAY))
        assert (done.applied, done.proposed, done.approved) == (True, 1, 0)
        assert await names(context) == []


async def test_a_table_has_an_end(tmp_path: Path) -> None:
    async with running_context(tmp_path) as context:
        limits = context.settings.imports
        table = HEAD.encode() + b"x" * limits.bytes_max
        ((_, _, text, hint),) = (await take_in(context, MATERIAL, table)).faults
        assert f"{limits.bytes_max} bytes at most" in text
        assert hint == "divide it"
        empty = table_of(MATERIAL, {}).removeprefix(HEAD)
        done = await take_in(context, MATERIAL, HEAD + empty * (limits.items_max + 1))
        assert (done.faults[-1].line, done.rows) == (limits.items_max + 2, limits.items_max + 1)
        assert f"{limits.items_max} rows at most" in done.faults[-1].text


async def test_who_may_not_change_takes_no_table_in(context: Context) -> None:
    auditor = Actor(name="auditor", roles=frozenset({Role.AUDITOR}))
    with pytest.raises(DeniedError):
        await import_table(context, auditor, MATERIAL, HEAD.encode(), dry_run=True, why="x")
    assert await export_table(context, auditor, MATERIAL) == HEAD.encode()
    admin = Actor(name="root", roles=frozenset({Role.ADMIN}))
    with pytest.raises(DeniedError):
        await export_table(context, admin, MATERIAL)


@pytest.mark.req(22)
async def test_what_was_taken_out_and_in_stands_in_the_trail(context: Context) -> None:
    await take_in(context, MATERIAL, table_of(MATERIAL, TRAY))
    await export_table(context, ENGINEER, MATERIAL)
    put_in, taken_out = await audit_trail.page(context, QA, after=-1, count=10)
    assert put_in["why"] == "yearly (line 2 of a table)"
    assert (taken_out["act"], taken_out["after"]) == ("export_master", {"rows": 1})


@pytest.fixture
async def settings(tmp_path: Path) -> Path:
    async with running_context(tmp_path) as context:
        await put_before(context)
    path = tmp_path / "aggregator.toml"
    path.write_text(
        f'keys_folder = "{tmp_path}/keys"\n[store]\nurl = "sqlite:///{tmp_path}/aggregator.db"\n'
    )
    return path


async def command(settings: Path, *arguments: str) -> Result:
    return await asyncio.to_thread(
        CliRunner().invoke, app, ["master", *arguments, "--settings", str(settings)]
    )


async def test_the_command_line_takes_tables_out_and_in(settings: Path, tmp_path: Path) -> None:
    path = tmp_path / "limits.csv"
    out = await command(settings, "export", "limit", "--out", str(path))
    assert out.exit_code == 0, out.output
    printed = await command(settings, "export", "limit")
    assert printed.stdout_bytes == path.read_bytes()
    path.write_text(changed(path.read_bytes(), alert_low="-7.5"), newline="")
    tried = await command(settings, "import", "limit", str(path), "--dry-run")
    assert tried.exit_code == 0, tried.output
    assert "1 rows: 0 new versions in force, 1 proposed" in tried.stdout
    assert tried.stdout.endswith("nothing was changed\n")
    done = await command(settings, "import", "limit", str(path), "--json")
    assert json.loads(done.stdout)["proposed"] == 1, "as the settings have it by default"


async def test_the_command_line_names_faults_by_file_and_line(
    settings: Path, tmp_path: Path
) -> None:
    path = tmp_path / "materials.csv"
    path.write_text(table_of(MATERIAL, LID | {"tolerance": "much"}), newline="")
    result = await command(settings, "import", "material", str(path))
    assert result.exit_code == 1
    assert "materials.csv:2: tolerance: 'much' is no decimal\n  -> write a" in result.stdout
    missing = await command(settings, "import", "material", str(tmp_path / "none.csv"))
    assert missing.exit_code == 2
    assert "cannot be read" in missing.output


def test_every_kind_has_a_document_to_try() -> None:
    assert DOCUMENTS_OF.keys() == DOCUMENTS.keys() == set(EntityKind)
