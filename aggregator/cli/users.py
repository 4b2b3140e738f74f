"""Let people and services in: accounts of persons, tokens of services, login links."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from aggregator.access.accounts import Account, PasswordState
from aggregator.access.roles import Actor, Role
from aggregator.access.tokens import TokenKind
from aggregator.app import open_context
from aggregator.cli import shell
from aggregator.cli.shell import AsJson, SettingsFile, Why
from aggregator.service.access import accounts, tokens
from aggregator.service.access.accounts import Issued
from aggregator.settings import Settings

app = typer.Typer(help="Let services and people in.")

Name = Annotated[str, typer.Argument(help="who acts; never given to somebody else later")]
User = Annotated[str, typer.Argument(help="the user id; never given to anybody else later")]
Roles = Annotated[list[Role], typer.Option("--role", help="what for; may be given several times")]


@app.command("add")
def add_command(
    user: User,
    printed_name: Annotated[str, typer.Option("--name", help="the name as printed, in full")],
    role: Roles,
    settings: SettingsFile = None,
    why: Why = "made on the command line",
) -> None:
    """Make a person's account; print what its first login takes, this once."""

    async def act(chosen: Settings) -> Issued:
        async with open_context(chosen) as context:
            roles = frozenset(role)
            return await accounts.create(
                context, shell.person(), user, printed_name, roles, why=why
            )

    _print_issued(shell.do(act(shell.settings(settings))))


@app.command("ls")
def ls_command(settings: SettingsFile = None, as_json: AsJson = False) -> None:
    """List the accounts of persons, the ended ones too."""

    async def act(chosen: Settings) -> list[dict[str, Any]]:
        async with open_context(chosen) as context:
            found = await accounts.every(context, shell.person())
            return [_shown(account, context.clock.now()) for account in found]

    rows = shell.do(act(shell.settings(settings)))
    if as_json:
        typer.echo(json.dumps(rows))
        return
    if not rows:
        typer.echo("nobody has an account yet; `user add` makes one")
    for row in rows:
        roles = ", ".join(row["roles"])
        typer.echo(f"{row['user']}  {row['printed_name']}  {roles}  {_told(row)}")


@app.command("reset")
def reset_command(
    user: User,
    why: Annotated[str, typer.Option("--why", help="the reason, for the audit trail")],
    settings: SettingsFile = None,
) -> None:
    """Give an account a new password and second factor; its sessions end, its lock is lifted."""

    async def act(chosen: Settings) -> Issued:
        async with open_context(chosen) as context:
            return await accounts.reset(context, shell.person(), user, why=why)

    _print_issued(shell.do(act(shell.settings(settings))))


@app.command("disable")
def disable_command(
    user: User,
    why: Annotated[str, typer.Option("--why", help="the reason, for the audit trail")],
    settings: SettingsFile = None,
) -> None:
    """End an account for good; what it signed stays signed."""

    async def act(chosen: Settings) -> None:
        async with open_context(chosen) as context:
            await accounts.disable(context, shell.person(), user, why=why)

    shell.do(act(shell.settings(settings)))
    typer.echo(f"the account {user} has ended")


@app.command("token")
def token_command(
    name: Name,
    role: Roles,
    settings: SettingsFile = None,
    why: Why = "given on the command line",
) -> None:
    """Give a service a token for the API; it is shown this once."""
    typer.echo(shell.do(_give(shell.settings(settings), name, role, TokenKind.SERVICE, why)))


@app.command("link")
def link_command(
    name: Name,
    role: Roles,
    settings: SettingsFile = None,
    why: Why = "given on the command line",
) -> None:
    """Make a code that opens the console once, within ten minutes."""
    typer.echo(shell.do(_give(shell.settings(settings), name, role, TokenKind.LOGIN, why)))


@app.command("end")
def end_command(
    token: Annotated[str, typer.Argument(help="the token's id, its middle part")],
    why: Annotated[str, typer.Option("--why")],
    settings: SettingsFile = None,
) -> None:
    """End a token at once."""

    async def act(chosen: Settings) -> None:
        async with open_context(chosen) as context:
            await tokens.end(context, shell.person(), token, why=why)

    shell.do(act(shell.settings(settings)))
    typer.echo(f"token {token} has ended")


async def _give(settings: Settings, name: str, roles: list[Role], kind: TokenKind, why: str) -> str:
    holder = Actor(name=name, roles=frozenset(roles))
    async with open_context(settings) as context:
        _, text = await tokens.give(context, shell.person(), holder, kind, why=why)
    return text


def _print_issued(issued: Issued) -> None:
    typer.echo(f"account   {issued.account.user} ({issued.account.printed_name})")
    typer.echo(f"password  {issued.password}  (to be changed at the first login)")
    typer.echo(f"codes     {issued.enrolment}")
    shell.show_symbol(issued.enrolment)


def _told(row: dict[str, Any]) -> str:
    """Return what an account's state means for its person."""
    if row["state"] == "in force":
        first = row["password"] == PasswordState.ISSUED.value
        return "waits for the first login" if first else "can log in"
    return "is locked" if row["state"] == "locked" else "has ended"


def _shown(account: Account, now: int) -> dict[str, Any]:
    if account.ended_at is not None:
        state = "ended"
    else:
        state = "locked" if account.locked_until > now else "in force"
    return {
        "user": account.user,
        "printed_name": account.printed_name,
        "roles": sorted(account.roles),
        "state": state,
        "password": account.password_state.value,
    }
