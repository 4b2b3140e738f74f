"""Use cases: take master data out as CSV, and in again, one table a kind (RFC 4180, UTF-8).

A table is taken in whole or not at all, in one transaction; a dry run tells every fault and changes
nothing. A row says which version it was taken from, so a row that nobody has touched changes
nothing, however much has changed since, and a row that somebody has touched overwrites nothing that
he has not seen (docs/specs/master-data.md).
"""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from aggregator import audit
from aggregator.access.roles import Act, Actor, require
from aggregator.errors import ConflictError, InvalidError
from aggregator.service.context import Context
from aggregator.service.master import master_data
from aggregator.service.master.documents import EntityKind
from aggregator.service.master.rows import VERSION, Fault, Row, columns, row_cells, row_of
from aggregator.service.master.versions import Versioned, VersionState, versioned, versions_at
from aggregator.store.base import Transaction

BYTE_ORDER_MARK: Final = "\ufeff"


@dataclass(slots=True, kw_only=True)
class Imported:
    """What has come of a table, or would."""

    kind: EntityKind
    rows: int = 0
    unchanged: int = 0
    approved: int = 0  # new versions that are in force, or will be at their time
    proposed: int = 0  # new versions that wait for a second person
    applied: bool = False
    faults: list[Fault] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return it as the API and the command line show it."""
        return {
            "kind": self.kind.value,
            "applied": self.applied,
            "rows": self.rows,
            "unchanged": self.unchanged,
            "approved": self.approved,
            "proposed": self.proposed,
            "faults": [fault._asdict() for fault in self.faults],
        }


async def export_table(context: Context, actor: Actor, kind: EntityKind) -> bytes:
    """Return every entity of a kind by its version in force now; told to the audit trail."""
    require(actor, Act.READ_MASTER)
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\r\n")
    writer.writerow(columns(kind))
    count = 0
    async with context.store.read() as tx:
        async for found in versions_at(tx, kind, context.clock.now()):
            writer.writerow(row_cells(found))
            count += 1
    async with context.store.write() as tx:
        entry = audit.Entry(
            who=actor.name,
            act="export_master",
            what=f"{kind} table",
            after={"rows": count},
            why="taken out as CSV",
        )
        await audit.record(tx, entry, context.clock)
    return lines.getvalue().encode()


async def import_table(
    context: Context, actor: Actor, kind: EntityKind, data: bytes, *, dry_run: bool, why: str
) -> Imported:
    """Put every row of a table, or none where one of them is wrong, and return what came of it.

    ``faults`` of the answer names each fault by line and column; with one, or in a dry run, nothing
    was changed. Rows are put as ``master_data.put`` does: kinds that need approval are proposed.
    """
    require(actor, Act.MANAGE_MASTER)
    done = Imported(kind=kind)
    rows = await asyncio.to_thread(lambda: list(_rows(context, kind, data, done)))
    try:
        async with context.store.write() as tx:
            for row in rows:
                await _put(context, tx, actor, row, done, why=why)
            if done.faults or dry_run:
                raise _UndoError
    except _UndoError:
        done.faults.sort(key=lambda fault: fault.line)
        return done
    done.applied = True
    return done


class _UndoError(Exception):
    """Rolls the transaction back."""


def _rows(context: Context, kind: EntityKind, data: bytes, done: Imported) -> Iterator[Row]:
    """Yield every row that can be read; the faults of the others go into ``done``."""
    limits = context.settings.imports
    if len(data) > limits.bytes_max:
        done.faults.append(
            Fault(1, "", f"a table has {limits.bytes_max} bytes at most", "divide it")
        )
        return
    try:
        text = data.decode().removeprefix(BYTE_ORDER_MARK)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        done.faults.append(Fault(line, "", "this is not UTF-8", "save it as CSV UTF-8"))
        return
    first_lines: dict[str, int] = {}
    for row in _read(kind, text, limits.items_max, done):
        key = row.document.key
        if key in first_lines:
            text = f"{kind} {key} stands in line {first_lines[key]} already"
            done.faults.append(Fault(row.line, "", text, "leave one of the two"))
            continue
        first_lines[key] = row.line
        yield row


def _read(kind: EntityKind, text: str, rows_max: int, done: Imported) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    heads: list[str] | None = None
    line = 1
    try:
        for cells in reader:
            if heads is None:
                heads = cells
                if fault := _head_fault(kind, heads):
                    done.faults.append(fault)
                    return
            elif cells:
                done.rows += 1
                if done.rows > rows_max:
                    text = f"a table has {rows_max} rows at most"
                    done.faults.append(Fault(line, "", text, "divide it"))
                    return
                found = _row(kind, line, heads, cells)
                if isinstance(found, Row):
                    yield found
                else:
                    done.faults += found
            line = reader.line_num + 1
    except csv.Error as error:
        done.faults.append(Fault(line, "", f"this is not CSV: {error}", "see RFC 4180"))
    if heads is None:
        done.faults.append(Fault(1, "", "the table is empty", "export one to see its form"))


def _row(kind: EntityKind, line: int, heads: list[str], cells: list[str]) -> Row | list[Fault]:
    if len(cells) != len(heads):
        text = f"the row has {len(cells)} cells, the head {len(heads)}"
        return [Fault(line, "", text, "a comma within a cell wants quotes")]
    return row_of(kind, line, dict(zip(heads, cells, strict=True)))


def _head_fault(kind: EntityKind, heads: list[str]) -> Fault | None:
    wanted = columns(kind)
    hint = f"the first line is: {','.join(wanted)}"
    if len(heads) == 1 and ";" in heads[0]:
        return Fault(1, "", "the cells are separated by semicolons", "separate them with commas")
    for name in heads:
        if name not in wanted:
            return Fault(1, name, f"a {kind} has no column {name[:40]!r}", hint)
        if heads.count(name) > 1:
            return Fault(1, name, f"the column {name} stands there twice", hint)
    missing = [name for name in wanted if name not in heads]
    return Fault(1, missing[0], f"the column {missing[0]} is missing", hint) if missing else None


async def _put(
    context: Context, tx: Transaction, actor: Actor, row: Row, done: Imported, *, why: str
) -> None:
    try:
        taken_from = await _version(tx, row)
        if taken_from is not None and row.says(taken_from):
            done.unchanged += 1
            return
        newest = await _newest(tx, row)
        put = await master_data.put_in(
            context,
            tx,
            actor,
            row.document,
            expected_version=row.version,
            why=f"{why} (line {row.line} of a table)" if why.strip() else "",
            times=row.new_times(taken_from),
        )
    except ConflictError as error:
        done.faults.append(Fault(row.line, VERSION, str(error), error.hint))
    except InvalidError as error:
        done.faults.append(Fault(row.line, "", str(error), error.hint))
    else:
        if put.version == newest:
            done.unchanged += 1
        elif put.state is VersionState.PROPOSED:
            done.proposed += 1
        else:
            done.approved += 1


async def _version(tx: Transaction, row: Row) -> Versioned | None:
    """Return the version from which a row was taken."""
    if row.version is None:
        return None
    kind, key = row.document.kind.value, row.document.key
    found = await tx.fetch_one("master.version", kind=kind, key=key, version=row.version)
    return None if found is None else versioned(found)


async def _newest(tx: Transaction, row: Row) -> int:
    kind, key = row.document.kind.value, row.document.key
    found = await tx.fetch_one("master.newest_standing", kind=kind, key=key)
    return 0 if found is None else int(found["version"])
