"""Use cases of gateways: register one, add and revoke its keys, approve an epoch, list them."""

from __future__ import annotations

from collections.abc import Mapping

from aggregator import audit
from aggregator.access.roles import Act, Actor, require
from aggregator.errors import ConflictError
from aggregator.service.access.second_person import guard_keys
from aggregator.service.context import Context
from aggregator.store import registry
from aggregator.store.base import Row, Transaction
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
        after = {"key": key.to_text()}
        await tell(context, tx, actor.name, "register a gateway", gateway, why=why, after=after)


async def add_key(
    context: Context, actor: Actor, gateway: str, key: PublicKey, *, why: str
) -> None:
    """Let a further key open what a gateway seals.

    Raises NotFoundError, ConflictError, and SecondPersonError where it takes two.
    """
    async with context.store.write() as tx:
        await guard_keys(context, tx, "a further key of a gateway")
        await add_key_in(context, tx, actor, gateway, key, why=why)


async def add_key_in(
    context: Context, tx: Transaction, actor: Actor, gateway: str, key: PublicKey, *, why: str
) -> None:
    """Do as ``add_key`` does, once another person has approved it."""
    require(actor, Act.MANAGE_GATEWAYS)
    await registry.add_key(tx, gateway, key, by=actor.name, now=context.clock.now())
    after = {"key": key.to_text()}
    await tell(context, tx, actor.name, "add a key", gateway, why=why, after=after)


async def revoke_key(
    context: Context, actor: Actor, gateway: str, kid: bytes, *, why: str
) -> tuple[int, int]:
    """Refuse what a key seals beyond what is stored; return the epoch's ordinal and the number.

    Raises NotFoundError for a key that is not in force, SecondPersonError where it takes two.
    """
    async with context.store.write() as tx:
        await guard_keys(context, tx, "to revoke a gateway's key")
        return await revoke_key_in(context, tx, actor, gateway, kid, why=why)


async def revoke_key_in(
    context: Context, tx: Transaction, actor: Actor, gateway: str, kid: bytes, *, why: str
) -> tuple[int, int]:
    """Do as ``revoke_key`` does, once another person has approved it."""
    require(actor, Act.MANAGE_GATEWAYS)
    ordinal, number = await registry.revoke_key(
        tx, gateway, kid, reason=why, by=actor.name, now=context.clock.now()
    )
    before: dict[str, audit.JsonValue] = {"kid": kid.hex()}
    after = before | {"from_epoch": ordinal, "from_bundle": number}
    await tell(
        context, tx, actor.name, "revoke a key", gateway, why=why, before=before, after=after
    )
    return ordinal, number


async def approve_epoch(context: Context, actor: Actor, gateway: str, *, why: str) -> bytes:
    """Vouch for the newest epoch of a gateway and return it.

    Raises NotFoundError, ConflictError, and SecondPersonError where it takes two.
    """
    async with context.store.write() as tx:
        await guard_keys(context, tx, "to vouch for an epoch")
        return await approve_epoch_in(context, tx, actor, gateway, None, why=why)


async def approve_epoch_in(
    context: Context,
    tx: Transaction,
    actor: Actor,
    gateway: str,
    epoch: bytes | None,
    *,
    why: str,
) -> bytes:
    """Do as ``approve_epoch`` does, once another person has approved it: for ``epoch`` alone."""
    require(actor, Act.MANAGE_GATEWAYS)
    newest = await registry.approve_epoch(tx, gateway, by=actor.name, now=context.clock.now())
    if epoch not in (None, newest):
        raise ConflictError(
            f"{gateway} has another newest epoch by now, {newest.hex()[:8]}",
            hint="look at the gateway again, then ask for it",
        )
    after = {"epoch": newest.hex()}
    await tell(context, tx, actor.name, "approve an epoch", gateway, why=why, after=after)
    return newest


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


async def tell(
    context: Context,
    tx: Transaction,
    who: str,
    act: str,
    gateway: str,
    *,
    why: str,
    before: Mapping[str, audit.JsonValue] | None = None,
    after: Mapping[str, audit.JsonValue],
) -> None:
    """Write into the audit trail what was done to a gateway, or by it."""
    entry = audit.Entry(
        who=who,
        act=act,
        what=f"gateway {gateway}",
        before=None if before is None else {**before},
        after={**after},
        why=why,
    )
    await audit.record(tx, entry, context.clock)
