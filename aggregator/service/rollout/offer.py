"""Use cases: offer settings to gateways, approve them, stop them, and look at them."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from aggregator import audit
from aggregator.access.roles import Act, Actor, require
from aggregator.errors import ConflictError, InvalidError, NotFoundError
from aggregator.model.rollout import ENDS, RolloutState, Version, VersionState, failure
from aggregator.service.context import Context
from aggregator.service.rollout import rows
from aggregator.service.rollout.rows import Rollout
from aggregator.store.base import Row, Transaction
from protocols.settings import check_document
from protocols.wire.control.command import TRIAL_SECONDS_MAX

SHOWN_MAX: Final = 200
HOLD_SECONDS_MAX: Final = 7 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Settings as they are offered."""

    document: Mapping[str, Any]
    gateways: Sequence[str]
    canary: Sequence[str] = ()  # those that go first; none: all at once
    hold_seconds: int = 600
    trial_seconds: int = 60


async def offer(context: Context, actor: Actor, wanted: Wanted, *, why: str) -> Rollout:
    """Offer a document to gateways: each is asked whether it could take it.

    Raises InvalidError that names what is wrong with the document, NotFoundError for a gateway
    that is not registered. Versions that are under way there are superseded.
    """
    require(actor, Act.MANAGE_GATEWAYS)
    text = _checked(wanted)
    now = context.clock.now()
    rollout = Rollout(
        id=secrets.token_hex(8),
        document=text,
        hash=hashlib.sha256(text.encode()).hexdigest(),
        hold_seconds=wanted.hold_seconds,
        trial_seconds=wanted.trial_seconds,
        state=RolloutState.OFFERED,
        why="",
        offered_by=actor.name,
        offered_time=now,
        approved_by=None,
        approved_time=None,
    )
    async with context.store.write() as tx:
        await tx.execute(
            "settings.add_rollout",
            rollout=rollout.id,
            document=text,
            hash=rollout.hash,
            hold_seconds=rollout.hold_seconds,
            trial_seconds=rollout.trial_seconds,
            state=rollout.state.value,
            why="",
            offered_by=actor.name,
            offered_time=now,
        )
        for gateway in sorted(set(wanted.gateways)):
            await _add(context, tx, rollout, gateway, is_canary=gateway in wanted.canary)
        rollout = await rows.one(tx, rollout.id)
        await tell(context, tx, actor.name, "offer settings", rollout, why=why)
    return rollout


async def approve_in(
    context: Context, tx: Transaction, by: Actor, rollout: str, document_hash: str, *, why: str
) -> None:
    """Let a document go to its gateways, within a transaction of its approval.

    Raises ConflictError where it is not what was shown, a gateway has not checked it or cannot
    take it, or the one who approves has offered it.
    """
    found = await rows.one(tx, rollout)
    if found.hash != document_hash or found.state is not RolloutState.OFFERED:
        raise ConflictError(f"these settings are {found.state.value}", hint="offer them anew")
    if by.name == found.offered_by:
        raise ConflictError("it takes another person than the one who offered the settings")
    unchecked = [each for each in found.versions if each.state is not VersionState.CHECKED]
    if unchecked:
        raise ConflictError(
            "not every gateway could take these settings: "
            + "; ".join(f"{each.gateway}: {each.state.value} {each.why}" for each in unchecked),
            hint="wait until each has checked them, or offer others",
        )
    approved = replace(
        found,
        state=RolloutState.APPROVED,
        approved_by=by.name,
        approved_time=context.clock.now(),
    )
    await rows.put(tx, approved)
    await tell(context, tx, by.name, "approve settings", approved, why=why)


async def halt(context: Context, actor: Actor, rollout: str, *, why: str) -> Rollout:
    """Let a document go to no further gateway; ConflictError where it is at its end."""
    require(actor, Act.MANAGE_GATEWAYS)
    async with context.store.write() as tx:
        found = await rows.one(tx, rollout)
        if found.state not in (RolloutState.OFFERED, RolloutState.APPROVED):
            raise ConflictError(f"these settings are {found.state.value}")
        halted = replace(found, state=RolloutState.HALTED, why=f"{actor.name}: {why}")
        await rows.put(tx, halted)
        await tell(context, tx, actor.name, "halt settings", halted, why=why)
    return halted


async def read(context: Context, actor: Actor, rollout: str) -> Rollout:
    """Return a document that was offered, and how far it is; NotFoundError."""
    require(actor, Act.READ_GATEWAYS)
    async with context.store.read() as tx:
        return await rows.one(tx, rollout)


async def every(context: Context, actor: Actor) -> list[Row]:
    """Return what was offered, the latest first (``settings.rollouts``)."""
    require(actor, Act.READ_GATEWAYS)
    async with context.store.read() as tx:
        return await tx.fetch("settings.rollouts", count=SHOWN_MAX)


async def of_gateway(context: Context, actor: Actor, gateway: str) -> list[Row]:
    """Return the versions of a gateway's settings, the latest first; NotFoundError."""
    require(actor, Act.READ_GATEWAYS)
    async with context.store.read() as tx:
        if await tx.fetch_one("gateways.one", gateway=gateway) is None:
            raise NotFoundError(f"no gateway {gateway[:64]} is registered")
        return await tx.fetch("settings.of_gateway", gateway=gateway)


def in_force(versions: Sequence[Row]) -> dict[str, Any]:
    """Return the document that is in force among a gateway's versions; empty where none is."""
    for row in versions:
        if row["state"] == VersionState.IN_FORCE:
            document: dict[str, Any] = json.loads(row["document"])
            return document
    return {}


async def tell(
    context: Context, tx: Transaction, who: str, act: str, rollout: Rollout, *, why: str
) -> None:
    """Write into the audit trail what was done with a document."""
    entry = audit.Entry(
        who=who,
        act=act,
        what=f"settings {rollout.id}",
        after={
            "document": rollout.hash,
            "state": rollout.state.value,
            "gateways": {
                each.gateway: {"version": each.number, "state": each.state.value, "why": each.why}
                for each in rollout.versions
            },
        },
        why=why,
    )
    await audit.record(tx, entry, context.clock)


def _checked(wanted: Wanted) -> str:
    document, wrong = check_document(wanted.document)
    if document is None:
        raise InvalidError("these settings cannot work: " + "; ".join(wrong))
    if not wanted.gateways:
        raise InvalidError("no gateway is named", hint="name those that shall take the settings")
    strangers = sorted(set(wanted.canary) - set(wanted.gateways))
    if strangers:
        raise InvalidError(f"{strangers[0]} shall go first and is not among the gateways")
    if not 0 <= wanted.hold_seconds <= HOLD_SECONDS_MAX:
        raise InvalidError(f"those that go first are watched for 0 to {HOLD_SECONDS_MAX} seconds")
    if not 1 <= wanted.trial_seconds <= TRIAL_SECONDS_MAX:
        raise InvalidError(f"a trial lasts 1 to {TRIAL_SECONDS_MAX} seconds")
    return document.to_text()


async def _add(
    context: Context, tx: Transaction, rollout: Rollout, gateway: str, *, is_canary: bool
) -> None:
    if await tx.fetch_one("gateways.one", gateway=gateway) is None:
        raise NotFoundError(f"no gateway {gateway[:64]} is registered")
    before = await tx.fetch("settings.of_gateway", gateway=gateway)
    key, now = context.keys.seal, context.clock.now()
    if before and rows.version_of(before[0]).state not in ENDS:
        last = replace(rows.version_of(before[0]), state=VersionState.SUPERSEDED)
        older = await rows.one(tx, before[0]["rollout"])
        await rows.put_version(tx, older, last, key, now)
        halted = replace(older, state=RolloutState.HALTED, why=failure((last,)))
        if older.state in (RolloutState.OFFERED, RolloutState.APPROVED):
            await rows.put(tx, halted)
    version = Version(
        gateway=gateway,
        number=before[0]["version"] + 1 if before else 1,
        is_canary=is_canary,
        state=VersionState.OFFERED,
    )
    await tx.execute(
        "settings.add",
        gateway=gateway,
        version=version.number,
        rollout=rollout.id,
        canary=int(is_canary),
        state=version.state.value,
        changed_time=now,
        command=rows.command_of(rollout, version, key),
    )
