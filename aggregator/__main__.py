"""The aggregator's command line: ``lotproof-aggregator``."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from aggregator.access.issuing import make_authority
from aggregator.app import configure_log, make_store, open_context, run
from aggregator.cli import config, enrolment, master, record, shell, users, whole
from aggregator.cli.shell import AsJson, SettingsFile, Why
from aggregator.clock import SystemClock
from aggregator.errors import AggregatorError
from aggregator.service import gateways
from aggregator.service.enrolment import handover
from aggregator.settings import Settings
from aggregator.store.keys import load_keys
from protocols.wire.checkpoint import NoteKey
from protocols.wire.receipt import EpochState
from protocols.wire.seal import PublicKey

app = typer.Typer(
    name="lotproof-aggregator",
    help="Verifies, stores, and assembles batch records.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
gateway_app = typer.Typer(help="Register gateways, their keys and their epochs.")
app.add_typer(gateway_app, name="gateway", no_args_is_help=True)
enrolment.add_to(gateway_app)
gateway_app.add_typer(config.app, name="config", no_args_is_help=True)
app.add_typer(master.app, name="master", no_args_is_help=True)
app.add_typer(record.app, name="record", no_args_is_help=True)
app.add_typer(users.app, name="user", no_args_is_help=True)

app.command("fsck")(whole.fsck_command)
app.command("archive")(whole.archive_command)
app.command("restore")(whole.restore_command)

Gateway = Annotated[str, typer.Argument(help="the gateway's id")]


@app.command("run")
def run_command(
    settings: SettingsFile = None,
    log_json: Annotated[
        bool, typer.Option("--log-json", help="log JSON, one object a line")
    ] = False,
) -> None:
    """Run until SIGTERM: take bundles in, answer with receipts, serve the API and the pages."""
    configure_log(json=log_json)
    shell.do(run(shell.settings(settings)))


@app.command("init")
def init_command(settings: SettingsFile = None) -> None:
    """Make the keys, the authority for gateways' certificates, and the store; what is there stays.

    A plant with an authority of its own names it in [enrolment] instead.
    """
    chosen = shell.settings(settings)
    shell.checked(lambda: load_keys(chosen.keys_folder))
    if shell.checked(lambda: make_authority(chosen, SystemClock().now())):
        typer.echo(f"made the authority for gateways' certificates in {chosen.keys_folder}")
    for step in shell.do(_migrate(chosen)):
        typer.echo(step)


@app.command("migrate")
def migrate_command(settings: SettingsFile = None) -> None:
    """Bring the store's schema to this version; ``run`` does so by itself."""
    for step in shell.do(_migrate(shell.settings(settings))) or ["nothing to do"]:
        typer.echo(step)


@app.command("key")
def key_command(settings: SettingsFile = None, as_json: AsJson = False) -> None:
    """Print the public keys: the agents' settings and the verifiers' policies name them."""
    chosen = shell.settings(settings)
    keys = shell.checked(lambda: load_keys(chosen.keys_folder))
    shown = {
        "seal": keys.seal.public.to_text(),
        "log": NoteKey(name=chosen.log.origin, key=keys.log.public).to_text(),
    }
    if as_json:
        typer.echo(json.dumps(shown))
    else:
        for name, text in shown.items():
            typer.echo(f"{name} {text}")


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
            await use_case(context, shell.person(), gateway, PublicKey.from_text(key), why=why)

    shell.do(act(shell.settings(settings)))
    typer.echo(f"{gateway} is registered")


@gateway_app.command("handovers")
def gateway_handovers(
    gateway: Gateway, settings: SettingsFile = None, as_json: AsJson = False
) -> None:
    """List what a gateway's keys said of the next ones: evidence for who is to trust them."""

    async def act(chosen: Settings) -> list[dict[str, Any]]:
        async with open_context(chosen) as context:
            return [
                {
                    "key": row["public_key"],
                    "former_kid": bytes(row["former_kid"]).hex(),
                    "said_time": row["said_time"],
                    "trusted": row["added_time"] is not None,
                    "former_revoked": row["former_revoked_time"] is not None,
                }
                for row in await handover.of_gateway(context, shell.person(), gateway)
            ]

    rows = shell.do(act(shell.settings(settings)))
    if as_json:
        typer.echo(json.dumps(rows))
        return
    for row in rows:
        state = "trusted" if row["trusted"] else "waits for trust"
        doubt = "  ! that key is revoked by now" if row["former_revoked"] else ""
        typer.echo(f"{row['key']}  handed over by key {row['former_kid']}, {state}{doubt}")
    if not rows:
        typer.echo(f"no key of {gateway} handed over")


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
                for row in await gateways.list_gateways(context, shell.person())
            ]

    rows = shell.do(act(shell.settings(settings)))
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
            return await gateways.approve_epoch(context, shell.person(), gateway, why=why)

    typer.echo(f"epoch {shell.do(act(shell.settings(settings))).hex()} of {gateway} is approved")


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
            return await gateways.revoke_key(context, shell.person(), gateway, name, why=why)

    ordinal, number = shell.do(act(shell.settings(settings)))
    typer.echo(f"{kid} opens nothing from bundle {number} of epoch {ordinal} on")


@app.command("quarantine")
def quarantine_command(
    settings: SettingsFile = None,
    count: Annotated[int, typer.Option(help="how many to show, newest first")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show what was refused, with the check that it failed (docs/specs/intake.md)."""

    async def act(chosen: Settings) -> list[dict[str, Any]]:
        async with open_context(chosen) as context:
            rows = await gateways.list_quarantined(context, shell.person(), count=count)
            return [{**row, "digest": row["digest"].hex()} for row in rows]

    rows = shell.do(act(shell.settings(settings)))
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


async def _migrate(settings: Settings) -> list[str]:
    store = make_store(settings.store)
    await store.open()
    try:
        return await store.migrate()
    finally:
        await store.close()


if __name__ == "__main__":
    main()
