"""The commands of ``lotproof-agent``; ``edge_agent.__main__`` gives ``run`` what it runs.

Exit codes: 0 all is well; 1 the agent failed, or something is wrong with what was looked at;
2 the settings or the arguments cannot work.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from edge_agent import fsck as proof
from edge_agent import status as local
from edge_agent.clock import GatewayClock, KernelClock
from edge_agent.commissioning import commands
from edge_agent.commissioning import live as commissioning
from edge_agent.commissioning.certificate.commands import opcua_certificate
from edge_agent.commissioning.commands import DEFAULT_SETTINGS, SettingsOption, fail
from edge_agent.commissioning.enrolment.commands import enrol
from edge_agent.commissioning.telling import log_to_stderr
from edge_agent.config_sync.central import SettingsLoader
from edge_agent.errors import AgentError, SettingsFileError
from edge_agent.keys import former, hand_over, load, load_or_create, prepare_next, use_next
from edge_agent.settings_file import load_settings
from edge_agent.uplink.mqtt import tls_context
from protocols.wire.reading import SECOND
from protocols.wire.seal import PublicKey

app = typer.Typer(
    name="lotproof-agent",
    help="Collects equipment readings on a gateway, seals them, keeps them and forwards them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.command()
def run(ctx: typer.Context, settings: SettingsOption = DEFAULT_SETTINGS) -> None:
    """Run the agent until it is told to stop (SIGTERM)."""
    raise typer.Exit(ctx.obj(settings))  # what runs it was given with the call of ``app``


@app.command()
def check(
    settings: SettingsOption = DEFAULT_SETTINGS,
    live: Annotated[
        bool, typer.Option("--live", help="Read every signal once from the equipment.")
    ] = False,
    wait: Annotated[
        float, typer.Option("--wait", min=0.1, help="Seconds to wait for all signals, with --live.")
    ] = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with --live.")] = False,
) -> None:
    """Check the settings; with --live, the equipment too: 1 where a signal is not well.

    Nothing is acknowledged or kept. Stop the agent first where equipment takes one client only.
    """
    try:
        loaded, sources, _ = SettingsLoader(settings)()
        tls_context(loaded.uplink)
        if loaded.seal_key_path.exists():
            load(loaded.seal_key_path)
    except (OSError, ValueError) as error:
        fail(SettingsFileError((f"{settings}: uplink.ca, certificate or key: {error}",)))
    except AgentError as error:
        fail(error)
    signals = sum(len(source.signals()) for source in sources)
    if not as_json:
        typer.echo(
            f"{settings}: gateway {loaded.gateway.id}, {len(sources)} sources, {signals} signals"
        )
    if live:
        log_to_stderr()
        clock = GatewayClock(KernelClock(synchronised=loaded.clock.synchronised))
        looked = asyncio.run(commissioning.look(sources, clock, wait_s=wait))
        if as_json:
            typer.echo(json.dumps(commissioning.to_json(looked), indent=2))
        for line in [] if as_json else commissioning.to_lines(looked):
            typer.echo(line)
        raise typer.Exit(0 if all(each.is_well for each in looked) else 1)


@app.command()
def key(settings: SettingsOption = DEFAULT_SETTINGS) -> None:
    """Print the public seal key, for enrolment; make the key if there is none."""
    try:
        loaded = load_settings(settings)
        made = load_or_create(loaded.seal_key_path, loaded.seal.algorithm.wire)
    except AgentError as error:
        fail(error)
    typer.echo(made.public.to_text())


@app.command("rotate-key")
def rotate_key(
    settings: SettingsOption = DEFAULT_SETTINGS,
    use: Annotated[
        bool, typer.Option("--use", help="Put the new key in the place of the present one.")
    ] = False,
) -> None:
    """Make the next seal key and print it, for the aggregator to trust; with --use, take it.

    The present key hands over to it, and the running agent tells the aggregator. It seals with the
    new one from its next start on, in the same epoch; both keys are trusted until the aggregator
    revokes the one before.
    """
    try:
        loaded = load_settings(settings)
        path = loaded.seal_key_path
        made = use_next(path) if use else prepare_next(path, loaded.seal.algorithm.wire)
        if not use:
            clock = GatewayClock(KernelClock(synchronised=loaded.clock.synchronised))
            hand_over(path, loaded.gateway_id, clock.gateway_time())
    except AgentError as error:
        fail(error)
    typer.echo(made.public.to_text())
    then = (
        "restart the agent; once all that it sealed before is receipted, revoke the old key"
        if use
        else f"lotproof-aggregator gateway add {loaded.gateway.id} --further --key ..., "
        "then rotate-key --use"
    )
    typer.echo(f"  -> {then}", err=True)


@app.command()
def status(
    settings: SettingsOption = DEFAULT_SETTINGS,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show how the running agent is; exit code 1 where none runs or something is wrong."""
    try:
        loaded = load_settings(settings)
    except AgentError as error:
        fail(error)
    found = local.ask(loaded.gateway.data_dir)
    if found is None:
        _no_agent(loaded.gateway.data_dir)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        for line in _lines(found):
            typer.echo(line)
    well = found["uplink"] == "SENDING" and not found["alerts"]
    raise typer.Exit(0 if well and all(s["state"] == "RUNNING" for s in found["sources"]) else 1)


@app.command()
def reload(settings: SettingsOption = DEFAULT_SETTINGS) -> None:
    """Have the running agent take its settings file anew; 2 where it is wrong: nothing changed.

    Sources that are as they were keep their connections (SIGHUP does the same).
    """
    try:
        loaded = load_settings(settings)
    except AgentError as error:
        fail(error)
    found = local.ask(loaded.gateway.data_dir, local.RELOAD, timeout_s=local.RELOAD_TIMEOUT_S)
    if found is None:
        _no_agent(loaded.gateway.data_dir)
    if found["outcome"] == "refused":
        fail(SettingsFileError(tuple(found["problems"]), hint=found["hint"]))
    for word in ("added", "removed", "changed"):
        for name in found[word]:
            typer.echo(f"{word} {name}")
    typer.echo(f"settings {found['settings_hash'][:16]} are in force")


@app.command()
def fsck(
    settings: SettingsOption = DEFAULT_SETTINGS,
    path: Annotated[
        Path | None, typer.Argument(help="A buffer, if not that of the settings.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Verify every seal, link, column, counter and receipt of the buffer; 1 if not whole."""
    try:
        loaded = load_settings(settings)
        public, older = load(loaded.seal_key_path).public, former(loaded.seal_key_path)
    except AgentError as error:
        fail(error)
    aggregator = PublicKey.from_text(loaded.aggregator.seal_key)
    folder = path or loaded.gateway.data_dir
    report = proof.check(folder, public, former=older, aggregator=aggregator)
    if as_json:
        found = {name: getattr(report, name) for name in report.__dataclass_fields__}
        typer.echo(json.dumps(found, default=str, indent=2))
    else:
        for problem in report.problems:
            typer.echo(f"not whole: {problem}")
        typer.echo(
            f"{report.path}: {report.bundles} bundles ({report.first} to {report.head}, receipted "
            f"to {report.receipted}), {report.readings} readings, {report.gaps} gaps declared, "
            f"{len(report.problems) or 'no'} problems"
        )
    raise typer.Exit(1 if report.problems else 0)


app.add_typer(commands.discover)
app.command("import")(commands.import_signals)
app.command()(commands.plan)
app.command()(commands.record)
app.command()(commands.replay)
app.command()(commands.doctor)
app.command()(opcua_certificate)
app.command()(enrol)


def _no_agent(folder: Path) -> NoReturn:
    typer.echo(f"no agent runs on {folder}", err=True)
    typer.echo("  -> systemctl status lotproof-agent, or lotproof-agent run", err=True)
    raise typer.Exit(1)


def _lines(found: dict[str, Any]) -> list[str]:
    lines = [
        f"gateway {found['gateway']}  version {found['version']}  uplink {found['uplink'].lower()}",
        f"bundles sealed to {found['head']}, receipted to {found['receipted']}",
        f"readings {found['readings']}, sealed {found['readings_sealed']}, refused "
        f"{sum(found['readings_refused'].values())} {found['readings_refused'] or ''}".rstrip(),
        f"buffer {found['buffer_bytes']} of {found['buffer_bytes_max']} bytes",
    ]
    lines += _upkeep(found)
    lines += [f"  ! {found['uplink_error']}"] if found["uplink_error"] else []
    lines += [f"  ! {alert}" for alert in found["alerts"]]
    settings = found["settings"]
    version = f" version {settings['version']}" if settings["version"] else ""
    lines += [f"settings {settings['hash'][:16]}{version}, {settings['state'].lower()}"]
    lines += [f"  ! {line}" for line in settings["why"].splitlines()]
    for source in found["sources"]:
        error = f"  ! {source['error']}" if source["error"] else ""
        lines.append(
            f"{source['name']:24} {source['driver']:8} {source['state'].lower():10} "
            f"{source['readings']} readings{_certificates(source)}{error}"
        )
    return lines


def _certificates(source: dict[str, Any]) -> str:
    ends = source["certificate_days"].items()
    return "".join(f", {whose}'s certificate {days:.0f} days" for whose, days in ends)


def _upkeep(found: dict[str, Any]) -> list[str]:
    """Return what a person must see to in time: receipts, clock, certificate, disk."""
    now, oldest, last = (found[name] for name in ("time", "oldest_unacknowledged", "last_receipt"))
    offset, disk = found["clock_offset_ns"], found["disk"]
    lines = [
        "receipts: "
        + ("none came yet" if last is None else f"last {_ago(now - last)} ago")
        + (", none owed" if oldest is None else f", oldest owed for {_ago(now - oldest)}"),
        f"clock {found['clock'].lower().replace('_', '-')}"
        + ("" if offset is None else f", {offset / SECOND:+.3f} s to the aggregator's at most"),
    ]
    if (days := found["certificate_days"]) is not None:
        lines.append(f"certificate valid for {days:.1f} days")
    if disk is not None and disk["bytes_per_day"] is not None:
        left = "" if disk["days_left"] is None else f", {disk['days_left']:.0f} days left"
        lines.append(
            f"disk: {disk['bytes_per_day'] / 1e6:.1f} MB written a day{left}, "
            f"bundles cut after {disk['age_s']:g} s"
        )
    return lines


def _ago(nanoseconds: int) -> str:
    return f"{max(0, nanoseconds) / SECOND:.0f} s"
