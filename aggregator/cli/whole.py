"""Prove the whole store, keep a copy of it, and restore one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from aggregator.app import make_store, open_context
from aggregator.cli import shell
from aggregator.cli.shell import AsJson, SettingsFile, Why
from aggregator.clock import SystemClock
from aggregator.ingest.fsck import Findings, fsck
from aggregator.ingest.indexer import Indexer
from aggregator.service import archive
from aggregator.service.archive import Manifest
from aggregator.settings import Settings
from protocols.wire.checkpoint import NoteKey
from protocols.wire.seal import PublicKey

Folder = Annotated[Path, typer.Argument(help="the archive's folder")]
Key = Annotated[str, typer.Option(help="the seal key that `key` printed where it was archived")]
LogKey = Annotated[str, typer.Option(help="the log key that `key` printed there")]


def fsck_command(
    settings: SettingsFile = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="make the index again first")] = False,
    as_json: AsJson = False,
) -> None:
    """Prove the whole store from its bytes; exit 1 where anything does not hold."""

    async def act(chosen: Settings) -> Findings:
        async with open_context(chosen) as context:
            if rebuild:
                await Indexer(context.store, SystemClock(), chosen.segments).rebuild()
            log_key = NoteKey(name=chosen.log.origin, key=context.keys.log.public)
            return await fsck(context.store, log_key)

    _tell(shell.do(act(shell.settings(settings))), as_json=as_json)


def archive_command(
    folder: Folder,
    settings: SettingsFile = None,
    why: Why = "archived on the command line",
    as_json: AsJson = False,
) -> None:
    """Write a sealed copy of all that is stored, but no key, into a new folder."""

    async def act(chosen: Settings) -> Manifest:
        async with open_context(chosen) as context:
            return await archive.archive(context, shell.person(), folder, why=why)

    made = shell.do(act(shell.settings(settings)))
    if as_json:
        typer.echo(made.to_bytes().decode())
    else:
        typer.echo(f"{folder}: {made.size} bytes, SHA-256 {made.sha256}")


def restore_command(
    folder: Folder,
    *,
    seal_key: Key,
    log_key: LogKey,
    settings: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Fill an empty store from an archive, and prove it; exit 1 where anything does not hold."""

    async def act(chosen: Settings, key: PublicKey, note_key: NoteKey) -> Findings:
        store = make_store(chosen.store)
        try:
            await store.open()
            await store.migrate()
            await archive.restore(store, folder, key)
            return await fsck(store, note_key)
        finally:
            await store.close()

    key = shell.checked(lambda: PublicKey.from_text(seal_key))
    note_key = shell.checked(lambda: NoteKey.from_text(log_key))
    _tell(shell.do(act(shell.settings(settings), key, note_key)), as_json=as_json)


def _tell(found: Findings, *, as_json: bool) -> None:
    counts = {
        "bundles": found.bundles,
        "readings": found.readings,
        "leaves": found.leaves,
        "audit_entries": found.audit_entries,
        "segments": found.segments,
    }
    if as_json:
        typer.echo(json.dumps(counts | {"faults": found.faults}))
    else:
        for fault in found.faults:
            typer.echo(f"FAULT {fault}")
        said = ", ".join(f"{count} {name}" for name, count in counts.items())
        typer.echo(f"{said}: {'faults found' if found.faults else 'all of it holds'}")
    if found.faults:
        raise typer.Exit(1)
