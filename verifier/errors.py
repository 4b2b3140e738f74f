"""Errors of the verifier; what is wrong with a dossier is a finding, not an error.

VerifierError
├── PolicyError     the policy file cannot be used
└── RecordError     the record, or its signatures, do not say what they must; becomes a finding
"""

from __future__ import annotations


class VerifierError(Exception):
    """Root; ``hint`` tells a person what to do."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class PolicyError(VerifierError):
    """The policy file cannot be used."""


class RecordError(VerifierError):
    """The record, or what was signed of it, does not say what it must say."""
