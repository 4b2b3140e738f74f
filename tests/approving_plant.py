"""A plant whose product is confidential, with administrators, for tests of what takes two."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aggregator.access.roles import Role
from aggregator.model.approval import Approval
from aggregator.model.master.classification import Classification
from aggregator.service import assemble_record, audit_trail
from aggregator.service.access.accounts import Session
from aggregator.service.approval import approvals
from aggregator.service.approval.approvals import Verdict
from aggregator.service.approval.doing import Handed
from aggregator.service.approval.sensitive import PARSE, Sensitive
from aggregator.service.context import Context
from aggregator.service.master import master_data
from aggregator.service.master.documents import EntityKind
from tests.personal import PASSWORD, Person, person
from tests.recorded_plant import ENGINEER, GTIN, QA
from tests.reviewed_plant import Floor, opened


@dataclass(slots=True, kw_only=True)
class Site:
    """A plant whose product is confidential, with two administrators besides its people."""

    floor: Floor
    root: Person
    anna: Person

    @property
    def context(self) -> Context:
        return self.floor.context

    async def hash(self) -> str:
        found = await assemble_record.get(self.context, QA, GTIN, "L-1")
        return found.summary.content_hash

    async def export(self, form: str) -> Sensitive:
        said = {"kind": "export_record", "gtin": GTIN, "lot": "L-1", "form": form}
        return PARSE.validate_python(said | {"record": await self.hash()})

    async def approve(self, by: Session, asked: Approval) -> tuple[Approval, Handed]:
        verdict = Verdict(shown=asked.hash, password=PASSWORD, why="as agreed")
        return await approvals.approve(self.context, by, asked.id, verdict)

    async def told(self) -> list[dict[str, Any]]:
        return await audit_trail.page(self.context, QA, after=-1, count=1000)


def relaxed(context: Context) -> Context:
    """Return the context of a site that is being set up by one person."""
    settings = context.settings
    access = settings.access.model_copy(update={"second_person": ()})
    master = settings.master.model_copy(update={"approval": ()})
    update = {"access": access, "master": master}
    return replace(context, settings=settings.model_copy(update=update))


async def classify(context: Context, word: str) -> None:
    """Give a parameter of the product a class."""
    found = await master_data.get(context, QA, EntityKind.LIMIT, f"{GTIN}/plate temperature")
    document = found.document.model_copy(update={"classification": Classification(word)})
    await master_data.put(
        relaxed(context), ENGINEER, document, expected_version=found.version, why="it is the core"
    )


@contextlib.asynccontextmanager
async def site_of(folder: Path, url: str = "") -> AsyncIterator[Site]:
    async with opened(folder, url) as floor:
        context = relaxed(floor.context)
        root = await person(context, floor.clock, "root", "Root One", Role.ADMIN)
        anna = await person(context, floor.clock, "anna", "Anna Two", Role.ADMIN)
        root.context = anna.context = floor.context
        await classify(floor.context, "confidential")
        await assemble_record.assemble_record(floor.context, QA, GTIN, "L-1")
        yield Site(floor=floor, root=root, anna=anna)
