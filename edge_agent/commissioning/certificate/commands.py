"""The command that makes and renews this gateway's OPC UA application certificate."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from edge_agent.clock import GatewayClock, KernelClock
from edge_agent.commissioning.commands import fail
from edge_agent.errors import SettingsFileError
from protocols.field.driver import SettingsError


def opcua_certificate(
    certificate: Annotated[Path, typer.Argument(help="The certificate, written as DER.")],
    private_key: Annotated[Path, typer.Argument(help="Its RSA key, written as PEM.")],
    *,
    application_uri: Annotated[
        str | None,
        typer.Option("--application-uri", help="What this gateway calls itself, urn:..."),
    ] = None,
    host: Annotated[
        list[str] | None,
        typer.Option("--host", help="Name or address of this gateway; may be repeated."),
    ] = None,
    days: Annotated[int, typer.Option("--days", min=1, max=7300, help="Days of validity.")] = 730,
    renew: Annotated[
        bool,
        typer.Option("--renew", help="Make a new pair if the old one ends within --before days."),
    ] = False,
    before: Annotated[
        int, typer.Option("--before", min=0, help="Days before the end, with --renew.")
    ] = 30,
) -> None:
    """Make this gateway's OPC UA certificate, or renew it in time; print what it is.

    A renewal keeps the old pair as .old: it is used with servers that do not trust the new one yet.
    A running agent takes the new one at its next connection.
    """
    from protocols.field.opcua.security.own_certificate import days_left, make_certificate
    from protocols.field.opcua.security.trust import application_uris, describe, read_certificate

    now = GatewayClock(KernelClock()).gateway_time()
    try:
        hosts = host or [socket.gethostname()]
        uri = application_uri or f"urn:lotproof:gateway:{hosts[0]}"
        if certificate.exists() or private_key.exists():
            if not renew:
                raise SettingsError(
                    f"{certificate} or {private_key} is there already",
                    hint="--renew makes a new pair and keeps the old one as .old",
                )
            old = read_certificate(certificate)
            left = days_left(old, now)
            if left > before:
                typer.echo(f"{certificate} is valid for {left} days yet; nothing was done")
                return
            uri = application_uri or application_uris(old)[0]
        make_certificate(
            certificate,
            private_key,
            application_uri=uri,
            hosts=hosts,
            now=datetime.fromtimestamp(now // 1_000_000_000, UTC),
            days=days,
        )
        typer.echo(describe(read_certificate(certificate)))
        typer.echo(f"  -> have each server trust {certificate}, in its own tool")
    except SettingsError as error:
        fail(SettingsFileError((f"{error}; {error.hint}",)))
