"""Use cases of gateways: register one, add and revoke its keys, approve an epoch, list them."""

from __future__ import annotations

from aggregator import audit
from aggregator.access.roles import Act, Actor, require
from aggregator.service.context import Context
from aggregator.store import registry
from aggregator.store.base import Row
from aggregator.store.chains import evidence
from protocols.wire.seal import PublicKey


async def register(
    context: Context, actor: Actor, gateway: str, key: PublicKey, *, why: str
) -> None:
    """Take a gateway in with its first seal key.

    Raises InvalidError for an id that is none, ConflictError where it is registered already.
    """
    require(actor, Act.MANAGE_GATEWAYS)
    async with context.store.write() as tx:
        await registry.add_gateway(tx, gateway, key, by=actor.name, now=context.clock.now())
        entry = audit.Entry(
            who=actor.name,
            act="register a gateway",
            what=f"gateway {gateway}",
            after={"key": key.to_text()},
            why=why,
        )
        await audit.record(tx, entry, context.clock)


async def add_key(
    context: Context, actor: Actor, gateway: str, key: PublicKey, *, why: str
) -> None:
    """Let a further key open what a gateway seals; NotFoundError, ConflictError."""
    require(actor, Act.MANAGE_GATEWAYS)
    async with context.store.write() as tx:
        await registry.add_key(tx, gateway, key, by=actor.name, now=context.clock.now())
        entry = audit.Entry(
            who=actor.name,
            act="add a key",
            what=f"gateway {gateway}",
            after={"key": key.to_text()},
            why=why,
        )
        await audit.record(tx, entry, context.clock)


async def revoke_key(
    context: Context, actor: Actor, gateway: str, kid: bytes, *, why: str
) -> tuple[int, int]:
    """Refuse what a key seals beyond what is stored; return the epoch's ordinal and the number.

    Raises NotFoundError for a key that is not in force.
    """
    require(actor, Act.MANAGE_GATEWAYS)
    async with context.store.write() as tx:
        ordinal, number = await registry.revoke_key(
            tx, gateway, kid, reason=why, by=actor.name, now=context.clock.now()
        )
        entry = audit.Entry(
            who=actor.name,
            act="revoke a key",
            what=f"gateway {gateway}",
            before={"kid": kid.hex()},
            after={"kid": kid.hex(), "from_epoch": ordinal, "from_bundle": number},
            why=why,
        )
        await audit.record(tx, entry, context.clock)
    return ordinal, number


async def approve_epoch(context: Context, actor: Actor, gateway: str, *, why: str) -> bytes:
    """Vouch for the newest epoch of a gateway and return it; NotFoundError, ConflictError."""
    require(actor, Act.MANAGE_GATEWAYS)
    async with context.store.write() as tx:
        epoch = await registry.approve_epoch(tx, gateway, by=actor.name, now=context.clock.now())
        entry = audit.Entry(
            who=actor.name,
            act="approve an epoch",
            what=f"gateway {gateway}",
            after={"epoch": epoch.hex()},
            why=why,
        )
        await audit.record(tx, entry, context.clock)
    return epoch


async def list_gateways(context: Context, actor: Actor) -> list[Row]:
    """Return every gateway with its newest epoch and what it last said (``gateways.all``)."""
    require(actor, Act.READ_GATEWAYS)
    async with context.store.read() as tx:
        return await registry.list_gateways(tx)


async def list_quarantined(context: Context, actor: Actor, *, count: int = 50) -> list[Row]:
    """Return what was refused last, without the messages themselves (``quarantine.newest``)."""
    require(actor, Act.READ_GATEWAYS)
    async with context.store.read() as tx:
        return await evidence.quarantined(tx, count)
