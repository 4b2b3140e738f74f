"""The aggregator's command line: ``lotproof-aggregator``."""

from __future__ import annotations

import asyncio
import getpass
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from aggregator.access.roles import Actor, Role
from aggregator.access.tokens import TokenKind
from aggregator.app import configure_log, make_store, open_context, run
from aggregator.clock import SystemClock
from aggregator.errors import AggregatorError
from aggregator.ingest.fsck import fsck
from aggregator.ingest.indexer import Indexer
from aggregator.service import gateways, tokens
from aggregator.settings import Settings, load_settings
from aggregator.store.keys import load_keys
from protocols.wire.checkpoint import NoteKey
from protocols.wire.errors import WireError
from protocols.wire.receipt import EpochState
from protocols.wire.seal import PublicKey

T = TypeVar("T")

app = typer.Typer(
    name="lotproof-aggregator",
    help="Verifies, stores, and assembles batch records.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
gateway_app = typer.Typer(help="Register gateways, their keys and their epochs.")
app.add_typer(gateway_app, name="gateway", no_args_is_help=True)
user_app = typer.Typer(help="Let services and people in.")
app.add_typer(user_app, name="user", no_args_is_help=True)

SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", "-s", envvar="LOTPROOF_AGGREGATOR_FILE", help="settings (TOML)"),
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON, for programs")]
Gateway = Annotated[str, typer.Argument(help="the gateway's id")]
Why = Annotated[str, typer.Option("--why", help="the reason, for the audit trail")]
Name = Annotated[str, typer.Argument(help="who acts; never given to somebody else later")]
Roles = Annotated[list[Role], typer.Option("--role", help="what for; may be given several times")]


@app.command("run")
def run_command(
    settings: SettingsFile = None,
    log_json: Annotated[
        bool, typer.Option("--log-json", help="log JSON, one object a line")
    ] = False,
) -> None:
    """Run until SIGTERM: take bundles in, answer with receipts, serve the API and the pages."""
    configure_log(json=log_json)
    _do(run(_settings(settings)))


@app.command("migrate")
def migrate_command(settings: SettingsFile = None) -> None:
    """Bring the store's schema to this version; ``run`` does so by itself."""
    for step in _do(_migrate(_settings(settings))) or ["nothing to do"]:
        typer.echo(step)


@app.command("key")
def key_command(settings: SettingsFile = None, as_json: AsJson = False) -> None:
    """Print the public keys: the agents' settings and the verifiers' policies name them."""
    chosen = _settings(settings)
    keys = _checked(lambda: load_keys(chosen.keys_folder))
    shown = {
        "seal": keys.seal.public.to_text(),
        "log": NoteKey(name=chosen.log.origin, key=keys.log.public).to_text(),
    }
    if as_json:
        typer.echo(json.dumps(shown))
    else:
        for name, text in shown.items():
            typer.echo(f"{name} {text}")


@app.command("fsck")
def fsck_command(
    settings: SettingsFile = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="make the index again first")] = False,
    as_json: AsJson = False,
) -> None:
    """Prove the whole store from its bytes; exit 1 where anything does not hold."""
    found = _do(_fsck(_settings(settings), rebuild=rebuild))
    if as_json:
        typer.echo(json.dumps(found))
    else:
        for fault in found["faults"]:
            typer.echo(f"FAULT {fault}")
        counts = ", ".join(f"{found[name]} {name}" for name in found if name != "faults")
        typer.echo(f"{counts}: {'faults found' if found['faults'] else 'all of it holds'}")
    if found["faults"]:
        raise typer.Exit(1)


@gateway_app.command("add")
def gateway_add(
    gateway: Gateway,
    key: Annotated[str, typer.Option("--key", help="its seal key, ED25519:<hex> or ESP256:<hex>")],
    settings: SettingsFile = None,
    more: Annotated[
        bool, typer.Option("--further", help="a further key of a gateway that is registered")
    ] = False,
    why: Why = "registered on the command line",
) -> None:
    """Register a gateway by its id and seal key (``lotproof-agent key`` prints it)."""

    async def act(chosen: Settings) -> None:
        async with open_context(chosen) as context:
            use_case = gateways.add_key if more else gateways.register
            await use_case(context, _person(), gateway, PublicKey.from_text(key), why=why)

    _do(act(_settings(settings)))
    typer.echo(f"{gateway} is registered")


@gateway_app.command("ls")
def gateway_ls(settings: SettingsFile = None, as_json: AsJson = False) -> None:
    """List the gateways with their newest epoch and how far it is stored."""

    async def act(chosen: Settings) -> list[dict[str, Any]]:
        async with open_context(chosen) as context:
            return [
                {
                    "gateway": row["gateway"],
                    "epoch": None if row["epoch"] is None else row["epoch"].hex(),
                    "state": None if row["state"] is None else _STATES[row["state"]],
                    "head": row["head"],
                    "waiting": row["waiting"],
                }
                for row in await gateways.list_gateways(context, _person())
            ]

    rows = _do(act(_settings(settings)))
    if as_json:
        typer.echo(json.dumps(rows))
        return
    for row in rows:
        if row["epoch"] is None:
            typer.echo(f"{row['gateway']}  nothing came yet")
        else:
            typer.echo(
                f"{row['gateway']}  epoch {row['epoch'][:8]} {row['state']}, stored up to bundle "
                f"{row['head']}, {row['waiting']} beyond a gap"
            )


@gateway_app.command("approve")
def gateway_approve(
    gateway: Gateway, why: Annotated[str, typer.Option("--why")], settings: SettingsFile = None
) -> None:
    """Vouch for the newest epoch of a gateway, after its buffer was lost or replaced."""

    async def act(chosen: Settings) -> bytes:
        async with open_context(chosen) as context:
            return await gateways.approve_epoch(context, _person(), gateway, why=why)

    typer.echo(f"epoch {_do(act(_settings(settings))).hex()} of {gateway} is approved")


@gateway_app.command("revoke")
def gateway_revoke(
    gateway: Gateway,
    kid: Annotated[str, typer.Option("--kid", help="the key's id, 16 hexadecimal digits")],
    why: Annotated[str, typer.Option("--why")],
    settings: SettingsFile = None,
) -> None:
    """Refuse whatever a key seals from now on; what is stored stays valid."""

    async def act(chosen: Settings) -> tuple[int, int]:
        async with open_context(chosen) as context:
            try:
                name = bytes.fromhex(kid)
            except ValueError:
                raise AggregatorError(
                    f"{kid!r} is not a key's id", hint="it is 16 hexadecimal digits"
                ) from None
            return await gateways.revoke_key(context, _person(), gateway, name, why=why)

    ordinal, number = _do(act(_settings(settings)))
    typer.echo(f"{kid} opens nothing from bundle {number} of epoch {ordinal} on")


@user_app.command("token")
def user_token(
    name: Name,
    role: Roles,
    settings: SettingsFile = None,
    why: Why = "given on the command line",
) -> None:
    """Give a service a token for the API; it is shown this once."""
    typer.echo(_do(_give(_settings(settings), name, role, TokenKind.SERVICE, why)))


@user_app.command("link")
def user_link(
    name: Name,
    role: Roles,
    settings: SettingsFile = None,
    why: Why = "given on the command line",
) -> None:
    """Make a code that opens the console once, within ten minutes."""
    typer.echo(_do(_give(_settings(settings), name, role, TokenKind.LOGIN, why)))


@user_app.command("end")
def user_end(
    token: Annotated[str, typer.Argument(help="the token's id, its middle part")],
    why: Annotated[str, typer.Option("--why")],
    settings: SettingsFile = None,
) -> None:
    """End a token at once."""

    async def act(chosen: Settings) -> None:
        async with open_context(chosen) as context:
            await tokens.end(context, _person(), token, why=why)

    _do(act(_settings(settings)))
    typer.echo(f"token {token} has ended")


@app.command("quarantine")
def quarantine_command(
    settings: SettingsFile = None,
    count: Annotated[int, typer.Option(help="how many to show, newest first")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show what was refused, with the check that it failed (docs/specs/intake.md)."""

    async def act(chosen: Settings) -> list[dict[str, Any]]:
        async with open_context(chosen) as context:
            rows = await gateways.list_quarantined(context, _person(), count=count)
            return [{**row, "digest": row["digest"].hex()} for row in rows]

    rows = _do(act(_settings(settings)))
    if as_json:
        typer.echo(json.dumps(rows))
        return
    for row in rows:
        typer.echo(
            f"check {row['check_number']} ({row['reason']}), {row['seen']} times, {row['topic']}: "
            f"{row['message']}"
        )


def main() -> None:
    """Run the command line."""
    app()


_STATES = {int(state): state.name.lower() for state in EpochState}


def _person() -> Actor:
    """Return who types: whoever may read the key files may do what the command line does."""
    return Actor(name=f"{getpass.getuser()}@console", roles=frozenset({Role.ADMIN}))


def _settings(path: Path | None) -> Settings:
    return _checked(lambda: load_settings(path))


async def _give(settings: Settings, name: str, roles: list[Role], kind: TokenKind, why: str) -> str:
    holder = Actor(name=name, roles=frozenset(roles))
    async with open_context(settings) as context:
        _, text = await tokens.give(context, _person(), holder, kind, why=why)
    return text


async def _migrate(settings: Settings) -> list[str]:
    store = make_store(settings.store)
    await store.open()
    try:
        return await store.migrate()
    finally:
        await store.close()


async def _fsck(settings: Settings, *, rebuild: bool) -> dict[str, Any]:
    async with open_context(settings) as context:
        if rebuild:
            await Indexer(context.store, SystemClock(), settings.segments).rebuild()
        log_key = NoteKey(name=settings.log.origin, key=context.keys.log.public)
        found = await fsck(context.store, log_key)
        return {
            "bundles": found.bundles,
            "readings": found.readings,
            "leaves": found.leaves,
            "audit_entries": found.audit_entries,
            "segments": found.segments,
            "faults": found.faults,
        }


def _do(work: Coroutine[Any, Any, T]) -> T:
    return _checked(lambda: asyncio.run(work))


def _checked(work: Callable[[], T]) -> T:
    """Return what ``work`` returns, or print what is wrong and what to do, and exit with 2."""
    try:
        return work()
    except* (AggregatorError, WireError) as group:
        for error in group.exceptions:
            _print_error(error)
    raise typer.Exit(2)


def _print_error(error: Exception) -> None:
    if isinstance(error, ExceptionGroup):
        for inner in error.exceptions:
            _print_error(inner)
        return
    typer.echo(f"lotproof-aggregator: {error}", err=True)
    hint = getattr(error, "hint", "")
    if hint:
        typer.echo(f"  -> {hint}", err=True)


if __name__ == "__main__":
    main()
