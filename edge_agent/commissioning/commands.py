"""The commands with which an engineer commissions a gateway.

A driver is imported by the command that needs it: ``run`` pays for none of this.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from edge_agent.clock import GatewayClock, KernelClock
from edge_agent.commissioning import live
from edge_agent.commissioning import preview as importing
from edge_agent.commissioning.signals_file import write_new, write_signals
from edge_agent.commissioning.telling import printable, tell
from edge_agent.errors import AgentError, SettingsFileError
from edge_agent.settings_file import load_settings
from edge_agent.sources import load_sources
from protocols.field.driver import FieldError, SignalSettings

discover = typer.Typer(
    name="discover",
    help="Look at what equipment offers, and write it as a file of signals.",
    no_args_is_help=True,
)

SettingsOption = Annotated[
    Path,
    typer.Option("--settings", "-s", help="The settings file.", envvar="LOTPROOF_AGENT_SETTINGS"),
]
DEFAULT_SETTINGS = Path("/etc/lotproof/agent.toml")
WriteOption = Annotated[
    Path | None, typer.Option("--write", help="Write the signals into this CSV file.")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace a file that is there.")]
PrefixOption = Annotated[
    str, typer.Option("--prefix", help="Begins the name of every signal, for example press-1/.")
]


@discover.command("opcua")
def discover_opcua(
    endpoint: Annotated[str, typer.Argument(help="The server, opc.tcp://host:port.")],
    *,
    match: Annotated[
        list[str] | None,
        typer.Option("--match", help="Glob on browse paths below Objects; may be repeated."),
    ] = None,
    security: Annotated[
        str | None,
        typer.Option("--security", help="Security policy; left out, the best that can be spoken."),
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option("--certificate", help="This gateway's application certificate.")
    ] = None,
    private_key: Annotated[Path | None, typer.Option("--private-key", help="Its RSA key.")] = None,
    trusted: Annotated[
        Path | None, typer.Option("--trusted", help="Folder of trusted server certificates.")
    ] = None,
    trust_fingerprint: Annotated[
        str | None,
        typer.Option("--trust-fingerprint", help="SHA-256 to trust without being asked."),
    ] = None,
    user: Annotated[str | None, typer.Option("--user", help="User name.")] = None,
    password_file: Annotated[
        Path | None, typer.Option("--password-file", help="File that holds the password.")
    ] = None,
    depth: Annotated[int, typer.Option("--depth", min=1, help="Levels below Objects.")] = 12,
    breadth: Annotated[int, typer.Option("--nodes", min=1, help="Nodes to go through.")] = 20_000,
    timeout: Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds a request.")] = 5.0,
    prefix: PrefixOption = "",
    write: WriteOption = None,
    force: ForceOption = False,
) -> None:
    """List the endpoints and the variables of an OPC UA server."""
    from edge_agent.commissioning import discover_opcua as opcua
    from protocols.field.opcua.discover import Limits, offers

    access = opcua.Access(
        endpoint=endpoint,
        security=security,
        certificate=certificate,
        private_key=private_key,
        trusted=trusted,
        user=user,
        password_file=password_file,
        timeout_s=timeout,
    )
    try:
        offered = asyncio.run(offers(endpoint, timeout))
        _say(f"{endpoint} offers", *opcua.offer_lines(offered))
        settings = opcua.line_settings(access, offered)
        done = opcua.settle_trust(settings, offered, expected=trust_fingerprint, ask=typer.confirm)
        _say(*([done] if done else []))
        limits = Limits(depth_max=depth, nodes_max=breadth)
        browsed = opcua.browsed(settings, match or ["*"], prefix, limits)
        _say(f"{endpoint} holds, by {settings.security}", *opcua.found_lines(browsed))
        if write is not None:
            _written(write, opcua.COLUMNS, opcua.signals_of(browsed), force=force)
    except (AgentError, FieldError) as error:
        fail(error)


@discover.command("modbus")
def discover_modbus(
    target: Annotated[
        str, typer.Argument(help="host, host:port, or a serial port such as /dev/ttyUSB0.")
    ],
    *,
    unit: Annotated[str, typer.Option("--unit", help="Unit ids, for example 1-3,7.")] = "1",
    table: Annotated[
        str, typer.Option("--table", help="Of holding, input, coil and discrete.")
    ] = "holding,input",
    first: Annotated[int, typer.Option("--from", min=0, max=65535, help="First address.")] = 0,
    last: Annotated[int, typer.Option("--to", min=0, max=65535, help="Last address.")] = 200,
    transport: Annotated[
        str, typer.Option("--transport", help="tcp or rtu-over-tcp; a serial port is serial.")
    ] = "tcp",
    baud_rate: Annotated[int, typer.Option("--baud-rate", help="Of a serial port.")] = 19200,
    parity: Annotated[str, typer.Option("--parity", help="Of a serial port: N, E or O.")] = "E",
    block: Annotated[
        int, typer.Option("--block", min=1, max=125, help="Most registers in a request.")
    ] = 125,
    pause: Annotated[
        float, typer.Option("--pause", min=0.0, help="Seconds between two requests.")
    ] = 0.02,
    requests: Annotated[int, typer.Option("--requests", min=1, help="Most requests.")] = 2000,
    timeout: Annotated[float, typer.Option("--timeout", min=0.01, help="Seconds a request.")] = 1.0,
    retries: Annotated[
        int, typer.Option("--retries", min=0, max=10, help="How often silence is asked again.")
    ] = 1,
    prefix: PrefixOption = "",
    write: WriteOption = None,
    force: ForceOption = False,
) -> None:
    """Find the units and the readable registers of a Modbus line; never writes to equipment."""
    from edge_agent.commissioning import discover_modbus as modbus
    from protocols.field.modbus.discover import Wanted, scan, signals_of

    options: dict[str, object] = {"registers_max": block, "timeout_s": timeout, "retries": retries}
    if target.startswith("/"):
        options |= {"baud_rate": baud_rate, "parity": parity}
    else:
        options |= {"transport": transport}
    try:
        settings = modbus.line_settings(target, options)
        wanted = Wanted(
            units=modbus.numbers(unit, "--unit", 255),
            tables=modbus.tables(table),
            first=first,
            last=modbus.not_before(first, last),
            pause_s=pause,
            requests_max=requests,
        )
        scanned = asyncio.run(scan(settings, wanted))
        _say(*modbus.found_lines(scanned))
        if write is not None:
            _written(write, modbus.COLUMNS, signals_of(scanned, prefix), force=force)
    except (AgentError, FieldError) as error:
        fail(error)
    raise typer.Exit(0 if scanned.ranges else 1)


@discover.command("llrp")
def discover_llrp(
    target: Annotated[str, typer.Argument(help="The reader, host or host:port.")],
    *,
    security: Annotated[str, typer.Option("--security", help="none or tls.")] = "none",
    ca_file: Annotated[
        Path | None, typer.Option("--ca", help="PEM of the authority that vouches for it (tls).")
    ] = None,
    timeout: Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds an answer.")] = 5.0,
    prefix: PrefixOption = "",
    write: WriteOption = None,
    force: ForceOption = False,
) -> None:
    """Ask an RFID reader what it can do; it takes one client, so stop the agent first."""
    from edge_agent.commissioning import discover_llrp as llrp
    from protocols.field.llrp.discover import ask, signals_of

    options = {"security": security, "ca_file": ca_file, "answer_timeout_s": timeout}
    try:
        reader = asyncio.run(ask(llrp.line_settings(target, options)))
        _say(*llrp.reader_lines(reader))
        if write is not None:
            _written(write, llrp.COLUMNS, signals_of(reader, prefix), force=force)
    except (AgentError, FieldError) as error:
        fail(error)


def import_signals(
    signals: Annotated[
        Path, typer.Argument(help="CSV file or workbook (.xlsx) of signals, a row a signal.")
    ],
    *,
    source: Annotated[str, typer.Option("--source", help="Source of the settings they are for.")],
    sheet: Annotated[
        str | None, typer.Option("--sheet", help="Sheet of the workbook, where several are filled.")
    ] = None,
    settings: SettingsOption = DEFAULT_SETTINGS,
    preview: Annotated[bool, typer.Option("--preview", help="Show all and take nothing.")] = False,
    wait: Annotated[float, typer.Option("--wait", min=0.1, help="Seconds to wait.")] = 10.0,
    force: Annotated[
        bool, typer.Option("--force", help="Take the file in spite of what is not well.")
    ] = False,
) -> None:
    """Look at a file of signals, live, and take it as the source's; 1 where a signal is not well.

    Of Modbus, each number of several registers is shown in all four byte orders. The file that
    was in its place is kept. A running agent takes it with its next start.
    """
    try:
        table, data = importing.read_table(signals, sheet)
        loaded, candidate = importing.load_candidate(settings, source, table)
        doubts = list(importing.doubts(candidate))
        clock = GatewayClock(KernelClock(synchronised=loaded.clock.synchronised))
        (looked,) = asyncio.run(live.look([candidate], clock, wait_s=wait))
        _say(*live.to_lines([looked]), *(f"! {doubt}" for doubt in doubts))
        if not looked.error:
            orders = asyncio.run(importing.order_lines(candidate))
            _say(*(["In all four orders (* as configured):", *orders] if orders else []))
        well = looked.is_well and not doubts
        if preview or not (well or force):
            _say("nothing was taken" if preview else "nothing was taken; --force takes it as it is")
            raise typer.Exit(0 if well else 1)
        place, before = importing.install(loaded, source, data)
        _say(f"{place}: taken; restart the agent", *([f"before: {before}"] if before else []))
    except (AgentError, FieldError) as error:
        fail(error)


def plan(
    settings: SettingsOption = DEFAULT_SETTINGS,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what polled equipment will be asked: each request, its signals, and the line's load.

    Nothing is connected. Exit code 1 where a serial line cannot carry it.
    """
    from edge_agent.commissioning import plan as planning

    try:
        sources = load_sources(load_settings(settings), settings)
    except AgentError as error:
        fail(error)
    if as_json:
        typer.echo(json.dumps(planning.plan_json(sources), indent=2))
    else:
        _say(*planning.plan_lines(sources))
    raise typer.Exit(1 if any(map(planning.is_too_much, sources)) else 0)


def record(
    source: Annotated[str, typer.Argument(help="Source of the settings that is recorded.")],
    *,
    to: Annotated[Path, typer.Option("--to", help="The trace, .jsonl or .jsonl.gz; a new file.")],
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, help="For how long.")] = 60.0,
    readings: Annotated[int, typer.Option("--readings", min=1, help="Most readings.")] = 1_000_000,
    settings: SettingsOption = DEFAULT_SETTINGS,
) -> None:
    """Capture what a source sends, for a bug report; `replay` plays it as equipment."""
    from edge_agent.commissioning import recorder

    if ".jsonl" not in to.suffixes:
        fail(SettingsFileError((f"{to}: a trace is a file .jsonl or .jsonl.gz",)))
    try:
        loaded = load_settings(settings)
        sources = {each.name: each for each in load_sources(loaded, settings)}
        if source not in sources:
            known = ", ".join(sorted(sources)) or "none"
            raise SettingsFileError(
                (f"{settings}: no source is named {source!r}; it has: {known}",)
            )
        clock = GatewayClock(KernelClock(synchronised=loaded.clock.synchronised))
        done = asyncio.run(
            recorder.record(sources[source], clock, to, seconds=seconds, readings_max=readings)
        )
    except OSError as error:
        fail(SettingsFileError((f"{to}: {error.strerror or error}",)))
    except (AgentError, FieldError) as error:
        fail(error)
    _say(
        f"{to}: {done.readings} readings, {done.gaps} gaps, {done.errors} errors",
        f"  -> look through it before you send it; lotproof-agent replay {to}",
    )
    raise typer.Exit(0 if done.readings else 1)


def replay(
    trace: Annotated[Path, typer.Argument(help="What `record` wrote.")],
) -> None:
    """Print the source, for the settings file, that plays a trace as if it were equipment."""
    from edge_agent.commissioning import recorder

    try:
        typer.echo(recorder.replay_source(trace.absolute()))
    except AgentError as error:
        fail(error)


def doctor(
    path: Annotated[Path, typer.Option("--archive", help="The file to write, .tar.gz.")],
    *,
    settings: SettingsOption = DEFAULT_SETTINGS,
    force: ForceOption = False,
) -> None:
    """Put what a maker needs to help into an archive: settings, status, log; without secrets."""
    from edge_agent.commissioning import doctor as examining

    parts = examining.examine(settings)
    try:
        write_new(path, examining.archive(parts), force=force, mode=0o600)
    except AgentError as error:
        fail(error)
    for name, text in parts.items():
        typer.echo(f"  {name}  {len(text.encode())} bytes")
    typer.echo(f"{path}: look through it before you send it")


def fail(error: AgentError | FieldError) -> NoReturn:
    """Say what is wrong and what to do, and end: with 2 for settings that cannot work, else 1."""
    raise typer.Exit(tell(error))


def _say(*lines: str) -> None:
    for line in lines:
        typer.echo(printable(line))


def _written(
    path: Path, columns: Sequence[str], signals: Sequence[SignalSettings], *, force: bool
) -> None:
    write_signals(path, columns, signals, force=force)
    _say(
        f"{path}: {len(signals)} signals",
        f'  -> in the source, signals_csv = "{path.name}"; then lotproof-agent check --live',
    )
