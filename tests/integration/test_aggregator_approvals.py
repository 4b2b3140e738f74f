"""What takes a second person: asked for by one, approved by another, done exactly as asked."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import pytest

from aggregator.access.roles import Actor, Role
from aggregator.access.tokens import TokenKind
from aggregator.errors import (
    AccessError,
    ConflictError,
    DeniedError,
    InvalidError,
    NotFoundError,
    SecondPersonError,
)
from aggregator.export.disclosure import Disclosure
from aggregator.model.approval import State
from aggregator.model.signature import Meaning
from aggregator.service import export_forms, export_record
from aggregator.service.access import accounts, delegations, people, tokens
from aggregator.service.approval import approvals
from aggregator.service.approval.approvals import Verdict
from aggregator.service.approval.doing import Handed
from aggregator.service.approval.sensitive import PARSE, Form
from aggregator.service.export_dossier import export_dossier
from aggregator.service.integration import receivers
from aggregator.settings import SecondPerson
from protocols.wire.reading import SECOND
from tests.approving_plant import Site, classify, relaxed, site_of
from tests.personal import ADMIN, PASSWORD, cheap_passwords, person, secret_of
from tests.recorded_plant import GTIN, QA
from tests.reviewed_plant import opened
from tests.servers import Postgres, running_postgres

pytestmark = pytest.mark.usefixtures("cheap_passwords")
__all__ = ["cheap_passwords"]

DAY = 86_400 * SECOND


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with site_of(tmp_path) as found:
        yield found


@pytest.fixture(params=["sqlite", "postgres"])
async def either(
    request: pytest.FixtureRequest, tmp_path: Path, postgres: Postgres
) -> AsyncIterator[Site]:
    url = "" if request.param == "sqlite" else postgres.database()
    async with site_of(tmp_path, url) as found:
        yield found


@pytest.mark.req(35)
@pytest.mark.req(23)
async def test_a_confidential_record_leaves_once_as_two_persons_said(either: Site) -> None:
    """Requirement 35 (batch export); 21 CFR 11.10(d), (g); EU GMP Annex 11 section 12."""
    site, context = either, either.context
    li, chen = await site.floor.li.log_in(), await site.floor.chen.log_in()
    with pytest.raises(SecondPersonError, match="confidential: as json it leaves by two"):
        await export_record.export_json(context, li.actor, GTIN, "L-1")
    asked = await approvals.ask(context, li, await site.export("json"), why="the notified body")
    with pytest.raises(SecondPersonError):
        await export_record.export_json(context, li.actor, GTIN, "L-1")
    with pytest.raises(ConflictError, match="another person than the one who asked"):
        await site.approve(li, asked)
    approved, handed = await site.approve(chen, asked)
    assert (approved.state, approved.decided_by) == (State.APPROVED, "chen.jie")
    assert handed == Handed()
    with pytest.raises(SecondPersonError):  # it was approved for the one who asked
        await export_record.export_json(context, chen.actor, GTIN, "L-1")
    with pytest.raises(SecondPersonError):  # and in the form that was asked for
        await export_record.export_pdf(context, li.actor, GTIN, "L-1")
    data = await export_record.export_json(context, li.actor, GTIN, "L-1")
    assert hashlib.sha256(data).hexdigest() == await site.hash()
    with pytest.raises(SecondPersonError):
        await export_record.export_json(context, li.actor, GTIN, "L-1")
    told = [(each["who"], each["act"]) for each in await site.told()][-3:]
    assert told == [
        ("li.wei", "ask for an approval"),
        ("chen.jie", "approve"),
        ("li.wei", "export_record"),
    ]
    assert (await site.told())[-1]["after"]["approval"] == asked.id
    (seen,) = await approvals.every(context, li)
    assert seen.state is State.DONE


@pytest.mark.req(35)
@pytest.mark.parametrize("form", get_args(Form))
async def test_every_form_has_the_gate(site: Site, form: str) -> None:
    forms: dict[str, Callable[..., Awaitable[object]]] = {
        "json": export_record.export_json,
        "pdf": export_record.export_pdf,
        "dossier": export_dossier,
        "dossier-own": partial(export_dossier, disclosure=Disclosure.OWN),
        "csv": export_forms.export_readings,
        "exceptions.csv": export_forms.export_exceptions,
        "values.csv": export_forms.export_values,
        "parquet": export_forms.export_parquet,
        "epcis": export_forms.export_epcis,
        "batchml": export_forms.export_batchml,
    }
    take = forms[form]
    li, chen = await site.floor.li.log_in(), await site.floor.chen.log_in()
    with pytest.raises(SecondPersonError, match=f"as {form} it leaves"):
        await take(site.context, li.actor, GTIN, "L-1")
    asked = await approvals.ask(site.context, li, await site.export(form), why="the auditor")
    await site.approve(chen, asked)
    assert await take(site.context, li.actor, GTIN, "L-1")


@pytest.mark.req(33)
async def test_what_is_not_confidential_leaves_as_before(site: Site) -> None:
    await classify(site.context, "internal")
    assert await export_record.export_json(site.context, QA, GTIN, "L-1")
    await classify(site.context, "critical")
    with pytest.raises(SecondPersonError):
        await export_record.export_json(site.context, QA, GTIN, "L-1")
    access = site.context.settings.access.model_copy(
        update={"second_person": (SecondPerson.ACCESS,)}
    )
    settings = site.context.settings.model_copy(update={"access": access})
    assert await export_record.export_json(
        replace(site.context, settings=settings), QA, GTIN, "L-1"
    )


async def test_what_was_approved_is_void_when_it_changes_or_time_passes(site: Site) -> None:
    """Threat 38: an approval is void on change."""
    li, chen = await site.floor.li.log_in(), await site.floor.chen.log_in()
    asked = await approvals.ask(site.context, li, await site.export("json"), why="the auditor")
    other = Verdict(shown="0" * 64, password=PASSWORD, why="as agreed")
    with pytest.raises(ConflictError, match="something else"):
        await approvals.approve(site.context, chen, asked.id, other)
    wrong = Verdict(shown=asked.hash, password="not it", why="as agreed")
    with pytest.raises(AccessError):
        await approvals.approve(site.context, chen, asked.id, wrong)
    await site.approve(chen, asked)
    await site.floor.say("li.wei")  # another version
    with pytest.raises(SecondPersonError):
        await export_record.export_json(site.context, li.actor, GTIN, "L-1")
    old = PARSE.validate_json(asked.document)
    with pytest.raises(ConflictError, match="is the newest"):
        await approvals.ask(site.context, li, old, why="the auditor")
    late = await approvals.ask(site.context, li, await site.export("json"), why="the auditor")
    site.floor.clock.skip(site.context.settings.access.approval_seconds)
    chen = await site.floor.chen.log_in()
    with pytest.raises(ConflictError, match="it is expired"):
        await site.approve(chen, late)


@pytest.mark.req(38)
async def test_a_service_takes_what_two_persons_opened_for_it(site: Site) -> None:
    """Requirement 35 (cross-system exchange): a standing one, for a product, forms and a time."""
    mes = Actor(name="mes", roles=frozenset({Role.INTEGRATION}))
    li, chen = await site.floor.li.log_in(), await site.floor.chen.log_in()
    said = {"kind": "open_exchange", "system": "mes", "gtin": GTIN, "forms": ["epcis", "json"]}
    now = site.floor.clock.now()
    exchange = PARSE.validate_python(said | {"until": now + 30 * DAY})
    with pytest.raises(NotFoundError, match="no token was given"):
        await approvals.ask(site.context, li, exchange, why="the ERP books them")
    await tokens.give(relaxed(site.context), ADMIN, mes, TokenKind.SERVICE, why="orders")
    for until in (now - 1, now + 400 * DAY):
        too = PARSE.validate_python(said | {"until": until})
        with pytest.raises(InvalidError, match="366 days"):
            await approvals.ask(site.context, li, too, why="the ERP books them")
    with pytest.raises(SecondPersonError, match="leaves by two persons"):
        await export_record.export_json(site.context, mes, GTIN, "L-1")
    asked = await approvals.ask(site.context, li, exchange, why="the ERP books them")
    await site.approve(chen, asked)
    for _ in range(2):
        assert await export_record.export_json(site.context, mes, GTIN, "L-1")
    with pytest.raises(SecondPersonError):
        await export_forms.export_parquet(site.context, mes, GTIN, "L-1")
    await approvals.deny(site.context, chen, asked.id, why="the contract has ended")
    with pytest.raises(SecondPersonError):
        await export_record.export_json(site.context, mes, GTIN, "L-1")


@pytest.mark.req(35)
async def test_another_system_is_told_of_events_by_two(site: Site) -> None:
    """Requirement 35 (cross-system exchange subscriptions)."""
    root, chen = await site.root.log_in(), await site.floor.chen.log_in()
    url = "https://qms.example/events"
    with pytest.raises(SecondPersonError, match="a new receiver of events takes a second"):
        await receivers.add(site.context, root.actor, name="QMS", url=url, types=(), why="tell")
    act = PARSE.validate_python({"kind": "add_receiver", "name": "QMS", "url": url})
    asked = await approvals.ask(site.context, root, act, why="deviations are theirs")
    decided, handed = await site.approve(chen, asked)
    assert (decided.state, bool(handed.token)) == (State.DONE, True)
    (added,) = await receivers.list_all(site.context, root.actor)
    assert (added.name, added.url, added.created_by) == ("QMS", url, "chen.jie")


@pytest.mark.req(26)
@pytest.mark.req(35)
async def test_access_is_changed_by_two(either: Site) -> None:
    """P12: no one person re-configures who may do what."""
    site, context = either, either.context
    root, anna = await site.root.log_in(), await site.anna.log_in()
    roles = frozenset({Role.RELEASER})
    holder = Actor(name="mes", roles=frozenset({Role.INTEGRATION}))
    for alone in (
        lambda who: accounts.create(context, who, "zhao.min", "Zhao Min", roles, why="joined"),
        lambda who: accounts.reset(context, who, "li.wei", why="phone"),
        lambda who: accounts.disable(context, who, "anna", why="left"),
        lambda who: people.set_roles(context, who, "li.wei", roles, why="moved"),
        lambda who: people.unlock(context, who, "li.wei", why="sorry"),
        lambda who: tokens.give(context, who, holder, TokenKind.SERVICE, why="orders"),
        lambda who: tokens.give(context, who, holder, TokenKind.LOGIN, why="a look"),
    ):
        for who in (root.actor, ADMIN):
            with pytest.raises(SecondPersonError, match="takes a second person"):
                await alone(who)
    act = PARSE.validate_python(
        {"kind": "create_account", "user": "zhao.min", "printed_name": "Zhao Min"}
        | {"roles": ["releaser", "qa", "releaser"]}
    )
    li = await site.floor.li.log_in()
    with pytest.raises(DeniedError):
        await approvals.ask(context, li, act, why="joined")
    asked = await approvals.ask(context, root, act, why="joined")
    decided, handed = await site.approve(anna, asked)
    assert decided.state is State.DONE
    assert handed.issued is not None
    zhao = replace(
        site.root, user="zhao.min", secret=secret_of(handed.issued), password=handed.issued.password
    )
    await accounts.change_password(context, "zhao.min", zhao.proof(), PASSWORD)
    zhao.password = PASSWORD
    assert (await zhao.log_in()).actor.roles == {Role.QA, Role.RELEASER}
    made = next(
        each
        for each in await site.told()
        if each["act"] == "create an account" and each["what"] == "account zhao.min"
    )
    assert made["why"] == f"joined (asked for by root, request {asked.id})"
    assert made["who"] == "anna"


@pytest.mark.req(31)
async def test_roles_tokens_locks_and_ends_are_done_as_asked(site: Site) -> None:
    """21 CFR 11.300(b), (c): what one person stops at once, two let go on."""
    context = site.context
    root, anna = await site.root.log_in(), await site.anna.log_in()
    await people.lock(context, root.actor, "li.wei", why="lost the phone")
    with pytest.raises(AccessError):
        await site.floor.li.log_in()
    with pytest.raises(ConflictError, match="locked already"):
        await people.lock(context, root.actor, "li.wei", why="again")

    async def done(**said: Any) -> Handed:
        asked = await approvals.ask(context, root, PARSE.validate_python(said), why="agreed")
        decided, handed = await site.approve(anna, asked)
        assert decided.state is State.DONE
        return handed

    await done(kind="unlock_account", user="li.wei")
    text = await site.floor.li.token()
    await done(kind="set_roles", user="li.wei", roles=["auditor"])
    with pytest.raises(AccessError):  # the session had the old roles
        await accounts.session_of(context, text)
    assert (await site.floor.li.log_in()).actor.roles == {Role.AUDITOR}
    handed = await done(kind="give_token", name="mes", roles=["integration"])
    assert (await tokens.who_is(context, handed.token)).name == "mes"
    assert (await done(kind="reset_account", user="li.wei")).issued is not None
    await done(kind="end_account", user="li.wei")
    refused = PARSE.validate_python({"kind": "end_account", "user": "li.wei"})
    again = await approvals.ask(context, root, refused, why="agreed")
    with pytest.raises(NotFoundError):
        await site.approve(anna, again)
    (seen, *_) = await approvals.every(context, root)
    assert seen.state is State.WAITING, "what could not be done was not approved"


@pytest.mark.req(36)
async def test_a_delegate_approves_but_not_what_their_principal_asked_for(site: Site) -> None:
    """Nobody blocks the line, and nobody chooses their own second person."""
    context, now = site.context, site.floor.clock.now()
    zhao_person = await person(
        relaxed(context), site.floor.clock, "zhao.min", "Zhao Min", Role.OPERATOR
    )
    zhao_person.context = context
    li, chen = await site.floor.li.log_in(), await site.floor.chen.log_in()
    zhao = await zhao_person.log_in()
    asked = await approvals.ask(context, li, await site.export("json"), why="the auditor")
    with pytest.raises(DeniedError):
        await site.approve(zhao, asked)
    await delegations.delegate(context, li, "zhao.min", now, now + DAY, why="on leave")
    with pytest.raises(ConflictError, match=r"zhao\.min stands for li"):
        await site.approve(zhao, asked)
    assert await approvals.every(context, zhao) == []
    await delegations.delegate(context, chen, "zhao.min", now, now + DAY, why="on leave")
    (seen,) = await approvals.every(context, zhao)
    assert seen.may_decide
    approved, _ = await site.approve(zhao, asked)
    assert (approved.decided_by, approved.in_place_of) == ("zhao.min", "chen.jie")
    assert await export_record.export_json(context, li.actor, GTIN, "L-1")


@pytest.mark.req(35)
@pytest.mark.req(36)
async def test_a_reviewer_does_not_choose_who_releases_in_their_own_place(site: Site) -> None:
    """P12: a right to release that comes from the reviewer releases nothing they reviewed."""
    floor, now = site.floor, site.floor.clock.now()
    zhao_person = await person(
        relaxed(site.context), floor.clock, "zhao.min", "Zhao Min", Role.AUDITOR
    )
    zhao_person.context = site.context
    wang, zhao = await floor.wang.log_in(), await zhao_person.log_in()
    await delegations.delegate(site.context, wang, "zhao.min", now, now + DAY, why="on leave")
    await floor.open(wang)
    await floor.accept_all(floor.wang, wang)
    await floor.sign(floor.wang, wang, Meaning.REVIEWED)
    with pytest.raises(ConflictError, match=r"zhao\.min stands for wang"):
        await floor.sign(zhao_person, zhao, Meaning.RELEASED)
    chen = await floor.chen.log_in()
    await delegations.delegate(site.context, chen, "zhao.min", now, now + DAY, why="on leave")
    after = await floor.sign(zhao_person, zhao, Meaning.RELEASED)
    assert after.disposition.releaser == "zhao.min"


async def test_what_was_asked_is_denied_or_withdrawn(site: Site) -> None:
    li, chen = await site.floor.li.log_in(), await site.floor.chen.log_in()
    first = await approvals.ask(site.context, li, await site.export("csv"), why="a chart")
    with pytest.raises(ConflictError, match="another person"):
        await approvals.deny(site.context, li, first.id, why="no")
    denied = await approvals.deny(site.context, chen, first.id, why="ask for the dossier")
    assert (denied.state, denied.decided_why) == (State.DENIED, "ask for the dossier")
    with pytest.raises(ConflictError, match="it is denied"):
        await site.approve(chen, first)
    second = await approvals.ask(site.context, li, await site.export("csv"), why="a chart")
    with pytest.raises(ConflictError, match="did not ask"):
        await approvals.withdraw(site.context, chen, second.id, why="no")
    await approvals.withdraw(site.context, li, second.id, why="no longer")
    with pytest.raises(ConflictError, match="it is withdrawn"):
        await site.approve(chen, second)
    with pytest.raises(NotFoundError):
        await approvals.deny(site.context, chen, "none", why="no")
    acts = [each["act"] for each in await site.told()]
    assert acts[-4:] == ["ask for an approval", "deny", "ask for an approval", "withdraw a request"]


async def test_whoever_sets_a_plant_up_makes_the_first_accounts_alone(tmp_path: Path) -> None:
    async with opened(tmp_path) as floor:  # reviewers and releasers, and no administrator yet
        roles = frozenset({Role.ADMIN})
        await accounts.create(floor.context, ADMIN, "root", "Root One", roles, why="set up")
        with pytest.raises(SecondPersonError):
            await accounts.create(floor.context, ADMIN, "anna", "Anna Two", roles, why="set up")
