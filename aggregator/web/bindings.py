"""The page of binding: which records were overtaken, and which readings belong to no lot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from aggregator.access.roles import Act, Actor, allows
from aggregator.caller import Person, actor_of, context_of
from aggregator.errors import AggregatorError, InvalidError
from aggregator.service import assemble_record
from aggregator.service.binding import rebind
from aggregator.service.binding.coverage import Coverage, coverage
from aggregator.service.binding.rebind import Why
from aggregator.web.pages import render_answer
from protocols.wire.dossier.instant import format_time
from protocols.wire.reading import SECOND, Nanoseconds

routes = APIRouter(prefix="/bindings", include_in_schema=False)

CAME: Final[Mapping[Why, str]] = {
    Why.READINGS: "late readings",
    Why.FACT: "a fact",
    Why.GENEALOGY: "genealogy",
    Why.TEST_RESULT: "a test result",
}
"""What can have come since a record was made."""


@routes.get("")
async def bindings(
    request: Request, start: str = "", end: str = "", equipment: str = ""
) -> Response:
    """Show overtaken records, and of each signal which readings belong to nothing."""
    actor = await actor_of(request)
    asked = Asked(start=start, end=end, equipment=equipment.strip())
    try:
        asked = asked.filled(context_of(request).clock.now())
        covered = await coverage(
            context_of(request), actor, _time(asked.start), _time(asked.end), place=asked.equipment
        )
    except InvalidError as error:
        return await _page(request, actor, asked, error=error)
    return await _page(request, actor, asked, [each for each in covered if each.readings])


@routes.post("/{gtin}/{lot}")
async def assemble(request: Request, person: Person, gtin: str, lot: str) -> Response:
    """Assemble an overtaken record again."""
    try:
        await assemble_record.assemble_record(context_of(request), person.actor, gtin, lot)
    except AggregatorError as error:
        return await _page(request, person.actor, Asked(), error=error)
    return RedirectResponse(f"/records/{gtin}/{quote(lot, safe='')}", status_code=303)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the page was asked for; times as a browser writes them, in UTC."""

    start: str = ""
    end: str = ""
    equipment: str = ""  # "": all of it

    def filled(self, now: Nanoseconds) -> Asked:
        """Return it with times: a day up to its end, or up to now; InvalidError for no times."""
        end = _time(self.end) if self.end else now
        start = _time(self.start) if self.start else max(0, end - _DAY)
        if end - start > _WINDOW_MAX:
            raise InvalidError("31 days are looked at together, at most", hint="ask for less")
        return replace(self, start=_field(start), end=_field(end))


async def _page(
    request: Request,
    actor: Actor,
    asked: Asked,
    covered: Sequence[Coverage] = (),
    error: AggregatorError | None = None,
) -> Response:
    reads = allows(actor, Act.READ_RECORDS)
    values = {
        "asked": asked,
        "covered": covered,
        "runs_max": _RUNS_MAX,
        "came": CAME,
        "overtaken": await rebind.overtaken(context_of(request), actor) if reads else None,
    }
    return render_answer(request, "bindings.html", actor, values, error)


def _time(text: str) -> Nanoseconds:
    """Return a time as a browser's field has it, which says no zone and is of UTC."""
    try:
        time = (datetime.fromisoformat(f"{text}+00:00") - _EPOCH) // timedelta(microseconds=1)
    except ValueError:
        time = -1
    if not 0 <= time < _MICROSECONDS_MAX:
        raise InvalidError(
            f"{text[:40]!r} is no time", hint="write it like 2026-11-22T08:00:00, in UTC"
        )
    return time * 1_000


def _field(time: Nanoseconds) -> str:
    return format_time(time)[:19]


_DAY: Final = 86_400 * SECOND
_WINDOW_MAX: Final = 31 * _DAY
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECONDS_MAX: Final = 2**63 // 1_000
_RUNS_MAX: Final = 20
"""Runs of one signal's readings that the page lists; it counts all of them."""
