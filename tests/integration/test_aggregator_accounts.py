"""Accounts: one person each, both factors, a code once, a lock that grows, and all of it told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from aggregator.access import second_factor
from aggregator.access.roles import Actor, ActorKind, Role
from aggregator.access.tokens import TokenKind
from aggregator.errors import (
    AccessError,
    ConflictError,
    DeniedError,
    EvidenceError,
    InvalidError,
    NotFoundError,
    PasswordIssuedError,
)
from aggregator.metrics import LOCKED
from aggregator.model.signature import Component
from aggregator.service import audit_trail
from aggregator.service.access import accounts, tokens
from aggregator.service.access.accounts import Proof
from aggregator.service.context import Context
from tests.integration.api_rig import running_api
from tests.personal import (
    ADMIN,
    PASSWORD,
    MovableClock,
    Person,
    cheap_passwords,
    person,
    secret_of,
    with_clock,
)

pytestmark = pytest.mark.usefixtures("cheap_passwords")
__all__ = ["cheap_passwords"]

AUDITOR = Actor(name="auditor", roles=frozenset({Role.AUDITOR}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """An aggregator with one person who may review."""

    context: Context
    clock: MovableClock
    li: Person


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    async with running_api(tmp_path) as api:
        context, clock = with_clock(api.context)
        li = await person(context, clock, "li.wei", "Li Wei 李伟", Role.QA)
        yield Plant(context=context, clock=clock, li=li)


async def told(plant: Plant) -> list[tuple[Any, ...]]:
    """Return who did what to what, as the audit trail says."""
    entries = await audit_trail.page(plant.context, AUDITOR, after=-1, count=1000)
    return [(each["who"], each["act"], each["what"]) for each in entries]


async def test_a_person_logs_in_with_both_components(plant: Plant) -> None:
    session = await plant.li.log_in()
    assert session.actor == Actor(name="li.wei", roles=frozenset({Role.QA}), kind=ActorKind.PERSON)
    assert await told(plant) == [
        ("root@console", "create an account", "account li.wei"),
        ("li.wei", "change a password", "account li.wei"),
        ("li.wei", "log in", "account li.wei"),
    ]


@pytest.mark.clause("21 CFR 11.100")
async def test_a_user_id_is_never_given_again(plant: Plant) -> None:
    await accounts.disable(plant.context, ADMIN, "li.wei", why="left the plant")
    roles = frozenset({Role.QA})
    with pytest.raises(ConflictError, match="never given again"):
        await accounts.create(plant.context, ADMIN, "li.wei", "Li Weiwei", roles, why="joined")
    holder = Actor(name="mes.line-1", roles=frozenset({Role.INTEGRATION}))
    await tokens.give(plant.context, ADMIN, holder, TokenKind.SERVICE, why="orders")
    with pytest.raises(ConflictError, match="never given again"):
        await accounts.create(plant.context, ADMIN, "mes.line-1", "Mes Line", roles, why="joined")
    holder = Actor(name="li.wei", roles=roles)
    with pytest.raises(ConflictError, match="a person's user id"):
        await tokens.give(plant.context, ADMIN, holder, TokenKind.LOGIN, why="let in")


@pytest.mark.req(32)
async def test_a_code_serves_once(plant: Plant) -> None:
    proof = plant.li.proof()
    await accounts.log_in(plant.context, "li.wei", proof)
    with pytest.raises(AccessError, match="not right"):
        await accounts.log_in(plant.context, "li.wei", proof)


async def test_a_code_of_another_time_does_not_serve(plant: Plant) -> None:
    proof = plant.li.proof()
    plant.clock.skip(90)
    with pytest.raises(AccessError):
        await accounts.log_in(plant.context, "li.wei", proof)


@pytest.mark.parametrize(
    ("user", "change"),
    [
        ("li.wei", {"password": "the press sings at dusk"}),
        ("li.wei", {"password": "x" * 1_000_000}),
        ("li.wei", {"code": ""}),
        ("li.wei", {"code": "１２３４５６"}),
        ("li.we1", {}),
        ("", {}),
    ],
)
async def test_whatever_is_wrong_the_answer_is_the_same(
    plant: Plant, user: str, change: dict[str, str]
) -> None:
    with pytest.raises(AccessError, match="user, password or code is not right, or the account"):
        await accounts.log_in(plant.context, user, replace(plant.li.proof(), **change))


@pytest.mark.clause("21 CFR 11.300")
async def test_failures_lock_the_account_for_longer_and_longer(plant: Plant) -> None:
    settings, raised = plant.context.settings.access, LOCKED._value.get()
    for failed in range(settings.failures_max):
        with pytest.raises(AccessError):
            await accounts.log_in(plant.context, "li.wei", Proof(password="guess", code="000000"))
        locked = ("system", "lock an account", "account li.wei") in await told(plant)
        assert locked is (failed + 1 == settings.failures_max)
    assert LOCKED._value.get() == raised + 1
    with pytest.raises(AccessError):
        await plant.li.log_in()  # all of it right, and within the lock
    plant.clock.skip(settings.lock_seconds)
    with pytest.raises(AccessError):
        await accounts.log_in(plant.context, "li.wei", Proof(password="guess", code="000000"))
    plant.clock.skip(settings.lock_seconds)
    with pytest.raises(AccessError):
        await plant.li.log_in()  # the second lock is twice as long
    plant.clock.skip(settings.lock_seconds)
    await plant.li.log_in()
    with pytest.raises(AccessError):
        await accounts.log_in(plant.context, "li.wei", Proof(password="guess", code="000000"))
    await plant.li.log_in()  # a success has ended the row of failures


async def test_a_password_that_was_issued_opens_its_own_change_alone(plant: Plant) -> None:
    issued = await accounts.reset(plant.context, ADMIN, "li.wei", why="lost the phone")
    li = replace(plant.li, secret=secret_of(issued), password=issued.password)
    proof = li.proof()
    with pytest.raises(PasswordIssuedError, match="password of your own"):
        await accounts.log_in(plant.context, "li.wei", proof)
    for password in (issued.password, "short", "li.wei li.wei li.wei", "aaaaaaaaaaaaaa", "x" * 129):
        with pytest.raises(InvalidError):
            await accounts.change_password(plant.context, "li.wei", proof, password)
    await accounts.change_password(plant.context, "li.wei", proof, PASSWORD + "!")
    with pytest.raises(AccessError):
        await accounts.change_password(plant.context, "li.wei", proof, PASSWORD)
    li.password = PASSWORD + "!"
    assert (await li.log_in()).actor.name == "li.wei"


async def test_a_reset_ends_every_session_and_the_old_authenticator(plant: Plant) -> None:
    text = await plant.li.token()
    await accounts.reset(plant.context, ADMIN, "li.wei", why="lost the phone")
    with pytest.raises(AccessError, match="has ended"):
        await accounts.session_of(plant.context, text)
    with pytest.raises(AccessError):
        await plant.li.log_in()


async def test_an_account_that_ended_opens_nothing(plant: Plant) -> None:
    text = await plant.li.token()
    await accounts.disable(plant.context, ADMIN, "li.wei", why="left the plant")
    with pytest.raises(AccessError):
        await accounts.session_of(plant.context, text)
    with pytest.raises(AccessError):
        await plant.li.log_in()
    for act in (accounts.disable, accounts.reset):
        with pytest.raises(NotFoundError):
            await act(plant.context, ADMIN, "li.wei", why="again")


async def test_a_person_logs_out(plant: Plant) -> None:
    text = await plant.li.token()
    await accounts.log_out(plant.context, await accounts.session_of(plant.context, text))
    with pytest.raises(AccessError, match="has ended"):
        await accounts.session_of(plant.context, text)


async def test_a_session_by_a_link_is_no_person(plant: Plant) -> None:
    holder = Actor(name="qa.link", roles=frozenset({Role.QA}))
    _, link = await tokens.give(plant.context, ADMIN, holder, TokenKind.LOGIN, why="a look")
    text = await tokens.log_in(plant.context, link)
    with pytest.raises(AccessError, match="does not serve here"):
        await accounts.session_of(plant.context, text)


async def test_the_store_holds_neither_password_nor_secret(plant: Plant, tmp_path: Path) -> None:
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("aggregator.db*"))
    assert b"li.wei" in kept
    assert PASSWORD.encode() not in kept
    assert plant.li.secret not in kept


async def test_a_second_factor_serves_its_own_account_alone(plant: Plant) -> None:
    key = plant.context.keys.access
    wrapped = second_factor.wrap(plant.li.secret, key, "li.wei")
    assert second_factor.unwrap(wrapped, key, "li.wei") == plant.li.secret
    for other in ((wrapped, key, "chen.jie"), (wrapped, bytes(32), "li.wei"), (b"", key, "li.wei")):
        with pytest.raises(EvidenceError):
            second_factor.unwrap(*other)


async def test_only_who_manages_access_makes_accounts(plant: Plant) -> None:
    qa = (await plant.li.log_in()).actor
    roles = frozenset({Role.ADMIN})
    with pytest.raises(DeniedError):
        await accounts.create(plant.context, qa, "li.two", "Li Two", roles, why="more")
    with pytest.raises(DeniedError):
        await accounts.reset(plant.context, qa, "li.wei", why="forgot")
    with pytest.raises(DeniedError):
        await accounts.disable(plant.context, qa, "li.wei", why="gone")
    with pytest.raises(DeniedError):
        await accounts.every(plant.context, qa)


@pytest.mark.parametrize("user", ["", "x", "Li.Wei", "li wei", "李伟", "-li", "l" * 65])
async def test_what_is_no_user_id_is_refused(plant: Plant, user: str) -> None:
    with pytest.raises(InvalidError):
        await accounts.create(plant.context, ADMIN, user, "Li", frozenset({Role.QA}), why="joined")


async def test_an_account_needs_a_role_and_a_printed_name(plant: Plant) -> None:
    for name, roles in (("Li", frozenset[Role]()), (" ", frozenset({Role.QA}))):
        with pytest.raises(InvalidError):
            await accounts.create(plant.context, ADMIN, "li.two", name, roles, why="joined")


async def test_the_password_alone_proves_where_that_is_asked(plant: Plant) -> None:
    proof = Proof(password=PASSWORD)
    components = (Component.PASSWORD,)
    account = await accounts.prove(plant.context, "li.wei", proof, components)
    assert account.printed_name == "Li Wei 李伟"


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_234_567_890, "005924"),
        (20_000_000_000, "353130"),
    ],
)
def test_codes_are_those_of_rfc_6238(seconds: int, code: str) -> None:
    """The last six digits of the test vectors in appendix B."""
    step = seconds // second_factor.STEP_SECONDS
    assert second_factor.code_at(b"12345678901234567890", step) == code
