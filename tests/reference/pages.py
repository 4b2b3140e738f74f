"""Which files are generated, and from what."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from aggregator.model.integration.catalogue import asyncapi
from protocols.field.driver import driver_names, load_driver
from tests.arch.sources import ROOT
from tests.reference.commands import commands_page
from tests.reference.dictionary import dictionary_page
from tests.reference.errors import errors_page
from tests.reference.metrics import metrics_page
from tests.reference.settings import sample, settings_page
from tests.reference.trace import trace_page

REFERENCE: Final = ROOT / "docs" / "reference"
PARTIES: Final = {"agent": "edge_agent", "aggregator": "aggregator"}
"""Short name of a party, as in its command, and its import package."""


def pages() -> dict[Path, str]:
    """Return every generated file and what it should hold."""
    made = {
        REFERENCE / "asyncapi.yaml": asyncapi_page(),
        REFERENCE / "commands.md": commands_page(),
        REFERENCE / "dictionary.md": dictionary_page(),
        REFERENCE / "drivers.md": drivers_page(),
        REFERENCE / "errors.md": errors_page(),
        REFERENCE / "metrics.md": metrics_page(),
        ROOT / "docs" / "decisions" / "index.md": decisions_page(),
        ROOT / "docs" / "specs" / "index.md": specifications_page(),
        ROOT / "docs" / "validation" / "trace.md": trace_page(),
    }
    for party, package in PARTIES.items():
        settings = _settings_of(package)
        if settings is not None:
            title = f"Settings of lotproof-{party}"
            made[REFERENCE / f"settings-{party}.md"] = settings_page(title, settings)
            made[ROOT / "config" / f"{party}.sample.toml"] = sample(title, settings)
    for name in driver_names():
        spec = load_driver(name)
        title = f"Driver `{name}`: {spec.summary.rstrip('.')}"
        made[REFERENCE / f"driver-{name}.md"] = settings_page(title, spec.settings)
    made[REFERENCE / "index.md"] = reference_page(made)
    return made


def stale() -> Iterator[str]:
    """Yield a message for each generated file that is missing or is not what it should be."""
    for path, text in pages().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            yield f"{path.relative_to(ROOT)} is not what the code says; run ./dev docs"


def asyncapi_page() -> str:
    """Return the description of events; JSON is YAML, and needs no library of its own."""
    said = asyncapi(importlib.metadata.version("lotproof"))
    head = "# AsyncAPI 3.0: every event, by its type. Written by ./dev docs; do not edit.\n"
    return head + json.dumps(said, indent=2) + "\n"


def drivers_page() -> str:
    """Return the list of drivers, with what each is exempt from and why."""
    lines = [
        "# Drivers",
        "",
        "Written by `./dev docs`; do not edit.",
        "",
        "| driver | speaks to | can send again what was not acknowledged | exempt from |",
        "| --- | --- | --- | --- |",
    ]
    for name in driver_names():
        spec = load_driver(name)
        exempt = "; ".join(f"{test}: {why}" for test, why in spec.exemptions.items()) or "–"
        replays = "yes" if spec.replays else "no"
        lines.append(
            f"| [{name}](driver-{name}.md) | {spec.summary.rstrip('.')} | {replays} | {exempt} |"
        )
    return "\n".join([*lines, ""])


def reference_page(made: Mapping[Path, str]) -> str:
    """Return the list of reference pages: those that are made, and those that a person wrote."""
    written = (path for path in made if path.parent == REFERENCE and path.suffix == ".md")
    texts = {path.name: made[path] for path in written}
    for path in REFERENCE.glob("*.md"):
        texts.setdefault(path.name, path.read_text(encoding="utf-8"))
    texts.pop("index.md", None)
    return "\n".join(["# Reference", "", *_links(texts), ""])


def decisions_page() -> str:
    """Return the list of decision records, by number."""
    folder = ROOT / "docs" / "decisions"
    records = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("[0-9]*.md")}
    lines = [
        "# Decisions",
        "",
        "What was decided, what was measured for it, and what would make us decide again. A new",
        "record takes the next number and the form of the [template](template.md); a record is",
        "never rewritten, it is replaced. Written by `./dev docs`; do not edit.",
        "",
    ]
    return "\n".join([*lines, *_links(records), ""])


def specifications_page() -> str:
    """Return the list of specifications, by title."""
    folder = ROOT / "docs" / "specs"
    texts = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}
    texts.pop("index.md", None)
    lines = [
        "# Specifications",
        "",
        "What gateway, aggregator and auditor must agree on, each page with a worked example",
        "first, in the words of BCP 14 (RFC 2119, RFC 8174). They are normative: where code and",
        "page differ, one of them is wrong. Frozen vectors stand in `tests/vectors`. Written by",
        "`./dev docs`; do not edit.",
        "",
    ]
    return "\n".join([*lines, *_links(texts), ""])


def _links(pages: Mapping[str, str]) -> Iterator[str]:
    """Yield a link to each page, by its file's name, with its title."""
    for name, text in sorted(pages.items()):
        title = text.partition("\n")[0].removeprefix("# ")
        yield f"- [{title}]({name})"


def _settings_of(package: str) -> type[BaseModel] | None:
    """Return the settings of a party, or None while it has none."""
    if importlib.util.find_spec(f"{package}.settings") is None:
        return None
    found: type[BaseModel] = importlib.import_module(f"{package}.settings").Settings
    if not issubclass(found, BaseModel):
        raise TypeError(f"{package}.settings.Settings describes nothing: it is no pydantic model")
    return found
