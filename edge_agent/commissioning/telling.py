"""What is told on the standard error: to people on a terminal, to a collector of logs."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

import structlog

from edge_agent.errors import AgentError, KeyFileError, SettingsFileError
from protocols.field.driver import FieldError, SettingsError


def tell(error: AgentError | FieldError) -> int:
    """Say what is wrong and what to do; return 2 for settings that cannot work, else 1."""
    wrong: Sequence[str] = (str(error),)
    if isinstance(error, SettingsFileError):
        wrong = error.problems
    for problem in wrong:
        sys.stderr.write(f"lotproof-agent: {printable(problem)}\n")
    if error.hint:
        sys.stderr.write(f"  -> {printable(error.hint)}\n")
    settings = SettingsFileError | KeyFileError | SettingsError
    return 2 if isinstance(error, settings) else 1


def printable(text: str) -> str:
    """Return the text without what could steer a terminal: equipment names things as it likes."""
    return "".join(each if each.isprintable() or each == "\n" else "\ufffd" for each in text)


def log_to_stderr() -> None:
    """Write a line an event: for people on a terminal, as JSON for a collector of logs."""
    people = sys.stderr.isatty()
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer() if people else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
