"""Errors of the aggregator: each says what is wrong and what a person can do.

    AggregatorError
    ├── SettingsError           settings or key files that cannot work; refuse to start
    ├── StoreError              the store could not do what it was asked; nothing was written
    │   ├── StoreUnavailableError   locked, full or gone; the same again may succeed
    │   ├── StoreConflictError      a row contradicts what is stored already
    │   └── SchemaError             the store is of another version than this program
    ├── EvidenceError           stored evidence does not prove what it must
    ├── ExportError             a record could not be put into the form asked for
    ├── AccessError             nobody known asks                               401
    ├── DeniedError             the actor may not do this                       403
    │   ├── PasswordIssuedError     the password must be changed first
    │   └── SecondPersonError       it takes a second person
    ├── NotFoundError           there is no such thing                          404
    ├── ConflictError           it is otherwise than the caller believed        409
    └── InvalidError            what was given cannot be taken                  422

StoreUnavailableError is *Retriable*; SettingsError and SchemaError are *Fatal*. What is wrong with
a message from a gateway is a ``protocols.wire.errors.WireError`` and is *Quarantine*.
"""

from __future__ import annotations


class AggregatorError(Exception):
    """Root; ``hint`` tells a person what to do."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class SettingsError(AggregatorError):
    """Settings or key files that cannot work."""


class StoreError(AggregatorError):
    """The store could not do what it was asked; nothing was written."""


class StoreUnavailableError(StoreError):
    """Locked, full or gone; the same again may succeed."""


class StoreConflictError(StoreError):
    """A row contradicts what is stored already."""


class SchemaError(StoreError):
    """The store is of another version than this program."""


class EvidenceError(AggregatorError):
    """Stored evidence does not prove what it must."""


class ExportError(AggregatorError):
    """A record could not be put into the form asked for."""


class AccessError(AggregatorError):
    """Nobody known asks: no token, or one that does not serve."""


class DeniedError(AggregatorError):
    """The actor may not do this."""


class PasswordIssuedError(DeniedError):
    """The password was given by an administrator and must be changed first."""


class SecondPersonError(DeniedError):
    """What was tried takes a second person: it must be asked for, and approved by another."""


class NotFoundError(AggregatorError):
    """There is no such thing."""


class ConflictError(AggregatorError):
    """It is otherwise than the caller believed; read it again."""


class InvalidError(AggregatorError):
    """What was given cannot be taken; ``hint`` says what can."""
