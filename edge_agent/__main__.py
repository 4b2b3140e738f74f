"""The command line: ``lotproof-agent``; what it can do stands in ``commissioning``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from edge_agent.app import Agent
from edge_agent.commissioning.telling import log_to_stderr, tell
from edge_agent.config_sync.central import SettingsLoader
from edge_agent.errors import AgentError

if TYPE_CHECKING:
    import typer


def main() -> None:
    """Run what was asked for.

    The agent, as a service starts it, runs for years on a small computer: it does without what the
    other commands need, which is 2 MB and a tenth of its start.
    """
    match sys.argv[1:]:
        case ["run", "--settings" | "-s", path]:
            sys.exit(run(Path(path)))
        case _:
            commands()(obj=run)


def run(settings: Path) -> int:
    """Run the agent until it is told to stop (SIGTERM); return the exit code."""
    log_to_stderr()
    try:
        asyncio.run(Agent(SettingsLoader(settings)).run())
    except AgentError as error:
        return tell(error)
    except Exception as error:  # noqa: BLE001 # the last word before the process ends with 1
        structlog.get_logger("agent").exception("the agent failed in a way it should not")
        hint = "tell its makers what is logged"
        return tell(AgentError(f"the agent failed: {error!r}", hint=hint))
    return 0


def commands() -> typer.Typer:
    """Return all commands."""
    from edge_agent.commissioning.command_line import app

    return app


if __name__ == "__main__":
    main()
