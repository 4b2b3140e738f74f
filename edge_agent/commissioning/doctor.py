"""``lotproof-agent doctor``: what a maker needs to help, in one archive without a secret.

Every part is made alone, so that a gateway in any state gives what it can. The parts stand in the
order of their names and carry no time: the same facts give the same archive.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from edge_agent import fsck, status
from edge_agent.clock import GatewayClock, KernelClock
from edge_agent.commissioning.redaction import Redaction
from edge_agent.errors import AgentError
from edge_agent.keys import former, load
from edge_agent.settings import GatewaySettings, SealSettings
from edge_agent.settings_file import load_settings
from edge_agent.sources import load_sources
from protocols.wire.errors import WireError
from protocols.wire.seal import PublicKey

FOLDER: Final = "lotproof-doctor"


def examine(settings: Path) -> dict[str, str]:
    """Return the parts by name, redacted; a part that cannot be made says why."""
    redaction = Redaction()
    data = _read(settings)
    about = redaction.settings(data)
    overrides = redaction.environment(os.environ)
    folder = _folder(data, settings)
    makers: dict[str, Callable[[], object]] = {
        "about.json": _about,
        "clock.json": _clock,
        "disk.json": lambda: _disk(folder),
        "fsck.json": lambda: _fsck(data, folder),
        "log.txt": _log,
        "problems.txt": lambda: _problems(settings),
        "settings.json": lambda: {"settings": about, "overridden_by": overrides},
        "status.json": lambda: status.ask(folder) or "no agent runs on this folder",
    }
    for path in _signal_files(data, settings):
        makers[f"signals/{path.name}"] = functools.partial(path.read_text, encoding="utf-8-sig")
    return {name: redaction.text(_part(make)) for name, make in sorted(makers.items())}


def archive(parts: Mapping[str, str]) -> bytes:
    """Return the parts as a .tar.gz, the same bytes for the same parts."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name in sorted(parts):
            octets = parts[name].encode()
            member = tarfile.TarInfo(f"{FOLDER}/{name}")
            member.size, member.mode = len(octets), 0o600
            tar.addfile(member, io.BytesIO(octets))
    return packed.getvalue()


_LOG_LINES: Final = 500
_LOG_TIMEOUT_S: Final = 20.0
_UNIT: Final = "lotproof-agent"
_LIBRARIES: Final = (
    *("lotproof", "asyncua", "cryptography", "llrpkit", "paho-mqtt", "pydantic", "pymodbus"),
    *("pyserial", "structlog", "typer"),
)


def _part(make: Callable[[], object]) -> str:
    try:
        found = make()
    except Exception as error:  # noqa: BLE001 # whatever a gateway in trouble may raise is told
        return f"this part could not be made: {type(error).__name__}: {error}\n"
    if isinstance(found, str):
        return found if found.endswith("\n") else f"{found}\n"
    return json.dumps(found, default=str, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def _read(settings: Path) -> dict[str, Any]:
    """Return the settings file as it stands; nothing where it cannot be read."""
    try:
        return tomllib.loads(settings.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _folder(data: Mapping[str, Any], settings: Path) -> Path:
    gateway = data.get("gateway")
    named = gateway.get("data_dir") if isinstance(gateway, dict) else None
    default = GatewaySettings.model_fields["data_dir"].default
    return settings.absolute().parent / str(named or default)


def _problems(settings: Path) -> str:
    try:
        load_sources(load_settings(settings), settings)
    except AgentError as error:
        return f"{error}\n{error.hint}"
    return "none: the settings load"


def _about() -> dict[str, Any]:
    return {
        "python": sys.version,
        "platform": platform.platform(),
        "machine": platform.machine(),
        "processors": os.cpu_count(),
        "versions": dict(_versions()),
    }


def _versions() -> Iterator[tuple[str, str]]:
    for library in _LIBRARIES:
        try:
            yield library, metadata.version(library)
        except metadata.PackageNotFoundError:
            yield library, "not installed"


def _clock() -> dict[str, Any]:
    clock = GatewayClock(KernelClock())
    state = clock.state()
    return {
        "gateway_time_ns": clock.gateway_time(),
        "since_boot_s": round(clock.monotonic(), 3),
        "state": state.state.name,
        "uncertainty_ns": state.uncertainty,
        "floor_ns": state.floor,
        "boot": clock.boot.hex(),
    }


def _disk(folder: Path) -> dict[str, Any]:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    usage, inodes = shutil.disk_usage(there), os.statvfs(there)
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    return {
        "folder": folder,
        "bytes": {"total": usage.total, "used": usage.used, "free": usage.free},
        "inodes": {"total": inodes.f_files, "free": inodes.f_favail},
        "file_system": _file_system(there),
        "files": {str(path.relative_to(folder)): path.stat().st_size for path in files},
    }


def _file_system(path: Path) -> str:
    """Return device, mount and type of the file system that holds the path."""
    mounts = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    whole = path.resolve()
    fields = [line.split()[:3] for line in mounts]
    over = [each for each in fields if whole.is_relative_to(each[1].replace("\\040", " "))]
    over.sort(key=lambda each: len(each[1]))
    return " ".join(over[-1]) if over else "unknown"


def _fsck(data: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    seal = data.get("seal")
    named = seal.get("key") if isinstance(seal, dict) else None
    path = folder / str(named or SealSettings.model_fields["key"].default)
    public, older = load(path).public, former(path)
    aggregator = None
    # Without it the stored receipt is not opened; ``problems.txt`` says what is wrong with it.
    with contextlib.suppress(KeyError, TypeError, WireError):
        aggregator = PublicKey.from_text(data["aggregator"]["seal_key"])
    return asdict(fsck.check(folder, public, former=older, aggregator=aggregator))


def _log() -> str:
    """Return the last lines of the journal, which this user may not be let to read."""
    run = subprocess.run(  # noqa: S603 # a fixed command
        [
            *("journalctl", "--unit", _UNIT, "--lines", str(_LOG_LINES)),
            *("--no-pager", "--output", "short-iso"),
        ],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_LOG_TIMEOUT_S,
        check=False,
    )
    return run.stdout + run.stderr


def _signal_files(data: Mapping[str, Any], settings: Path) -> Iterator[Path]:
    sources = data.get("source")
    for source in sources if isinstance(sources, list) else []:
        named = source.get("signals_csv") if isinstance(source, dict) else None
        if isinstance(named, str):
            yield settings.absolute().parent / named
