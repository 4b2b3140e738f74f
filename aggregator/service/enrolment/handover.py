"""Use cases: keep that a gateway's key hands over to the next one, and show it as evidence.

It lets no key be trusted: whoever stole a key can hand over, too. It stands beside the request to
trust the next key, which takes its approvals as any (docs/specs/enrolment.md).
"""

from __future__ import annotations

import hashlib
from typing import Final

from aggregator.access.roles import Act, Actor, require
from aggregator.errors import ConflictError
from aggregator.service.context import Context
from aggregator.service.gateways import tell
from aggregator.store.base import Row
from protocols.wire.control.handover import Handover

KEPT_MAX: Final = 64
"""Hand-overs of a gateway that are kept: a stolen key must not fill the store."""


async def take(context: Context, said: Handover, statement: bytes) -> bool:
    """Keep a hand-over that was opened under a key in force; False where it is kept already.

    Raises ConflictError where the gateway has said more than is kept.
    """
    kid, former = bytes(said.after.kid), bytes(said.before.kid)
    async with context.store.write() as tx:
        kept = await tx.fetch("gateways.handovers", gateway=said.gateway)
        if any((bytes(row["kid"]), bytes(row["former_kid"])) == (kid, former) for row in kept):
            return False
        if len(kept) >= KEPT_MAX:
            raise ConflictError(
                f"{said.gateway} handed over {KEPT_MAX} times",
                hint="find out who has its keys, and revoke them",
            )
        await tx.execute(
            "gateways.add_handover",
            gateway=said.gateway,
            kid=kid,
            public_key=said.after.to_text(),
            former_kid=former,
            said_time=said.time,
            record_time=context.clock.now(),
            statement=statement,
        )
        await tell(
            context,
            tx,
            f"gateway {said.gateway}",
            "hand a key over",
            said.gateway,
            why="the key in force names the next one, which agrees",
            before={"key": said.before.to_text()},
            after={
                "key": said.after.to_text(),
                "time": said.time,
                "statement": hashlib.sha256(statement).hexdigest(),
            },
        )
    return True


async def of_gateway(context: Context, actor: Actor, gateway: str) -> list[Row]:
    """Return what a gateway's keys said of the next ones (``gateways.handovers``)."""
    require(actor, Act.READ_GATEWAYS)
    async with context.store.read() as tx:
        return await tx.fetch("gateways.handovers", gateway=gateway)
