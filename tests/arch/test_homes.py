"""Each outside library has one home in a package; what it can do is asked for there.

A library that is used everywhere can be replaced nowhere. A new row, or a wider home, comes with
the reason beside it; a new library comes with a decision record (docs/decisions).
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from typing import Final

import pytest

from tests.arch.sources import PACKAGES, Source, sources

HOMES: Final[Mapping[str, tuple[str, ...]]] = {
    "argon2": ("aggregator/access/passwords.py",),
    "amqtt": ("plant/embedded_broker.py",),
    "asyncpg": ("aggregator/store/postgres*",),
    "asyncua": ("protocols/field/opcua*", "plant/equipment/press*", "plant/equipment/auto_id.py"),
    "fastapi": (
        "aggregator/api/*",
        "aggregator/web/*",
        "aggregator/site.py",
        "aggregator/caller.py",
    ),
    "httpx": ("plant/client.py", "aggregator/ops/events/webhook.py"),
    "jinja2": ("aggregator/web/*",),
    "llrpkit": ("protocols/field/llrp*", "plant/equipment/llrp_*"),
    "msgspec": ("aggregator/api/*",),
    "nacl": ("aggregator/store/quick_key.py",),
    "paho": (
        "edge_agent/uplink*",
        "aggregator/ingest/*",
        "protocols/field/mqtt/line.py",
        "protocols/mqtt_client.py",
    ),
    "pyarrow": ("aggregator/export/parquet.py",),
    "pymodbus": ("protocols/field/modbus*", "plant/equipment/registers.py"),
    "segno": ("aggregator/export/symbols.py",),
    "serial": ("protocols/field/barcode/line.py",),
    "starlette": ("aggregator/api/*", "aggregator/web/*", "aggregator/site.py"),
    "typst": ("aggregator/export/pdf*",),
    "uvicorn": ("aggregator/app.py",),
    "zstandard": ("aggregator/store/segments*",),
    # A database file is opened in one place of each party that keeps one.
    "sqlite3": ("edge_agent/buffer*", "aggregator/store/*"),
    # Keys are made and kept outside the wire, and whoever trusts a certificate looks into it.
    "cryptography": (
        "protocols/wire/seal.py",
        "protocols/wire/tlog.py",
        "edge_agent/keys.py",
        "aggregator/*",
        "verifier/*",
        "protocols/field/opcua/security/trust.py",
        "protocols/field/opcua/security/own_certificate.py",
        "plant/ca.py",
    ),
    # Columns are arithmetic; the wire and the verifier do theirs without it.
    "numpy": ("aggregator/*",),
    # A declaration, not a service: settings of parties and drivers, and the documents of services.
    "pydantic": (
        "protocols/settings.py",
        "protocols/field/*",
        "edge_agent/*",
        "aggregator/settings*",
        "aggregator/api/*",
        "aggregator/service/*",
        "plant/settings*",
    ),
    "pydantic_settings": ("aggregator/settings/*",),
    # Whoever may break says so; the form of the lines is set in the composition root.
    "structlog": ("edge_agent/*", "aggregator/*", "protocols/field/*", "plant/*"),
    # Metrics are defined in one file and served by the composition root or the interface.
    "prometheus_client": ("*/metrics.py", "edge_agent/app.py", "aggregator/site.py"),
    # The command line, and each of its subjects where it has outgrown one file.
    "typer": ("*/__main__.py", "*/cli/*", "*/commands/*", "*/commands.py", "*/command_line.py"),
}


def strays(source: Source) -> Iterator[str]:
    """Yield a message for each import of a library that is not at home in this file."""
    for library in sorted(_imported(source)):
        homes = HOMES.get(library)
        if homes is None:
            if library not in sys.stdlib_module_names and library not in PACKAGES:
                yield (
                    f"{source.path}: {library} has no home; give it one here and say why in "
                    "docs/decisions, or do without it"
                )
        elif not any(fnmatch(source.path, home) for home in homes):
            yield (
                f"{source.path}: {library} is at home in {', '.join(homes)}; ask for what you need "
                "there, in our own words"
            )


def _imported(source: Source) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.partition(".")[0])
    return names


def test_every_library_is_used_in_its_home() -> None:
    packages = [package for package in PACKAGES if package != "tests"]
    breaches = [message for source in sources(*packages) for message in strays(source)]
    assert not breaches, "\n".join(["", *breaches])


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("edge_agent/collect.py", "from pymodbus.client import AsyncModbusTcpClient\n"),
        ("edge_agent/collect.py", "def late():\n    import sqlite3\n"),
        ("protocols/wire/bundle.py", "import numpy as np\n"),
        ("verifier/checks.py", "import cbor2\n"),
        ("aggregator/service/facts.py", "import requests\n"),
    ],
)
def test_a_planted_stray_is_caught(path: str, text: str) -> None:
    (message,) = strays(Source(path=path, text=text))
    assert path in message


def test_a_library_at_home_passes() -> None:
    text = "import json\nimport sqlite3\nfrom edge_agent import clock\n"
    assert list(strays(Source(path="edge_agent/buffer.py", text=text))) == []
