"""How a sensitive act is done once a second person has approved it: exactly as it was asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aggregator.access.roles import Actor
from aggregator.service import gateways
from aggregator.service.access import accounts, people, tokens
from aggregator.service.access.accounts import Issued, Wanted
from aggregator.service.approval.sensitive import (
    AddKey,
    AddReceiver,
    ApplySettings,
    ApproveEpoch,
    CreateAccount,
    EndAccount,
    ExportRecord,
    GiveToken,
    OpenExchange,
    ResetAccount,
    RevokeKey,
    Sensitive,
    SetRoles,
    UnlockAccount,
)
from aggregator.service.context import Context
from aggregator.service.integration import receivers
from aggregator.service.rollout.offer import approve_in
from aggregator.store.base import Transaction
from protocols.wire.seal import PublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """What an act hands out, which nobody can show again."""

    issued: Issued | None = None
    token: str = ""  # of a service, or the secret of a receiver


Do = Callable[[Transaction, Actor, str], Awaitable[Handed]]
"""Does an act within a transaction, in the name of a person and for a reason."""


async def prepared(context: Context, act: Sensitive) -> Do | None:
    """Return how an act is done; None where its holder does it later (an export, an exchange)."""
    match act:
        case CreateAccount() | ResetAccount():
            return await _opening(context, act)
        case ExportRecord() | OpenExchange():
            return None
        case _:
            return _changing(context, act)


async def _opening(context: Context, act: CreateAccount | ResetAccount) -> Do:
    fresh = await accounts.make_components()

    async def do(tx: Transaction, by: Actor, why: str) -> Handed:
        if isinstance(act, ResetAccount):
            issued = await accounts.renew(context, tx, by, act.user, fresh, why=why)
        else:
            wanted = Wanted(
                user=act.user, printed_name=act.printed_name, roles=frozenset(act.roles)
            )
            issued = await accounts.add(context, tx, by, wanted, fresh, why=why)
        return Handed(issued=issued)

    return do


_Keys = AddKey | RevokeKey | ApproveEpoch
_Change = EndAccount | UnlockAccount | SetRoles | GiveToken | AddReceiver | ApplySettings | _Keys


def _changing(context: Context, act: _Change) -> Do:
    async def do(tx: Transaction, by: Actor, why: str) -> Handed:
        match act:
            case EndAccount():
                await accounts.end(context, tx, by, act.user, why=why)
            case UnlockAccount():
                await people.take_lock_off(context, tx, by, act.user, why=why)
            case SetRoles():
                roles = frozenset(act.roles)
                await people.put_roles(context, tx, by, act.user, roles, why=why)
            case GiveToken():
                holder = Actor(name=act.name, roles=frozenset(act.roles))
                _, text = await tokens.make(context, tx, by, holder, act.token_kind, why=why)
                return Handed(token=text)
            case AddReceiver():
                told = receivers.Wanted(name=act.name, url=act.url, types=frozenset(act.types))
                _, text = await receivers.add_in(context, tx, by, told, why=why)
                return Handed(token=text)
            case ApplySettings():
                await approve_in(context, tx, by, act.rollout, act.document, why=why)
            case _:
                await _on_keys(context, tx, by, act, why=why)
        return Handed()

    return do


async def _on_keys(context: Context, tx: Transaction, by: Actor, act: _Keys, *, why: str) -> None:
    match act:
        case AddKey():
            key = PublicKey.from_text(act.key)
            await gateways.add_key_in(context, tx, by, act.gateway, key, why=why)
        case RevokeKey():
            kid = bytes.fromhex(act.kid)
            await gateways.revoke_key_in(context, tx, by, act.gateway, kid, why=why)
        case ApproveEpoch():
            epoch = bytes.fromhex(act.epoch)
            await gateways.approve_epoch_in(context, tx, by, act.gateway, epoch, why=why)
