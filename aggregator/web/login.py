"""How a person logs in and out of the console: user, password and code, or a first password."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from aggregator.access.tokens import TokenKind
from aggregator.caller import COOKIE, context_of, session_text_of
from aggregator.errors import AccessError, AggregatorError, InvalidError, PasswordIssuedError
from aggregator.service.access import accounts, tokens
from aggregator.service.access.accounts import Proof
from aggregator.web.forms import form_of
from aggregator.web.pages import opened, render_page

routes = APIRouter(include_in_schema=False)


@routes.post("/login/person")
async def log_in(request: Request) -> Response:
    """Open a session; where the password was issued, ask for one of the person's own first."""
    form = await form_of(request)
    context, user = context_of(request), form.text("user")
    proof = Proof(password=form.secret("password"), code=form.text("code"))
    fresh = form.secret("new_password")
    change = bool(fresh)
    try:
        if fresh:
            await accounts.change_password(context, user, proof, fresh)
            return _again(request, user, status=200)
        _, session = await accounts.log_in(context, user, proof)
    except (AccessError, InvalidError, PasswordIssuedError) as error:
        change = change or isinstance(error, PasswordIssuedError)
        return _again(request, user, problem=error, change=change)
    return opened(request, session, TokenKind.PERSON)


@routes.post("/logout")
async def log_out(request: Request) -> Response:
    """End the session, whoever opened it and by what."""
    await tokens.leave(context_of(request), session_text_of(request))
    response = RedirectResponse("/login", status_code=303)
    response.delete_cookie(COOKIE)
    return response


def _again(
    request: Request,
    user: str,
    *,
    problem: AggregatorError | None = None,
    change: bool = False,
    status: int = 401,
) -> Response:
    values = {"link": "", "problem": problem, "user": user, "change": change}
    page = render_page(request, "login.html", None, values)
    page.status_code = status
    return page
