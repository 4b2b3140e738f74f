"""Settings for gateways on the command line: offer, approve, look, compare."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from aggregator.app import open_context
from aggregator.cli import shell
from aggregator.cli.shell import AsJson, SettingsFile
from aggregator.errors import InvalidError
from aggregator.model.approval import Approval
from aggregator.service.access import accounts
from aggregator.service.access.accounts import Proof, Session
from aggregator.service.approval import approvals
from aggregator.service.approval.approvals import Verdict
from aggregator.service.approval.sensitive import ApplySettings
from aggregator.service.context import Context
from aggregator.service.rollout import offer
from aggregator.service.rollout.changes import differences
from aggregator.service.rollout.offer import Wanted
from aggregator.service.rollout.rows import Rollout
from aggregator.settings import Settings
from protocols.settings import check_document

app = typer.Typer(help="Give gateways settings: two persons, some gateways first.")

File = Annotated[Path, typer.Argument(help="settings (TOML): gateways, seal, uplink, source")]
Gateway = Annotated[str, typer.Argument(help="the gateway's id")]
User = Annotated[str, typer.Option("--user", help="who acts; asked for password and code")]
Password = Annotated[
    str, typer.Option("--password", prompt=True, hide_input=True, envvar="LOTPROOF_PASSWORD")
]
Code = Annotated[
    str, typer.Option("--code", prompt="Code of the authenticator", envvar="LOTPROOF_CODE")
]
Why = Annotated[str, typer.Option("--why", help="the reason, for the audit trail")]


@app.command("apply")
def apply_command(
    file: File,
    *,
    user: User,
    password: Password,
    code: Code,
    why: Why,
    gateway: Annotated[
        list[str] | None, typer.Option("--gateway", help="who takes them, besides the file's")
    ] = None,
    canary: Annotated[
        list[str] | None, typer.Option("--canary", help="a gateway that goes first")
    ] = None,
    hold: Annotated[int, typer.Option(help="seconds that those stay well first")] = 600,
    trial: Annotated[int, typer.Option(help="seconds that sources may take to come up")] = 60,
    settings: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Offer settings to gateways, and ask another person to approve them."""
    gateways, document = shell.checked(lambda: _read(file))
    wanted = Wanted(
        document=document,
        gateways=(*gateways, *(gateway or ())),
        canary=canary or (),
        hold_seconds=hold,
        trial_seconds=trial,
    )

    async def act(chosen: Settings) -> tuple[Rollout, Approval]:
        async with open_context(chosen) as context:
            session = await log_in(context, user, Proof(password=password, code=code))
            rollout = await offer.offer(context, session.actor, wanted, why=why)
            asked = ApplySettings(
                kind="apply_settings",
                rollout=rollout.id,
                document=rollout.hash,
                gateways=tuple(each.gateway for each in rollout.versions),
                canary=tuple(each.gateway for each in rollout.versions if each.is_canary),
            )
            return rollout, await approvals.ask(context, session, asked, why=why)

    rollout, approval = shell.do(act(shell.settings(settings)))
    if as_json:
        typer.echo(json.dumps({"rollout": rollout.id, "approval": approval.id}))
        return
    for version in rollout.versions:
        first = " (goes first)" if version.is_canary else ""
        typer.echo(f"{version.gateway}  version {version.number} offered{first}")
    typer.echo(f"request {approval.id} waits for another person")


@app.command("approve")
def approve_command(
    request: Annotated[str, typer.Argument(help="the request, as apply printed it")],
    *,
    user: User,
    password: Password,
    code: Code,
    why: Why,
    settings: SettingsFile = None,
) -> None:
    """Approve settings that another person has offered, once every gateway could take them."""

    async def act(chosen: Settings) -> Approval:
        async with open_context(chosen) as context:
            session = await log_in(context, user, Proof(password=password, code=code))
            every = [each.approval for each in await approvals.every(context, session)]
            found = next((each for each in every if each.id == request), None)
            if found is None:
                raise InvalidError(f"nothing was asked for as {request[:40]!r}")
            verdict = Verdict(shown=found.hash, password=password, why=why)
            decided, _ = await approvals.approve(context, session, request, verdict)
            return decided

    typer.echo(f"request {shell.do(act(shell.settings(settings))).id} is approved")


@app.command("show")
def show_command(gateway: Gateway, settings: SettingsFile = None, as_json: AsJson = False) -> None:
    """Show the versions of a gateway's settings, the latest first, and the one in force."""

    async def act(chosen: Settings) -> dict[str, Any]:
        async with open_context(chosen) as context:
            versions = await offer.of_gateway(context, shell.person(), gateway)
        shown = ("version", "state", "why", "rollout", "offered_by", "approved_by")
        return {
            "in_force": offer.in_force(versions),
            "versions": [{name: row[name] for name in shown} for row in versions],
        }

    found = shell.do(act(shell.settings(settings)))
    if as_json:
        typer.echo(json.dumps(found))
        return
    for row in found["versions"] or []:
        why = f"  ! {row['why']}" if row["why"] else ""
        typer.echo(f"version {row['version']}  {row['state']}, offered by {row['offered_by']}{why}")
    if not found["versions"]:
        typer.echo(f"{gateway} has its own file alone")


@app.command("diff")
def diff_command(file: File, gateway: Gateway, settings: SettingsFile = None) -> None:
    """Compare a file with what is in force on a gateway; exit 1 where they differ."""
    _, document = shell.checked(lambda: _read(file))

    async def act(chosen: Settings) -> dict[str, Any]:
        async with open_context(chosen) as context:
            return offer.in_force(await offer.of_gateway(context, shell.person(), gateway))

    found = list(differences(shell.do(act(shell.settings(settings))), document))
    for change in found:
        if change.before is not None:
            typer.echo(f"- {change.key} = {change.before}")
        if change.after is not None:
            typer.echo(f"+ {change.key} = {change.after}")
    if found:
        raise typer.Exit(1)


async def log_in(context: Context, user: str, proof: Proof) -> Session:
    """Return the session of a person who gives password and code."""
    _, text = await accounts.log_in(context, user, proof)
    return await accounts.session_of(context, text)


def _read(file: Path) -> tuple[list[str], dict[str, Any]]:
    """Return the gateways that a file names, and its document in its one form."""
    try:
        said = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidError(f"{file} cannot be read: {error}", hint="it is TOML in UTF-8") from None
    gateways = said.pop("gateways", [])
    document, wrong = check_document(said)
    if document is None or not isinstance(gateways, list):
        raise InvalidError("; ".join(wrong) or "gateways is not a list of ids")
    return [str(each) for each in gateways], json.loads(document.to_text())
