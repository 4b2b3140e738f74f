"""The policy table: which role may do which act; what it does not say is denied.

Every use case begins with ``require(actor, Act.…)``; no other place decides. Requirement 31,
21 CFR 11.10(d) and (g).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aggregator.errors import DeniedError


class Act(StrEnum):
    """What can be done; each use case names one."""

    READ_GATEWAYS = "read_gateways"  # health of gateways and sources
    MANAGE_GATEWAYS = "manage_gateways"  # register, approve an epoch, revoke a key
    READ_MASTER = "read_master"  # equipment, signals, recipes, limits, lots, orders, people
    MANAGE_MASTER = "manage_master"  # create and change them
    APPROVE_MASTER = "approve_master"  # be the second person of a recipe, a limit and the like
    WRITE_FACTS = "write_facts"  # say when which lot was where
    READ_READINGS = "read_readings"  # readings as stored
    READ_RECORDS = "read_records"  # batch records
    ASSEMBLE_RECORD = "assemble_record"  # make a new version of a record
    EXPORT_RECORD = "export_record"  # take a record or its dossier out of the system
    REVIEW_RECORD = "review_record"  # decide exceptions, sign a review
    HOLD_LOT = "hold_lot"  # stop a lot, let it go on
    DECIDE_LOT = "decide_lot"  # release or reject a lot, sign an addendum
    APPROVE_EXPORT = "approve_export"  # be the second person where confidential data leave
    WRITE_GENEALOGY = "write_genealogy"  # say what became of what
    MANAGE_RECALL = "manage_recall"  # open and carry on a recall, or drill one
    WRITE_RESULTS = "write_results"  # test results of lots, as a laboratory found them
    READ_EVENTS = "read_events"  # the stream of events, each where its subject may be read
    MANAGE_RECEIVERS = "manage_receivers"  # whom events are delivered to
    CORRECT_IMPORTS = "correct_imports"  # see to what came from other systems and does not fit
    KEEP_ARCHIVES = "keep_archives"  # take a copy of all that is stored
    READ_AUDIT = "read_audit"  # the audit trail
    MANAGE_ACCESS = "manage_access"  # service tokens, accounts and their roles
    APPROVE_ACCESS = "approve_access"  # be the second person where those change


class Role(StrEnum):
    """Who somebody is; a token or an account holds one or more."""

    ADMIN = "admin"  # runs the system; sees no batch data
    ENGINEER = "engineer"  # equipment, signals, gateways
    OPERATOR = "operator"  # runs the line
    QA = "qa"  # reviews records
    RELEASER = "releaser"  # releases lots that another person has reviewed
    AUDITOR = "auditor"  # reads, changes nothing
    INTEGRATION = "integration"  # MES, ERP: orders, lots and facts in, records out


POLICY: Final[Mapping[Role, frozenset[Act]]] = {
    Role.ADMIN: frozenset(
        {
            Act.READ_GATEWAYS,
            Act.MANAGE_GATEWAYS,
            Act.READ_AUDIT,
            Act.MANAGE_ACCESS,
            Act.APPROVE_ACCESS,
            Act.MANAGE_RECEIVERS,
            Act.READ_EVENTS,
            Act.KEEP_ARCHIVES,
        }
    ),
    Role.ENGINEER: frozenset(
        {
            Act.READ_GATEWAYS,
            Act.MANAGE_GATEWAYS,
            Act.READ_MASTER,
            Act.MANAGE_MASTER,
            Act.READ_READINGS,
            Act.READ_EVENTS,
            Act.CORRECT_IMPORTS,
        }
    ),
    Role.OPERATOR: frozenset(
        {Act.READ_GATEWAYS, Act.READ_MASTER, Act.WRITE_FACTS, Act.READ_READINGS}
    ),
    Role.QA: frozenset(
        {
            Act.READ_GATEWAYS,
            Act.READ_MASTER,
            Act.MANAGE_MASTER,
            Act.APPROVE_MASTER,
            Act.WRITE_FACTS,
            Act.READ_READINGS,
            Act.READ_RECORDS,
            Act.ASSEMBLE_RECORD,
            Act.EXPORT_RECORD,
            Act.WRITE_GENEALOGY,
            Act.MANAGE_RECALL,
            Act.REVIEW_RECORD,
            Act.HOLD_LOT,
            Act.APPROVE_EXPORT,
            Act.APPROVE_ACCESS,
            Act.READ_AUDIT,
            Act.WRITE_RESULTS,
            Act.READ_EVENTS,
            Act.CORRECT_IMPORTS,
        }
    ),
    Role.RELEASER: frozenset(
        {
            Act.READ_GATEWAYS,
            Act.READ_MASTER,
            Act.APPROVE_MASTER,
            Act.READ_READINGS,
            Act.READ_RECORDS,
            Act.EXPORT_RECORD,
            Act.HOLD_LOT,
            Act.DECIDE_LOT,
            Act.APPROVE_EXPORT,
            Act.READ_AUDIT,
            Act.READ_EVENTS,
        }
    ),
    Role.AUDITOR: frozenset(
        {
            Act.READ_GATEWAYS,
            Act.READ_MASTER,
            Act.READ_READINGS,
            Act.READ_RECORDS,
            Act.EXPORT_RECORD,
            Act.READ_AUDIT,
            Act.READ_EVENTS,
        }
    ),
    Role.INTEGRATION: frozenset(
        {
            Act.READ_MASTER,
            Act.MANAGE_MASTER,
            Act.WRITE_FACTS,
            Act.READ_RECORDS,
            Act.ASSEMBLE_RECORD,
            Act.EXPORT_RECORD,
            Act.WRITE_GENEALOGY,
            Act.READ_EVENTS,
            Act.WRITE_RESULTS,
        }
    ),
}


class ActorKind(StrEnum):
    """What stands behind a name."""

    PERSON = "person"  # who logged in with password and code, and can sign
    VISITOR = "visitor"  # a browser that came by a login link: it looks, and signs nothing
    SERVICE = "service"  # a program with a token
    SYSTEM = "system"  # the aggregator itself, or its command line


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Whoever acts: a person, a service token, or the system itself."""

    name: str  # unique, never used again for somebody else (21 CFR 11.100)
    roles: frozenset[Role]
    kind: ActorKind = ActorKind.SYSTEM


def allows(actor: Actor, act: Act) -> bool:
    """Tell whether one of the actor's roles may do the act."""
    return any(act in POLICY[role] for role in actor.roles)


def require(actor: Actor, act: Act) -> None:
    """Return if the actor may do the act, else raise DeniedError."""
    if not allows(actor, act):
        held = ", ".join(sorted(actor.roles)) or "none"
        raise DeniedError(
            f"{actor.name} may not {act.value.replace('_', ' ')}",
            hint=f"roles held: {held}; roles that may: {_who_may(act)}",
        )


def _who_may(act: Act) -> str:
    return ", ".join(sorted(role for role, acts in POLICY.items() if act in acts))
