"""The page of commands, from the command lines that describe themselves."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import inspect
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from tests.arch.sources import ROOT


def commands_page() -> str:
    """Return a page that lists every command with its arguments and options."""
    lines = ["# Commands", "", "Written by `./dev docs`; do not edit."]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for script, entry in project["scripts"].items():
        module_name = entry.partition(":")[0]
        if importlib.util.find_spec(module_name) is None:
            continue
        module = importlib.import_module(module_name)
        app = module.commands() if hasattr(module, "commands") else getattr(module, "app", None)
        if app is not None:
            lines += _typer_lines(script, typer.main.get_command(app))
        else:
            lines += _argparse_lines(script, module._parser())
    return "\n".join([*lines, ""])


def _typer_lines(name: str, command: Any) -> Iterator[str]:
    """Yield what a command says of itself, then what its own commands do.

    Typer keeps its command classes to itself, hence ``Any``.
    """
    yield from ["", f"## {name}", "", inspect.cleandoc(command.help or "").replace("\f", "")]
    rows = []
    for parameter in command.params:
        if parameter.name == "help" or getattr(parameter, "hidden", False):
            continue
        shown = ", ".join(parameter.opts + parameter.secondary_opts)
        if parameter.param_type_name == "argument":
            shown = parameter.name.upper()
        given = "must be given" if parameter.required else _default(parameter.default)
        variable = f" From the environment: `{parameter.envvar}`." if parameter.envvar else ""
        rows.append(f"| `{shown}` | {given} | {parameter.help or ''}{variable} |")
    yield from _table(rows)
    for child in getattr(command, "commands", {}).values():
        if not child.hidden:
            yield from _typer_lines(f"{name} {child.name}", child)


def _argparse_lines(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    yield from ["", f"## {name}", "", parser.description or ""]
    rows = []
    for action in parser._actions:  # argparse tells its options nowhere else
        if action.dest == "help":
            continue
        shown = ", ".join(action.option_strings) or str(action.metavar or action.dest)
        needed = action.required and action.nargs not in {"?", "*"}
        given = "must be given" if needed else _default(action.default)
        rows.append(f"| `{shown}` | {given} | {action.help or ''} |")
    yield from _table(rows)
    if parser.epilog:
        yield from ["", parser.epilog]


def _table(rows: list[str]) -> list[str]:
    if not rows:
        return []
    return ["", "| option | default | meaning |", "| --- | --- | --- |", *rows]


def _default(value: object) -> str:
    plain = isinstance(value, str | int | float | Path) and not isinstance(value, bool)
    return f"`{value}`" if plain and value != "" else "–"
