"""The page of one's own account: password, authenticator, sessions, and who acts in one's place."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from aggregator.access.roles import allows
from aggregator.caller import COOKIE, Person, context_of
from aggregator.errors import AccessError, AggregatorError, InvalidError
from aggregator.export.symbols import qr_code, to_svg
from aggregator.service.access import accounts, delegations, own
from aggregator.service.access.accounts import Proof, Session
from aggregator.service.access.delegations import DELEGATED
from aggregator.web.forms import Form, form_of
from aggregator.web.pages import render_answer
from protocols.wire.reading import SECOND

routes = APIRouter(prefix="/account", include_in_schema=False)

DAY: int = 86_400 * SECOND


@routes.get("")
async def account_page(request: Request, person: Person) -> Response:
    """Show one's own account."""
    return await _page(request, person)


@routes.post("/password")
async def change_password(request: Request, person: Person) -> Response:
    """Change one's password; every session ends, this one too."""
    form = await form_of(request)
    try:
        proof, fresh = _proof(form), form.secret("new_password")
        if fresh != form.secret("again"):
            raise InvalidError("the new password and its repetition differ", hint="type both again")
        await accounts.change_password(context_of(request), person.actor.name, proof, fresh)
    except (AccessError, InvalidError) as error:
        return await _page(request, person, error)
    return _to_login()


@routes.get("/authenticator")
async def authenticator_page(request: Request, person: Person) -> Response:
    """Offer another authenticator: its symbol to scan, and a form for its first code."""
    return _offer(request, person)


@routes.post("/authenticator")
async def replace_authenticator(request: Request, person: Person) -> Response:
    """Put the offered authenticator in force; every session ends, this one too."""
    form = await form_of(request)
    try:
        await own.replace_second_factor(
            context_of(request), person, _proof(form), form.text("offer"), form.text("new_code")
        )
    except (AccessError, InvalidError) as error:
        return _offer(request, person, error)
    return _to_login()


@routes.post("/sessions/{session}/end")
async def end_session(request: Request, person: Person, session: str) -> Response:
    """End a session of one's own."""
    await own.end_session(context_of(request), person, session, why="ended on the account page")
    return RedirectResponse("/account", status_code=303)


@routes.post("/delegations")
async def delegate(request: Request, person: Person) -> Response:
    """Name a delegate from now on, for some days."""
    context, form = context_of(request), await form_of(request)
    try:
        now = context.clock.now()
        await delegations.delegate(
            context,
            person,
            form.text("delegate"),
            now,
            now + form.whole("days") * DAY,
            why=form.text("reason"),
        )
    except AggregatorError as error:
        return await _page(request, person, error)
    return RedirectResponse("/account", status_code=303)


@routes.post("/delegations/{delegation}/end")
async def end_delegation(request: Request, person: Person, delegation: str) -> Response:
    """Take a delegation back."""
    why = "ended on the account page"
    await delegations.end_delegation(context_of(request), person, delegation, why=why)
    return RedirectResponse("/account", status_code=303)


async def _page(
    request: Request, person: Session, error: AggregatorError | None = None
) -> Response:
    context, actor = context_of(request), person.actor
    delegating = any(allows(actor, act) for act in DELEGATED)
    given = await delegations.delegations(context, actor) if delegating else []
    values: dict[str, Any] = {
        "account": await own.account(context, person),
        "current": person.id,
        "sessions": await own.sessions(context, person),
        "delegating": delegating,
        "delegations": [each for each in given if each.principal == actor.name],
        "now": context.clock.now(),
    }
    return render_answer(request, "account.html", actor, values, error)


def _offer(request: Request, person: Session, error: AggregatorError | None = None) -> Response:
    offer = own.offer_second_factor(context_of(request), person)
    symbol = to_svg(qr_code(offer.enrolment), module_um=900)
    values = {"offer": offer, "symbol": symbol}
    return render_answer(request, "authenticator.html", person.actor, values, error)


def _proof(form: Form) -> Proof:
    return Proof(password=form.secret("password"), code=form.text("code"))


def _to_login() -> Response:
    response = RedirectResponse("/login", status_code=303)
    response.delete_cookie(COOKIE)
    return response
