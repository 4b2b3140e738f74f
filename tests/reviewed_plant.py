"""A plant with a complete record and the people who review and release it, for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from aggregator.access.roles import Role
from aggregator.model.binding.fact import Authority, Fact, FactKind
from aggregator.model.master.equipment import EquipmentPath
from aggregator.model.master.lot import check_lot_key
from aggregator.model.signature import Component, Meaning
from aggregator.service import assemble_record, facts
from aggregator.service.access.accounts import Proof, Session
from aggregator.service.context import Context
from aggregator.service.review import review_record, signing
from aggregator.service.review.signing import Asked, Given
from aggregator.service.review.standing import Standing
from protocols.wire.reading import SECOND
from tests.personal import MovableClock, Person, person, with_clock
from tests.recorded_plant import GTIN, PRESS, QA, RecordedPlant, bundles_of, recorded_plant
from tests.sealed import START

LOT: Final = check_lot_key(GTIN, "L-1")


@dataclass(slots=True, kw_only=True)
class Floor:
    """A plant with a complete record of L-1, and three people."""

    context: Context
    clock: MovableClock
    plant: RecordedPlant
    li: Person  # reviews
    chen: Person  # releases
    wang: Person  # reviews and releases

    async def standing(self) -> Standing:
        """Return where L-1 stands."""
        return await review_record.get(self.context, QA, GTIN, "L-1")

    async def open(self, session: Session) -> Standing:
        """Open the review of L-1."""
        etag = (await self.standing()).etag
        return await review_record.open_review(
            self.context, session, GTIN, "L-1", etag=etag, why="it is complete"
        )

    async def sign(
        self,
        by: Person,
        session: Session,
        meaning: Meaning,
        *subjects: str,
        deviation: str = "",
        code: str | None = None,
        lot: str = "L-1",
    ) -> Standing:
        """Sign what is shown, with the components that are asked for."""
        asked = Asked(gtin=GTIN, lot=lot, meaning=meaning, subjects=subjects, deviation=deviation)
        shown = await signing.show(self.context, session, asked)
        if code is None:
            code = by.code() if Component.CODE in shown.components else ""
        given = Given(
            proof=Proof(password=by.password, code=code),
            reason=f"{meaning.value}, as seen",
            shown=shown.hash,
            etag=shown.etag,
        )
        return await signing.sign(self.context, session, asked, given)

    async def accept_all(self, by: Person, session: Session) -> Standing:
        """Accept every exception that waits."""
        waiting = sorted((await self.standing()).disposition.undecided)
        return await self.sign(by, session, Meaning.EXCEPTION_ACCEPTED, *waiting)

    async def release(self) -> tuple[Session, Session]:
        """Take L-1 to its release; return the reviewer's and the releaser's session."""
        li, chen = await self.li.log_in(), await self.chen.log_in()
        await self.open(li)
        await self.accept_all(self.li, li)
        await self.sign(self.li, li, Meaning.REVIEWED)
        await self.sign(self.chen, chen, Meaning.RELEASED)
        return li, chen

    async def say(self, source: str, *, lasts: int = 20) -> Fact:
        """Say as an operator that L-1 was at the press after its window, and assemble again."""
        operator = replace(QA, name=source)
        fact = Fact(
            kind=FactKind.OCCUPANCY,
            start=START + 131 * SECOND,
            end=START + (131 + lasts) * SECOND,
            authority=Authority.OPERATOR,
            source=source,
            equipment=EquipmentPath(PRESS),
            lot=LOT,
        )
        kept = await facts.add(self.context, operator, fact, why="a second run")
        await assemble_record.assemble_record(self.context, QA, GTIN, "L-1")
        return kept


@asynccontextmanager
async def opened(folder: Path, url: str = "") -> AsyncIterator[Floor]:
    """Open a plant with a complete record of L-1, a reviewer, a releaser, and one who is both."""
    async with recorded_plant(folder, url) as plant:
        await plant.take(bundles_of(plant))
        context, clock = with_clock(plant.context)
        floor = Floor(
            context=context,
            clock=clock,
            plant=plant,
            li=await person(context, clock, "li.wei", "Li Wei 李伟", Role.QA),
            chen=await person(context, clock, "chen.jie", "Chen Jie", Role.RELEASER),
            wang=await person(context, clock, "wang.fang", "Wang Fang", Role.QA, Role.RELEASER),
        )
        await assemble_record.assemble_record(context, QA, GTIN, "L-1")
        yield floor
