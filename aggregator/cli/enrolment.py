"""Let gateways in on the command line: invite, look who asks, admit, refuse."""

from __future__ import annotations

import hashlib
import json
import ssl
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from aggregator.access.issuing import Certificate
from aggregator.app import open_context
from aggregator.cli import shell
from aggregator.cli.config import Code, Password, User, log_in
from aggregator.cli.shell import AsJson, SettingsFile, Why
from aggregator.service.access.accounts import Proof
from aggregator.service.enrolment import admit
from aggregator.settings import Settings
from protocols.wire.reading import SECOND

Gateway = Annotated[str, typer.Argument(help="the gateway's id")]
Enrolment = Annotated[str, typer.Argument(help="as `gateway enrolments` lists it")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to those of gateways."""
    app.command("invite")(invite_command)
    app.command("enrolments")(enrolments_command)
    app.command("admit")(admit_command)
    app.command("refuse")(refuse_command)


def invite_command(
    gateway: Gateway,
    settings: SettingsFile = None,
    why: Why = "invited on the command line",
    as_json: AsJson = False,
) -> None:
    """Make a token that lets one gateway ask to be let in, once.

    A terminal shows the command for the gateway as a QR Code, too: a scanner types it there.
    """
    chosen = shell.settings(settings)

    async def act() -> tuple[str, int]:
        async with open_context(chosen) as context:
            return await admit.invite(context, shell.person(), gateway, why=why)

    token, expires = shell.do(act())
    pin = shell.checked(lambda: _fingerprint(chosen))
    if as_json:
        typer.echo(json.dumps({"token": token, "expires_time": expires, "fingerprint": pin}))
        return
    until = datetime.fromtimestamp(expires // SECOND, UTC).isoformat()
    typer.echo(f"token {token}, until {until}; on the gateway:")
    address = f"https://{chosen.api.host}:{chosen.api.port}"
    command = f"lotproof-agent enrol {address} --token {token} --fingerprint {pin or '...'}"
    typer.echo(f"  {command}")
    shell.show_symbol(command)


def enrolments_command(settings: SettingsFile = None, as_json: AsJson = False) -> None:
    """List the gateways that asked to be let in, the latest first."""

    async def act(chosen: Settings) -> list[dict[str, Any]]:
        async with open_context(chosen) as context:
            return [dict(row) for row in await admit.every(context, shell.person())]

    rows = shell.do(act(shell.settings(settings)))
    if as_json:
        typer.echo(json.dumps(rows))
        return
    for row in rows:
        typer.echo(f"{row['enrolment']}  {row['gateway']}  {row['state']}, by {row['made_by']}")


def admit_command(
    enrolment: Enrolment,
    *,
    fingerprint: Annotated[
        str, typer.Option("--fingerprint", prompt="Fingerprint that the gateway printed")
    ],
    user: User,
    password: Password,
    code: Code,
    why: Why = "the fingerprint was compared",
    settings: SettingsFile = None,
) -> None:
    """Let a gateway in whose fingerprint was compared, as another person than who invited it."""

    async def act(chosen: Settings) -> Certificate:
        async with open_context(chosen) as context:
            session = await log_in(context, user, Proof(password=password, code=code))
            return await admit.admit(context, session.actor, enrolment, fingerprint, why=why)

    issued = shell.do(act(shell.settings(settings)))
    until = datetime.fromtimestamp(issued.not_after // SECOND, UTC).date().isoformat()
    typer.echo(f"admitted; its certificate is valid until {until}")


def refuse_command(
    enrolment: Enrolment,
    why: Annotated[str, typer.Option("--why", help="the reason, for the audit trail")],
    settings: SettingsFile = None,
) -> None:
    """Do not let a gateway in."""

    async def act(chosen: Settings) -> None:
        async with open_context(chosen) as context:
            await admit.refuse(context, shell.person(), enrolment, why=why)

    shell.do(act(shell.settings(settings)))
    typer.echo("refused")


def _fingerprint(settings: Settings) -> str:
    """Return SHA-256 of the API's certificate, by which a gateway knows it; empty without one."""
    file = settings.api.certificate_file
    if file is None:
        return ""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(_first(file.read_text()))).hexdigest()


def _first(text: str) -> str:
    """Return the first certificate of a PEM file, which is the server's own."""
    end = "-----END CERTIFICATE-----"
    return text[text.index("-----BEGIN") : text.index(end) + len(end)]
