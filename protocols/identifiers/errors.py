"""The errors of this package.

::

    IdentifierError      root; message and hint
    ├── EpcError         an EPC that its coding scheme does not allow
    ├── Gs1Error         a GS1 element string, key or Digital Link against its rules
    ├── HibcError        a HIBC structure against ANSI/HIBC 2.6
    ├── Isbt128Error     an ISBT 128 data structure of ICCBBA that is not one
    ├── MaError          an MA code (IDcode) against its structure
    └── UdiError         a device identification that no agency's rules read
"""

from __future__ import annotations


class IdentifierError(ValueError):
    """Root of what this package raises; ``hint`` tells a person what to do."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class EpcError(IdentifierError):
    """An EPC that its coding scheme does not allow, or whose scheme is not known here."""


class Gs1Error(IdentifierError):
    """A GS1 element string, key or Digital Link that the General Specifications do not allow."""


class HibcError(IdentifierError):
    """A HIBC supplier data structure that ANSI/HIBC 2.6 does not allow."""


class Isbt128Error(IdentifierError):
    """A data structure that ISBT 128 does not allow, or that is not known here."""


class MaError(IdentifierError):
    """An MA code (IDcode) that does not have its structure or its check character."""


class UdiError(IdentifierError):
    """A string in which no issuing agency's unique device identification was found."""
