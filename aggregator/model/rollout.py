"""New settings on their way to gateways: offered, checked there, approved here, some first.

    a gateway's version   offered ─> checked ─> sent ─> trial ─> in_force
                             │          │         └───────┴────> rolled_back, refused
                             └──────────┴─> refused          (any that is under way: superseded)
    the document          offered ─> approved ─> done | halted

What a gateway says of itself moves its version; two persons and the health of those that went first
move the document. A document that failed on one gateway goes to no further one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from protocols.wire.life import SettingsReport, SettingsState
from protocols.wire.reading import SECOND, Nanoseconds


class VersionState(StrEnum):
    """How far a version is at its gateway."""

    OFFERED = "offered"  # the gateway was asked whether it could take it
    CHECKED = "checked"  # it could
    SENT = "sent"  # two persons want it, and its turn has come
    TRIAL = "trial"  # in force, and watched by the gateway
    IN_FORCE = "in_force"
    REFUSED = "refused"  # the gateway cannot take it, and says why
    ROLLED_BACK = "rolled_back"  # sources that ran did not come up: the gateway went back
    SUPERSEDED = "superseded"  # a later version was offered before this one was in force


class RolloutState(StrEnum):
    """How far a document is."""

    OFFERED = "offered"  # to be checked and approved
    APPROVED = "approved"  # on its way, those first that go first
    HALTED = "halted"  # a gateway refused it or went back, or a person stopped it
    DONE = "done"  # in force on all of its gateways


ENDS: Final = frozenset(
    {
        VersionState.IN_FORCE,
        VersionState.REFUSED,
        VersionState.ROLLED_BACK,
        VersionState.SUPERSEDED,
    }
)
FAILED: Final = frozenset({VersionState.REFUSED, VersionState.ROLLED_BACK, VersionState.SUPERSEDED})
_HEARD: Final[Mapping[tuple[VersionState, SettingsState], VersionState]] = {
    (VersionState.OFFERED, SettingsState.CHECKED): VersionState.CHECKED,
    (VersionState.OFFERED, SettingsState.REFUSED): VersionState.REFUSED,
    (VersionState.CHECKED, SettingsState.REFUSED): VersionState.REFUSED,
    **{
        (state, said): becomes
        for state in (VersionState.SENT, VersionState.TRIAL)
        for said, becomes in (
            (SettingsState.TRIAL, VersionState.TRIAL),
            (SettingsState.REFUSED, VersionState.REFUSED),
            (SettingsState.ROLLED_BACK, VersionState.ROLLED_BACK),
        )
    },
}
_TAKEN: Final = frozenset({VersionState.SENT, VersionState.TRIAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of one gateway's settings."""

    gateway: str
    number: int
    is_canary: bool
    state: VersionState
    why: str = ""
    settings_hash: bytes | None = None  # once in force


def heard(version: Version, report: SettingsReport) -> Version:
    """Return what has become of a version after its gateway's last word."""
    settled = report.state is not SettingsState.TRIAL
    if version.state in _TAKEN and report.version == version.number and settled:
        return replace(version, state=VersionState.IN_FORCE, why="", settings_hash=report.hash)
    if report.offered != version.number:
        return version
    state = _HEARD.get((version.state, report.state), version.state)
    return version if state is version.state else replace(version, state=state, why=report.why)


def failure(versions: Sequence[Version]) -> str:
    """Return why a document goes no further; empty where nothing speaks against it."""
    failed = [each for each in versions if each.state in FAILED]
    return "; ".join(f"{each.gateway}: {each.state.value} {each.why}".strip() for each in failed)


def due(
    versions: Sequence[Version],
    *,
    well_since: Nanoseconds | None,
    hold_seconds: int,
    now: Nanoseconds,
) -> tuple[Version, ...]:
    """Return the versions of an approved document whose turn has come.

    ``well_since`` is since when all that went first are well with it; None: they are not.
    """
    waiting = tuple(each for each in versions if each.state is VersionState.CHECKED)
    first = [each for each in versions if each.is_canary]
    if not first:
        return waiting
    if all(each.state is VersionState.IN_FORCE for each in first):
        held = well_since is not None and now - well_since >= hold_seconds * SECOND
        return waiting if held else ()
    return tuple(each for each in waiting if each.is_canary)
