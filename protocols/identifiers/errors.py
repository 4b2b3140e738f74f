"""The errors of this package.

::

    IdentifierError      root; message and hint
    └── EpcError         an EPC that its coding scheme does not allow
"""

from __future__ import annotations


class IdentifierError(ValueError):
    """Root of what this package raises; ``hint`` tells a person what to do."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class EpcError(IdentifierError):
    """An EPC that its coding scheme does not allow, or whose scheme is not known here."""
