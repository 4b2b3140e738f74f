"""Errors of the agent: each says what is wrong and what a person can do.

    AgentError
    ├── SettingsFileError   Fatal       the settings cannot work: named by file, key and remedy
    ├── CommissioningError  Fatal       what was asked for at the terminal cannot be done as asked
    ├── KeyFileError        Fatal       the seal key cannot be read, or others may read it
    ├── BufferLockedError   Fatal       another agent has the buffer open
    ├── StorageFailedError  Fatal       the disk did not take or give what it must
    ├── BufferDamagedError  Recovered   the buffer is not whole, or not ours: it is set aside
    ├── BundleUnreadableError  Recovered  one bundle in the buffer cannot be read: named, passed by
    ├── BufferFullError     Recovered   the buffer is at its cap: refused, counted, declared
    ├── LineError           Retriable   the broker cannot be reached, or the connection was lost
    └── ReceiptRefusedError Recovered   a receipt that is not for us, or not consistent

*Fatal* ends the process with exit code 1 (2 for settings and key); *Retriable* is tried again by
itself; *Recovered* is dealt with on the spot, counted and said.
"""

from __future__ import annotations


class AgentError(Exception):
    """Root; ``hint`` tells a person what to do."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class SettingsFileError(AgentError):
    """The settings cannot work; ``problems`` names each by file and key, with its remedy."""

    def __init__(self, problems: tuple[str, ...], *, hint: str = "") -> None:
        super().__init__("\n".join(problems), hint=hint)
        self.problems = problems


class CommissioningError(AgentError):
    """What was asked for at the terminal cannot be done as asked."""


class KeyFileError(AgentError):
    """The seal key cannot be read, or others may read it."""


class BufferLockedError(AgentError):
    """Another agent has the buffer open."""


class StorageFailedError(AgentError):
    """The disk did not take or give what it must; nothing is acknowledged after it."""


class BufferDamagedError(AgentError):
    """The buffer is not whole, or not this gateway's."""


class BundleUnreadableError(AgentError):
    """One bundle in the buffer cannot be read, or is not the one that was sealed."""


class BufferFullError(AgentError):
    """The buffer is at its cap."""


class LineError(AgentError):
    """The broker cannot be reached, or the connection was lost."""


class ReceiptRefusedError(AgentError):
    """A receipt that is not for this gateway, or not consistent with what was seen."""
