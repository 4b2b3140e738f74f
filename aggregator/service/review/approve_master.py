"""Use cases: approve or reject a proposed version of master data; see what waits, and what was.

Kinds that the settings name (``master.approval``) take two persons: whoever proposes a version, be
it a system, never approves it. A person who may approve can name a delegate, who acts in their own
name, so that no one person blocks the line.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from aggregator import audit
from aggregator.access.roles import Act, Actor, require
from aggregator.errors import ConflictError, InvalidError, NotFoundError
from aggregator.model.disposition import UserId
from aggregator.model.signature import Component
from aggregator.service.access.accounts import Proof, Session, prove
from aggregator.service.access.rights import right
from aggregator.service.context import Context
from aggregator.service.master.documents import EntityKind
from aggregator.service.master.master_data import come_into_force
from aggregator.service.master.versions import PAGE_MAX, Versioned, VersionState, versioned
from aggregator.store.base import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A version that waits."""

    kind: EntityKind
    key: str
    version: int


async def approve(
    context: Context, session: Session, proposal: Proposal, *, password: str, why: str
) -> Versioned:
    """Let a proposed version come into force, at its time or now, and return it.

    Takes the password of the one who approves. Raises NotFoundError where there is no such version,
    ConflictError where it does not wait any more, where its end has passed, and where the one who
    approves has proposed it.
    """
    await prove(context, session.actor.name, Proof(password=password), (Component.PASSWORD,))
    async with context.store.write() as tx:
        found = await _proposed(tx, proposal)
        if found.recorded_by == session.actor.name:
            raise ConflictError(
                f"{session.actor.name} has proposed version {found.version} of {found.name}",
                hint="let another person look at it and approve it",
            )
        place = await right(
            context, tx, session.actor, Act.APPROVE_MASTER, apart_from=UserId(found.recorded_by)
        )
        now = context.clock.now()
        start = now if found.effective_from is None else found.effective_from
        if found.effective_to is not None and found.effective_to <= start:
            raise ConflictError(
                f"version {found.version} of {found.name} would end before it came into force",
                hint="reject it, and propose one with another end",
            )
        decided = replace(
            found, state=VersionState.APPROVED, effective_from=start, in_place_of=place
        )
        return await _decide(context, tx, session, decided, why=why)


async def reject(context: Context, session: Session, proposal: Proposal, *, why: str) -> Versioned:
    """Refuse a proposed version for good, or take back one's own, and return it."""
    async with context.store.write() as tx:
        found = await _proposed(tx, proposal)
        place = None
        if found.recorded_by != session.actor.name:
            place = await right(context, tx, session.actor, Act.APPROVE_MASTER)
        decided = replace(found, state=VersionState.REJECTED, in_place_of=place)
        return await _decide(context, tx, session, decided, why=why)


async def proposals(context: Context, actor: Actor, *, count: int = 100) -> list[Versioned]:
    """Return up to ``count`` versions that wait for a second person, the oldest first."""
    require(actor, Act.READ_MASTER)
    if not 0 < count <= PAGE_MAX:
        raise InvalidError(f"a page has 1 to {PAGE_MAX} entries")
    async with context.store.read() as tx:
        return [versioned(row) for row in await tx.fetch("master.proposed", count=count)]


async def history(context: Context, actor: Actor, kind: EntityKind, key: str) -> list[Versioned]:
    """Return every version of an entity, the newest first; NotFoundError if there is none."""
    require(actor, Act.READ_MASTER)
    async with context.store.read() as tx:
        rows = await tx.fetch("master.history", kind=kind.value, key=key)
    if not rows:
        raise NotFoundError(f"there is no {kind} {key}")
    return [versioned(row) for row in rows]


async def _proposed(tx: Transaction, proposal: Proposal) -> Versioned:
    kind, key, version = proposal.kind, proposal.key, proposal.version
    row = await tx.fetch_one("master.version", kind=kind.value, key=key, version=version)
    if row is None:
        raise NotFoundError(f"there is no version {version} of {kind} {key}")
    found = versioned(row)
    if found.state is not VersionState.PROPOSED:
        by = f" by {found.decided_by}" if found.decided_by else ""
        raise ConflictError(
            f"version {version} of {found.name} was {found.state}{by}",
            hint="nobody decides twice: propose a new version",
        )
    return found


async def _decide(
    context: Context, tx: Transaction, session: Session, decided: Versioned, *, why: str
) -> Versioned:
    decided = replace(decided, decided_at=context.clock.now(), decided_by=session.actor.name)
    await tx.execute(
        "master.decide",
        kind=decided.document.kind.value,
        key=decided.key,
        version=decided.version,
        state=decided.state.value,
        effective_from=decided.effective_from,
        decided_at=decided.decided_at,
        decided_by=decided.decided_by,
        in_place_of=decided.in_place_of,
    )
    approved = decided.state is VersionState.APPROVED
    if approved:
        await come_into_force(tx, decided)
    entry = audit.Entry(
        who=session.actor.name,
        act=Act.APPROVE_MASTER.value if approved else "reject_master",
        what=decided.name,
        before={"version": decided.version, "state": VersionState.PROPOSED.value},
        after={
            "version": decided.version,
            "state": decided.state.value,
            "proposed_by": decided.recorded_by,
            "in_place_of": decided.in_place_of,
            "effective_from": decided.effective_from,
            "effective_to": decided.effective_to,
        },
        why=why,
    )
    await audit.record(tx, entry, context.clock)
    return decided
