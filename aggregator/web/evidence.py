"""What stands beside a request that waits for a second person, so that they see what they decide.

The request itself names hashes and keys; here is what these mean at this moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from aggregator.access.roles import Act, allows
from aggregator.model.approval import State
from aggregator.service.access.accounts import Session
from aggregator.service.approval.approvals import Asked
from aggregator.service.approval.sensitive import AddKey, ApplySettings
from aggregator.service.context import Context
from aggregator.service.enrolment import handover
from aggregator.service.rollout import changes
from aggregator.service.rollout.changes import Changes
from aggregator.store.base import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of what was asked for."""

    changes: tuple[Changes, ...] | None = None  # of settings; None: it is about something else
    handovers: tuple[Row, ...] | None = None  # to the key that is to be trusted; None likewise


async def evidence_of(
    context: Context, person: Session, asked: Iterable[Asked]
) -> Mapping[str, Evidence]:
    """Return what stands beside the requests that wait, by their ids."""
    if not allows(person.actor, Act.READ_GATEWAYS):
        return {}
    found: dict[str, Evidence] = {}
    for each in asked:
        if each.state is not State.WAITING:
            continue
        match each.act:
            case ApplySettings(rollout=rollout):
                said = await changes.on_gateways(context, person.actor, rollout)
                found[each.approval.id] = Evidence(changes=tuple(said))
            case AddKey(gateway=gateway, key=key):
                rows = await handover.of_gateway(context, person.actor, gateway)
                named = tuple(row for row in rows if row["public_key"] == key)
                found[each.approval.id] = Evidence(handovers=named)
    return found
