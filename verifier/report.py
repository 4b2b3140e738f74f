"""What a verification found: checks with their evidence, altered readings, one verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import Enum, IntEnum
from typing import Any, Final

from protocols.wire.dossier.instant import format_time
from protocols.wire.errors import WireError
from verifier.texts import TITLES, WORDS, Language

FINDINGS_MAX: Final = 20
"""Findings that a check lists, and altered readings that a report lists; more are counted."""


class Outcome(Enum):
    """What became of one check."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "not decidable"  # something that it needs is missing, or a check before it failed


class Verdict(IntEnum):
    """The verifier's answer, which is its exit status."""

    VERIFIED = 0
    NOT_VERIFIED = 1
    CANNOT_DECIDE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One numbered check of docs/specs/dossier.md."""

    number: int
    outcome: Outcome
    evidence: str
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Altered:
    """A reading that bundle and record tell differently, or that one of them alone tells."""

    signal: str
    time: str  # RFC 3339; as recorded where it was, else as found
    recorded: str | None  # value and status in the record's series; None: not there
    found: str | None  # value and status in the bundle; None: not there
    gateway: str
    epoch: str  # hexadecimal
    bundle: int
    column: int  # place in the bundle's body
    index: int  # place in that column
    culprit: str  # "bundle" where its seal or hashes fail, "record" where the bundle is proved

    def __str__(self) -> str:
        where = (
            f"bundle {self.bundle} of {self.gateway}, column {self.column}, reading {self.index}"
        )
        return (
            f"{self.signal} at {self.time}: the record has {self.recorded or 'no such reading'}, "
            f"the bundle {self.found or 'none'} ({where}; the {self.culprit} was altered)"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The result of one verification."""

    subject: str  # which lot, and how much of it was looked at
    checks: tuple[Check, ...]
    altered: tuple[Altered, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Return NOT_VERIFIED if a check failed, else CANNOT_DECIDE if one was undecided."""
        outcomes = {check.outcome for check in self.checks}
        if Outcome.FAILED in outcomes or self.altered:
            return Verdict.NOT_VERIFIED
        complete = [check.number for check in self.checks] == sorted(TITLES)
        if Outcome.UNDECIDED in outcomes or not complete:
            return Verdict.CANNOT_DECIDE
        return Verdict.VERIFIED

    def to_text(self, language: Language) -> str:
        """Return the report as a person reads it: verdict, checks, altered readings."""
        words, titles = WORDS[language], {n: title[language] for n, title in TITLES.items()}
        width = max(_columns(title) for title in titles.values())
        lines = [f"{words[self.verdict.name]}  {self.subject}"]
        for check in self.checks:
            title = titles[check.number]
            lines.append(
                f"{check.number:2}  {words[check.outcome.name]}  {title}"
                f"{' ' * (width - _columns(title) + 2)}{check.evidence}".rstrip()
            )
            lines += [f"      {finding}" for finding in check.findings]
        if self.altered:
            lines.append(words["ALTERED"])
            lines += [f"      {altered}" for altered in self.altered[:FINDINGS_MAX]]
        if (more := len(self.altered) - FINDINGS_MAX) > 0:
            lines.append(f"      … {more}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Return the report for a program."""
        return {
            "verdict": self.verdict.name,
            "subject": self.subject,
            "checks": [
                {
                    "number": check.number,
                    "title": TITLES[check.number]["en"],
                    "outcome": check.outcome.value,
                    "evidence": check.evidence,
                    "findings": list(check.findings),
                }
                for check in self.checks
            ],
            "altered": [asdict(altered) for altered in self.altered],
        }


def show_time(time: int) -> str:
    """Return nanoseconds as a person reads them; where no calendar has them, as a number."""
    try:
        return format_time(time)
    except WireError:
        return f"{time} ns"


def conclude(
    number: int, evidence: str, *, failed: Sequence[str] = (), undecided: Sequence[str] = ()
) -> Check:
    """Return a check: failed where something failed, else undecided where something was."""
    outcome = Outcome.FAILED if failed else Outcome.UNDECIDED if undecided else Outcome.PASSED
    findings = [*failed, *undecided]
    more = len(findings) - FINDINGS_MAX
    listed = findings[:FINDINGS_MAX] + ([f"… and {more} more"] if more > 0 else [])
    return Check(number=number, outcome=outcome, evidence=evidence, findings=tuple(listed))


def _columns(text: str) -> int:
    """Return how many columns a terminal gives the text; a Chinese character takes two."""
    return sum(2 if "\u2e80" <= letter <= "\uff60" else 1 for letter in text)
