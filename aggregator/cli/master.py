"""Take master data out as CSV and in again."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Final

import typer

from aggregator.access.roles import Role
from aggregator.app import open_context
from aggregator.cli import shell
from aggregator.cli.shell import AsJson, SettingsFile, Why
from aggregator.errors import ExportError, InvalidError
from aggregator.service.master import tables
from aggregator.service.master.documents import EntityKind
from aggregator.service.master.tables import Imported
from aggregator.settings import Settings

app = typer.Typer(help="Take master data out as CSV and in again.")

Kind = Annotated[EntityKind, typer.Argument(help="what the table is of")]


@app.command("export")
def export_command(
    kind: Kind,
    out: Annotated[
        Path | None, typer.Option("--out", help="the file to write; else it is printed")
    ] = None,
    settings: SettingsFile = None,
) -> None:
    """Write every entity of a kind, by its version in force now, as a table."""

    async def act(chosen: Settings) -> bytes:
        async with open_context(chosen) as context:
            return await tables.export_table(context, shell.person(_ROLE), kind)

    data = shell.do(act(shell.settings(settings)))
    if out is None:
        typer.echo(data.decode(), nl=False)
    else:
        shell.checked(lambda: _write(out, data))
        typer.echo(str(out))


@app.command("import")
def import_command(
    kind: Kind,
    table: Annotated[Path, typer.Argument(help="the CSV file")],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="tell every fault, and change nothing")
    ] = False,
    settings: SettingsFile = None,
    why: Why = "taken in on the command line",
    as_json: AsJson = False,
) -> None:
    """Put every row of a table, or tell every fault of it and put none (exit 1)."""

    async def act(chosen: Settings) -> Imported:
        async with open_context(chosen) as context:
            data = await asyncio.to_thread(_read, table)
            return await tables.import_table(
                context, shell.person(_ROLE), kind, data, dry_run=dry_run, why=why
            )

    done = shell.do(act(shell.settings(settings)))
    if as_json:
        typer.echo(json.dumps(done.to_json()))
    else:
        _tell(done, table)
    if done.faults:
        raise typer.Exit(1)


def _tell(done: Imported, table: Path) -> None:
    for line, column, text, hint in done.faults:
        place = f"{table.name}:{line}: {column}: " if column else f"{table.name}:{line}: "
        typer.echo(place + text)
        if hint:
            typer.echo(f"  -> {hint}")
    said = (
        f"{done.rows} rows: {done.approved} new versions in force, {done.proposed} proposed, "
        f"{done.unchanged} unchanged, {len(done.faults)} faults"
    )
    typer.echo(said if done.applied else f"{said}; nothing was changed")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidError(f"{path} cannot be read: {error.strerror}") from None


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise ExportError(f"{path} cannot be written: {error.strerror}") from None


_ROLE: Final = Role.ENGINEER  # reads and puts master data, and approves nothing
