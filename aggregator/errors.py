"""Errors of the aggregator: each says what is wrong and what a person can do.

    AggregatorError
    ├── SettingsError     the settings cannot work                      Fatal
    ├── StoreError        the store failed or is not as it must be      Retriable
    ├── DeniedError       the actor may not do this                     403
    ├── NotFoundError     there is no such thing                        404
    ├── ConflictError     it is otherwise than the caller believed      409
    └── InvalidError      what was given cannot be taken                422

Bad data from a gateway is not an error here: it is a verdict of ``ingest.verify``, quarantined.
"""

from __future__ import annotations


class AggregatorError(Exception):
    """Root; ``hint`` tells a person what to do."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class SettingsError(AggregatorError):
    """The settings cannot work: refuse to start."""


class StoreError(AggregatorError):
    """The store failed, or is not as it must be: nothing was committed."""


class DeniedError(AggregatorError):
    """The actor may not do this."""


class NotFoundError(AggregatorError):
    """There is no such thing."""


class ConflictError(AggregatorError):
    """It is otherwise than the caller believed; read it again."""


class InvalidError(AggregatorError):
    """What was given cannot be taken; ``hint`` says what can."""
