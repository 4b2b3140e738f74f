"""What every command shares: its options, who types, and how an error is told."""

from __future__ import annotations

import asyncio
import getpass
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from aggregator.access.roles import Actor, Role
from aggregator.errors import AggregatorError
from aggregator.export.symbols import qr_code, to_terminal
from aggregator.settings import Settings, load_settings
from protocols.wire.errors import WireError

T = TypeVar("T")

SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", "-s", envvar="LOTPROOF_AGGREGATOR_FILE", help="settings (TOML)"),
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON, for programs")]
Why = Annotated[str, typer.Option("--why", help="the reason, for the audit trail")]


def person(role: Role = Role.ADMIN) -> Actor:
    """Return who types: whoever may read the key files may do what the command line does.

    ``role`` is the least that the command takes.
    """
    return Actor(name=f"{getpass.getuser()}@console", roles=frozenset({role}))


def settings(path: Path | None) -> Settings:
    """Return the settings of a file, or print what is wrong with them and exit."""
    return checked(lambda: load_settings(path))


def do(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` to its end and return what it returns, as ``checked`` does."""
    return checked(lambda: asyncio.run(work))


def checked(work: Callable[[], T]) -> T:
    """Return what ``work`` returns, or print what is wrong and what to do, and exit with 2."""
    try:
        return work()
    except* (AggregatorError, WireError) as group:
        for error in group.exceptions:
            _print_error(error)
    raise typer.Exit(2)


def show_symbol(text: str) -> None:
    """Show a text as a QR Code where a person looks at a terminal, and nothing anywhere else."""
    if sys.stdout.isatty():
        typer.echo(to_terminal(qr_code(text)))


def _print_error(error: Exception) -> None:
    if isinstance(error, ExceptionGroup):
        for inner in error.exceptions:
            _print_error(inner)
        return
    typer.echo(f"lotproof-aggregator: {error}", err=True)
    hint = getattr(error, "hint", "")
    if hint:
        typer.echo(f"  -> {hint}", err=True)
