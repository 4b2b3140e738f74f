"""What takes a second person (requirement 35; SP 800-53 AC-3(2)).

The settings name the sorts of acts; here stands the gate that each such act passes, in the
transaction in which it is done. How it is asked for and approved is ``service.approval``.
"""

from __future__ import annotations

from typing import Final

from aggregator.access import accounts
from aggregator.access.roles import Act, allows
from aggregator.errors import SecondPersonError
from aggregator.service.context import Context
from aggregator.settings import SecondPerson
from aggregator.store.base import Transaction

ASK: Final = "ask for it (POST /api/v1/approvals, or the console) and let another person approve"


async def guard_access(context: Context, tx: Transaction, what: str) -> None:
    """Raise SecondPersonError where accounts, roles and tokens are changed by two persons alone.

    That begins as soon as one person with an account can ask for it and another can approve: the
    first accounts of a plant are made by whoever sets it up.
    """
    await _guard(
        context, tx, what, SecondPerson.ACCESS, asks=Act.MANAGE_ACCESS, decides=Act.APPROVE_ACCESS
    )


async def guard_exchange(context: Context, tx: Transaction, what: str) -> None:
    """Raise SecondPersonError where another system is told of things by two persons alone.

    It begins as for access.
    """
    sort = SecondPerson.EXCHANGE
    asks, decides = Act.MANAGE_RECEIVERS, Act.APPROVE_EXPORT
    await _guard(context, tx, what, sort, asks=asks, decides=decides)


async def guard_keys(context: Context, tx: Transaction, what: str) -> None:
    """Raise SecondPersonError where whom a gateway's seals are believed by takes two persons.

    It begins as for access.
    """
    act = Act.MANAGE_GATEWAYS
    await _guard(context, tx, what, SecondPerson.KEYS, asks=act, decides=act)


async def _guard(
    context: Context, tx: Transaction, what: str, sort: SecondPerson, *, asks: Act, decides: Act
) -> None:
    if sort not in context.settings.access.second_person:
        return
    people = [each for each in await accounts.every(tx) if each.ended_at is None]
    asking = {each.user for each in people if allows(each.actor, asks)}
    deciding = {each.user for each in people if allows(each.actor, decides)}
    if any(deciding - {user} for user in asking):
        raise SecondPersonError(f"{what} takes a second person", hint=ASK)
