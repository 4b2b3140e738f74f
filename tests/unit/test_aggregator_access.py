"""The policy table cell by cell, and tokens: known, of the right kind, in force."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from aggregator.access import tokens
from aggregator.access.roles import POLICY, Act, Actor, ActorKind, Role, allows, require
from aggregator.access.tokens import LIFETIMES, TokenKind
from aggregator.errors import AccessError, DeniedError, InvalidError
from aggregator.store.sqlite import SqliteStore

NOW = 1_790_000_000_000_000_000
QA = Actor(name="li.wei", roles=frozenset({Role.QA}))
SERVICE = frozenset({TokenKind.SERVICE})


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "aggregator.db")
    await store.open()
    await store.migrate()
    yield store
    await store.close()


@pytest.mark.req(31)
@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("act", Act)
def test_every_cell_of_the_policy_is_enforced(role: Role, act: Act) -> None:
    actor = Actor(name="someone", roles=frozenset({role}))
    if act in POLICY[role]:
        require(actor, act)
    else:
        with pytest.raises(DeniedError, match="someone may not"):
            require(actor, act)


def test_who_holds_no_role_may_do_nothing() -> None:
    nobody = Actor(name="nobody", roles=frozenset())
    assert not any(allows(nobody, act) for act in Act)


def test_no_role_that_runs_the_system_sees_batch_data() -> None:
    assert not POLICY[Role.ADMIN] & {Act.READ_RECORDS, Act.READ_READINGS, Act.EXPORT_RECORD}


def test_an_auditor_changes_nothing() -> None:
    assert all(act.value.startswith(("read_", "export_")) for act in POLICY[Role.AUDITOR])


@pytest.mark.parametrize(
    ("kind", "held_by"),
    [
        (TokenKind.SERVICE, ActorKind.SERVICE),
        (TokenKind.LOGIN, ActorKind.VISITOR),
        (TokenKind.SESSION, ActorKind.VISITOR),
        (TokenKind.PERSON, ActorKind.PERSON),
    ],
)
async def test_a_token_says_who_acts_and_whether_that_is_a_person(
    store: SqliteStore, kind: TokenKind, held_by: ActorKind
) -> None:
    async with store.write() as tx:
        _, text = await tokens.issue(tx, QA, kind, now=NOW)
    async with store.read() as tx:
        found = await tokens.authenticate(tx, text, frozenset({kind}), now=NOW + 1)
    assert found.actor == replace(QA, kind=held_by)


async def test_only_the_hash_of_a_secret_is_kept(store: SqliteStore, tmp_path: Path) -> None:
    async with store.write() as tx:
        _, text = await tokens.issue(tx, QA, TokenKind.SERVICE, now=NOW)
    await store.close()
    secret = text.rpartition("_")[2].encode()
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert QA.name.encode() in kept
    assert secret not in kept


@pytest.mark.parametrize("change", ["", "x", "lp_", "lp_00_11", "basic_a_b"])
async def test_what_is_no_token_is_refused(store: SqliteStore, change: str) -> None:
    async with store.read() as tx:
        with pytest.raises(AccessError, match="not known"):
            await tokens.authenticate(tx, change, SERVICE, now=NOW)


async def test_a_token_with_another_secret_is_refused(store: SqliteStore) -> None:
    async with store.write() as tx:
        token, _ = await tokens.issue(tx, QA, TokenKind.SERVICE, now=NOW)
        _, other = await tokens.issue(tx, QA, TokenKind.SERVICE, now=NOW)
    forged = f"lp_{token.id}_{other.split('_', 2)[2]}"
    async with store.read() as tx:
        with pytest.raises(AccessError, match="not known"):
            await tokens.authenticate(tx, forged, SERVICE, now=NOW)


async def test_a_token_serves_its_own_kind_of_use(store: SqliteStore) -> None:
    async with store.write() as tx:
        _, text = await tokens.issue(tx, QA, TokenKind.LOGIN, now=NOW)
    async with store.read() as tx:
        with pytest.raises(AccessError, match="does not serve here"):
            await tokens.authenticate(tx, text, SERVICE, now=NOW)


async def test_a_token_ends(store: SqliteStore) -> None:
    async with store.write() as tx:
        token, text = await tokens.issue(tx, QA, TokenKind.SERVICE, now=NOW)
        _, later = await tokens.issue(tx, QA, TokenKind.SERVICE, now=NOW)
        assert await tokens.end(tx, token.id, now=NOW + 1)
        assert not await tokens.end(tx, token.id, now=NOW + 2)
    async with store.read() as tx:
        with pytest.raises(AccessError, match="has ended"):
            await tokens.authenticate(tx, text, SERVICE, now=NOW + 2)
        with pytest.raises(AccessError, match="has ended"):
            await tokens.authenticate(tx, later, SERVICE, now=NOW + LIFETIMES[TokenKind.SERVICE])


async def test_a_token_needs_a_name_and_a_role(store: SqliteStore) -> None:
    async with store.write() as tx:
        for holder in (Actor(name="", roles=QA.roles), Actor(name="x", roles=frozenset())):
            with pytest.raises(InvalidError):
                await tokens.issue(tx, holder, TokenKind.SERVICE, now=NOW)
