"""The command by which a gateway is let in."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated, Final

import typer

from edge_agent.clock import KernelClock
from edge_agent.commissioning.commands import DEFAULT_SETTINGS, SettingsOption, fail
from edge_agent.commissioning.enrolment.enrol import Aggregator, Enrolment
from edge_agent.errors import AgentError
from protocols.wire.reading import SECOND

_POLL_S: Final = 2.0


def enrol(
    url: Annotated[str, typer.Argument(help="The aggregator, https://host:port.")],
    *,
    token: Annotated[str, typer.Option("--token", help="As `gateway invite` printed it.")],
    fingerprint: Annotated[
        str, typer.Option("--fingerprint", help="SHA-256 of the aggregator's certificate.")
    ] = "",
    ca: Annotated[
        Path | None, typer.Option("--ca", help="Or the authority of its certificate (PEM).")
    ] = None,
    data_dir: Annotated[
        Path, typer.Option("--data-dir", help="Folder of keys, certificates and buffer.")
    ] = Path("/var/lib/lotproof-agent"),
    wait: Annotated[
        float, typer.Option("--wait", min=0, help="Seconds to wait for being admitted.")
    ] = 900.0,
    settings: SettingsOption = DEFAULT_SETTINGS,
) -> None:
    """Make this gateway's keys, ask to be let in, and write certificates and settings.

    Ends with 1 where nobody has admitted it in time: the same command goes on.
    """
    clock, pause = KernelClock(), threading.Event()
    try:
        aggregator = Aggregator(url=url, fingerprint=fingerprint, ca=ca)
        enrolment = Enrolment(aggregator, token, data_dir=data_dir)
        enrolment.ask()
        typer.echo(f"fingerprint {enrolment.fingerprint}")
        typer.echo("  -> read it out to the person who admits this gateway")
        until = clock.monotonic() + int(wait * SECOND)
        while (given := enrolment.look()) is None:
            if clock.monotonic() >= until:
                typer.echo("not admitted yet: the same command goes on", err=True)
                raise typer.Exit(1)
            pause.wait(_POLL_S)
        written = enrolment.write(given, settings)
    except AgentError as error:
        fail(error)
    typer.echo(f"enrolled as {given['gateway']}")
    typer.echo(
        f"{settings} is written; add its sources, then lotproof-agent check"
        if written
        else f"{settings} is as it was; compare it with {data_dir}/tls"
    )
