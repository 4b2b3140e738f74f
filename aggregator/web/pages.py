"""The console's pages, over the same use cases as the API; the browser holds a session's cookie."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, Any, Final, get_args

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse, StreamingResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from aggregator.access.roles import Act, Actor, ActorKind, Role, allows, require
from aggregator.access.tokens import LIFETIMES, TokenKind
from aggregator.caller import COOKIE, actor_of, context_of
from aggregator.clock import Clock
from aggregator.errors import (
    AccessError,
    AggregatorError,
    ConflictError,
    DeniedError,
    NotFoundError,
)
from aggregator.export import words as record_words
from aggregator.export.pdf.text import unit_shown
from aggregator.export.words_zh import CHINESE
from aggregator.ops import gateways
from aggregator.service import assemble_record, lots
from aggregator.service.access import tokens
from aggregator.service.approval import approvals
from aggregator.service.approval.sensitive import Form
from aggregator.service.binding import rebind
from aggregator.service.context import Context
from aggregator.web import words
from aggregator.web.forms import form_of
from aggregator.web.news import News
from protocols.wire.dossier.instant import format_time
from protocols.wire.reading import SECOND, Nanoseconds

routes = APIRouter(include_in_schema=False)


@routes.get("/")
async def overview(request: Request) -> Response:
    """Show gateways, lots and the log."""
    actor = await actor_of(request)
    return render_page(request, "overview.html", actor, await _overview(context_of(request), actor))


@routes.get("/fragments/overview")
async def overview_fragment(request: Request) -> Response:
    """Show the part of the overview that changes."""
    actor = await actor_of(request)
    return render_page(
        request, "overview_live.html", actor, await _overview(context_of(request), actor)
    )


@routes.get("/records/{gtin}/{lot}")
async def record(request: Request, gtin: str, lot: str) -> Response:
    """Show a lot's newest record: verdict, exceptions, charts, completeness."""
    actor = await actor_of(request)
    context = context_of(request)
    found = await assemble_record.get(context, actor, gtin, lot)
    later = await rebind.overtaken(context, actor)
    values = {
        "summary": found.summary,
        "record": found.document,
        "confidential": await approvals.confidential(context, actor, gtin),
        "forms": get_args(Form),
        "overtaken": any(each.lot == found.summary.lot for each in later),
    }
    return render_page(request, "record.html", actor, values)


@routes.get("/records/{gtin}/{lot}/charts/{parameter}")
async def record_chart(request: Request, gtin: str, lot: str, parameter: str) -> dict[str, Any]:
    """Return the points of a chart: x from 0 to 1, a null where the line breaks."""
    actor = await actor_of(request)
    drawn, said = await lots.record_chart(context_of(request), actor, gtin, lot, parameter)
    length = said["end"] - said["start"]
    times: list[float] = []
    values: list[float | None] = []
    for line in drawn.lines:
        if times:
            times.append(times[-1])
            values.append(None)
        for x, y in line:
            times.append((said["start"] + x * length) / SECOND)
            values.append(y)
    unit = unit_shown(said["unit"])
    return {"times": times, "values": values, "limits": said["specified"], "unit": unit}


@routes.get("/explained")
async def explained(
    request: Request, text: Annotated[list[str], Query(max_length=100)]
) -> list[str]:
    """Return what errors of the API say in the language of the pages."""
    await actor_of(request)
    explain = words.explainer(words.language_of(request))
    return [explain(each) for each in text]


@routes.get("/events")
async def events(request: Request) -> Response:
    """Stream news: once a second whether what the overview shows has changed."""
    require(await actor_of(request), Act.READ_GATEWAYS)
    news: News = request.app.state.news
    if news.full:
        return Response(status_code=503)  # the page says then that it is not live
    return StreamingResponse(_told(news, request), media_type="text/event-stream")


@routes.get("/login")
async def login_page(request: Request, link: str = "") -> Response:
    """Ask for a login link's code; a link's address fills it in."""
    return render_page(request, "login.html", None, {"link": link, "problem": None})


@routes.post("/login")
async def log_in(request: Request) -> Response:
    """Exchange the link for a session's cookie."""
    try:
        session = await tokens.log_in(context_of(request), (await form_of(request)).text("link"))
    except AccessError as error:
        page = render_page(request, "login.html", None, {"link": "", "problem": error})
        page.status_code = 401
        return page
    return opened(request, session, TokenKind.SESSION)


def opened(request: Request, session: str, kind: TokenKind) -> Response:
    """Return the way to the overview, with the session's cookie."""
    response = RedirectResponse("/", status_code=303)
    response.set_cookie(
        COOKIE,
        session,
        max_age=LIFETIMES[kind] // SECOND,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response


def news_of(context: Context) -> News:
    """Return what tells every overview when it has changed; it says that, and not what."""
    watcher = Actor(name="overview", roles=frozenset({Role.AUDITOR}))
    return News(lambda: _overview(context, watcher))


async def problem(request: Request, error: AggregatorError, status: int) -> Response:
    """Show a person what is wrong and what to do; who is not known is asked to log in."""
    if isinstance(error, AccessError):
        return RedirectResponse("/login", status_code=303)
    try:  # whoever looks sees the links that they have, be it after a form that was refused
        actor = await tokens.who_is(context_of(request), request.cookies.get(COOKIE, ""))
    except AggregatorError:
        actor = None
    page = render_page(request, "problem.html", actor, {"problem": error})
    page.status_code = status
    return page


def render_answer(
    request: Request,
    name: str,
    actor: Actor,
    values: dict[str, Any],
    error: AggregatorError | None,
) -> Response:
    """Return a page with forms as ``render_page`` does, with what was wrong with the one sent."""
    page = render_page(request, name, actor, {**values, "problem": error})
    if error is not None:
        kinds = type(error).__mro__
        page.status_code = next((_STATUS[kind] for kind in kinds if kind in _STATUS), 422)
    return page


async def _overview(context: Context, actor: Actor) -> dict[str, Any]:
    return {
        "gateways": await gateways.health(context, actor),
        "lots": await lots.overview(context, actor) if allows(actor, Act.READ_RECORDS) else None,
        "log": await gateways.log_state(context, actor),
    }


async def _told(news: News, request: Request) -> AsyncIterator[bytes]:
    async with aclosing(news.follow()) as told:
        async for event in told:
            if await request.is_disconnected():
                return
            yield event


def render_page(
    request: Request, name: str, actor: Actor | None, values: dict[str, Any]
) -> HTMLResponse:
    """Return the template ``name`` filled in, in the language asked for."""
    language = words.language_of(request)
    translate = words.translator(language)
    said = CHINESE if language == "zh-CN" else record_words.ENGLISH
    clock = context_of(request).clock
    text = _TEMPLATES.get_template(name).render(
        t=translate,
        language=language,
        actor=actor,
        ago=lambda time: _ago(time, clock, translate),
        at=lambda time: _instant(format_time(time)),
        may=lambda *acts: actor is not None and any(allows(actor, Act(act)) for act in acts),
        person=actor is not None and actor.kind is ActorKind.PERSON,
        explain=words.explainer(language),
        listed=lambda values: ", ".join(map(translate, values)),
        say=lambda key: record_words.say(said, key),
        describe=lambda item: record_words.describe(item, said),
        **values,
    )
    page = HTMLResponse(text)
    if "lang" in request.query_params:
        page.set_cookie(words.COOKIE, language, max_age=365 * 86_400, samesite="lax")
    return page


def _ago(time: Nanoseconds | None, clock: Clock, translate: Any) -> str:
    """Say how long ago a record time was, in the largest whole unit."""
    if not time:
        return str(translate("never"))
    seconds = max(0, (clock.now() - time) // SECOND)
    for size, text in (
        (86_400, "{count} d ago"),
        (3_600, "{count} h ago"),
        (60, "{count} min ago"),
    ):
        if seconds >= size:
            return str(translate(text, count=seconds // size))
    return str(translate("{count} s ago", count=seconds))


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"


def _instant(text: str | None) -> str:
    """Return a record's time to the millisecond, a dash where nobody knows it."""
    return f"{text[:10]} {text[11:23]} UTC" if text else "–"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.6g}"


def _tone(state: str) -> str:
    return _TONES.get(state, "bad")


def _mark(state: str) -> str:
    """Return a shape for the state, so that colour is never alone."""
    return {"": "●", "warn": "▲", "bad": "✕"}[_tone(state)]


_STATUS: Final[dict[type, int]] = {DeniedError: 403, NotFoundError: 404, ConflictError: 409}
_TONES: Final = {
    "RUNNING": "",
    "NEVER_SEEN": "",
    "CONNECTING": "warn",
    "DEGRADED": "warn",
    "UNAPPROVED": "warn",
}
_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).resolve().parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.globals.update(
    tone=_tone,
    mark=_mark,
    percent=_percent,
    instant=_instant,
    figure=_figure,
    unit_shown=unit_shown,
)
