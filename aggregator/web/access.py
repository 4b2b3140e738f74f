"""The pages of access: all accounts, and what waits for a second person."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from aggregator.access.roles import Role
from aggregator.caller import Person, context_of
from aggregator.errors import AggregatorError
from aggregator.export.symbols import qr_code, to_svg
from aggregator.model.approval import Approval, State
from aggregator.service.access import accounts, people
from aggregator.service.access.accounts import Session
from aggregator.service.access.people import FOR_GOOD
from aggregator.service.approval import approvals
from aggregator.service.approval.approvals import Asked, Verdict
from aggregator.service.approval.doing import Handed
from aggregator.service.approval.sensitive import ExportRecord, Sensitive, parse_act
from aggregator.web.evidence import evidence_of
from aggregator.web.forms import Form, form_of
from aggregator.web.pages import render_answer, render_page

routes = APIRouter(include_in_schema=False)

KINDS: Final[Mapping[str, str]] = {
    "export_record": "Take a record out",
    "open_exchange": "Open an exchange",
    "add_receiver": "Tell another system of events",
    "create_account": "Make an account",
    "reset_account": "Reset an account",
    "end_account": "End an account",
    "unlock_account": "Unlock an account",
    "set_roles": "Change roles",
    "give_token": "Give a token",
    "apply_settings": "Give gateways new settings",
    "add_key": "Add a gateway's key",
    "revoke_key": "Revoke a gateway's key",
    "approve_epoch": "Vouch for an epoch",
}
"""What each sensitive act is called."""


@routes.get("/accounts")
async def accounts_page(request: Request, person: Person) -> Response:
    """Show all accounts, with what can be done to each."""
    return await _accounts(request, person)


@routes.post("/accounts/{user}/lock")
async def lock(request: Request, person: Person, user: str) -> Response:
    """Lock an account at once."""
    form = await form_of(request)
    try:
        await people.lock(context_of(request), person.actor, user, why=form.text("reason"))
    except AggregatorError as error:
        return await _accounts(request, person, error)
    return RedirectResponse("/accounts", status_code=303)


@routes.get("/approvals")
async def approvals_page(request: Request, person: Person) -> Response:
    """Show what was asked for, and let whoever may decide it."""
    return await _approvals(request, person)


@routes.post("/approvals")
async def ask(request: Request, person: Person) -> Response:
    """Ask for a sensitive act, or do it where it takes one person."""
    form = await form_of(request)
    try:
        act = _act(form)
        found = await approvals.do_or_ask(context_of(request), person, act, why=form.text("reason"))
    except AggregatorError as error:
        return await _approvals(request, person, error)
    if isinstance(found, Handed) and (found.issued or found.token):
        return _handed(request, person, found)
    return RedirectResponse("/approvals", status_code=303)


@routes.post("/approvals/{approval}/approve")
async def approve(request: Request, person: Person, approval: str) -> Response:
    """Approve what another person asked for; what it hands out is shown this once."""
    form = await form_of(request)
    verdict = Verdict(
        shown=form.text("shown"), password=form.secret("password"), why=form.text("reason")
    )
    try:
        _, handed = await approvals.approve(context_of(request), person, approval, verdict)
    except AggregatorError as error:
        return await _approvals(request, person, error)
    if handed.issued or handed.token:
        return _handed(request, person, handed)
    return RedirectResponse("/approvals", status_code=303)


@routes.post("/approvals/{approval}/deny")
async def deny(request: Request, person: Person, approval: str) -> Response:
    """Refuse what another person asked for."""
    why = (await form_of(request)).text("reason")
    try:
        await approvals.deny(context_of(request), person, approval, why=why)
    except AggregatorError as error:
        return await _approvals(request, person, error)
    return RedirectResponse("/approvals", status_code=303)


@routes.post("/approvals/{approval}/withdraw")
async def withdraw(request: Request, person: Person, approval: str) -> Response:
    """Take back what one asked for oneself."""
    try:
        why = "taken back on the page"
        await approvals.withdraw(context_of(request), person, approval, why=why)
    except AggregatorError as error:
        return await _approvals(request, person, error)
    return RedirectResponse("/approvals", status_code=303)


def _act(form: Form) -> Sensitive:
    """Return the act that a form asks for."""
    said: dict[str, Any] = {
        name: form.text(name)
        for name in ("kind", "gtin", "lot", "record", "form", *_NAMES)
        if form.text(name)
    }
    said |= {name: form.every(name) for name in ("roles", "types") if form.every(name)}
    return parse_act(said)


async def _accounts(
    request: Request, person: Session, error: AggregatorError | None = None
) -> Response:
    context = context_of(request)
    found = await accounts.every(context, person.actor)
    values = {
        "accounts": found,
        "roles": list(Role),
        "now": context.clock.now(),
        "for_good": FOR_GOOD,
    }
    return render_answer(request, "accounts.html", person.actor, values, error)


async def _approvals(
    request: Request, person: Session, error: AggregatorError | None = None
) -> Response:
    found = await approvals.every(context_of(request), person)
    values = {
        "asked": found,
        "evidence": await evidence_of(context_of(request), person, found),
        "kinds": KINDS,
        "states": State,
        "said": _said,
        "address": lambda each: _address(each, person),
    }
    return render_answer(request, "approvals.html", person.actor, values, error)


def _handed(request: Request, person: Session, handed: Handed) -> Response:
    symbol = to_svg(qr_code(handed.issued.enrolment), module_um=900) if handed.issued else ""
    values = {"handed": handed, "symbol": symbol}
    return render_page(request, "handed.html", person.actor, values)


def _said(approval: Approval) -> dict[str, list[str]]:
    """Return what was asked for, as a page shows it."""
    said = json.loads(approval.document)
    del said["kind"]
    return {
        name.replace("_", " "): value if isinstance(value, list) else [str(value)]
        for name, value in said.items()
    }


def _address(asked: Asked, person: Session) -> str:
    """Return where an approved export is taken; empty where there is none for this person."""
    act = asked.act
    own = asked.approval.asked_by == person.actor.name
    if not (isinstance(act, ExportRecord) and asked.state is State.APPROVED and own):
        return ""
    return (
        f"/api/v1/records/{act.gtin}/{quote(act.lot, safe='')}.{_SUFFIXES.get(act.form, act.form)}"
    )


_NAMES: Final = ("user", "printed_name", "name", "url")
_SUFFIXES: Final = {
    "dossier-own": "dossier?disclosure=own",
    "epcis": "epcis.json",
    "batchml": "batchml.xml",
}
