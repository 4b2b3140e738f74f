"""Data that come after a record was complete: from the gateway's seal to the review, and beyond."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from aggregator.errors import ConflictError
from aggregator.model.disposition import Stage
from aggregator.model.record.batch_record import RecordState
from aggregator.model.signature import Meaning
from aggregator.ops.rebinder import Rebinder
from aggregator.service import assemble_record
from aggregator.service.assemble_record import StoredRecord
from aggregator.service.binding.rebind import Why, overtaken, rebind
from aggregator.service.export_dossier import export_dossier
from aggregator.service.master import master_data
from aggregator.service.master.documents import EntityKind
from aggregator.service.master.master_data import Times
from protocols.wire.reading import SECOND, Kind, Reading, SignalName
from tests.personal import cheap_passwords
from tests.recorded_plant import GTIN, QA
from tests.reviewed_plant import Floor, opened
from tests.rigs.master_documents import put
from tests.sealed import START
from tests.servers import Postgres, running_postgres
from verifier.report import Verdict
from verifier.verify import verify

pytestmark = pytest.mark.usefixtures("cheap_passwords")
__all__ = ["cheap_passwords"]


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
async def floor(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Floor]:
    postgres = request.param == "postgres"
    url = request.getfixturevalue("server").database() if postgres else ""
    async with opened(tmp_path, url) as found:
        yield found


async def come_late(floor: Floor) -> None:
    """Let a logger give up what it held back: readings of L-1, sealed long after its end."""
    gateway = floor.plant.gateway
    gateway.time = START + 200 * SECOND
    readings = [
        Reading(
            signal=SignalName("press-1/seal-pressure"),
            kind=Kind.FLOAT64,
            value=value,
            gateway_time=gateway.time,
            source_time=START + 30 * SECOND + at * 1_000_000,
        )
        for at, value in ((250, 4.8), (750, 4.0))  # beyond the action limit of 4.5, and back
    ]
    bundles = [gateway.seal(readings, sealed_time=gateway.time)]
    gateway.time += 5 * SECOND
    bundles.append(gateway.seal(sealed_time=gateway.time))
    await floor.plant.take(bundles)


async def assembled_late(floor: Floor) -> StoredRecord:
    """Let data come late, and return the record that they give."""
    await come_late(floor)
    return await assemble_record.assemble_record(floor.context, QA, GTIN, "L-1")


@pytest.mark.req(16)
async def test_late_data_make_a_version_and_leave_the_old_one_as_it_was(floor: Floor) -> None:
    first = (await floor.standing()).newest
    second = await assembled_late(floor)
    assert (second.summary.version, second.summary.state) == (2, RecordState.COMPLETE)
    (late,) = (each for each in second.document["exceptions"] if each["kind"] == "late_data")
    assert late["subject"] == first.summary.content_hash
    assert late["details"]["readings"] == 2
    assert second.document["earlier"]["hash"] == first.summary.content_hash
    kept = await assemble_record.get(floor.context, QA, GTIN, "L-1", version=1)
    assert kept.data == first.data
    dossier = await export_dossier(floor.context, QA, GTIN, "L-1")
    report = verify(dossier, floor.plant.policy())
    assert report.verdict is Verdict.VERIFIED, report.to_text("en")


async def test_a_review_restarts_for_what_has_changed_and_for_nothing_else(floor: Floor) -> None:
    li = await floor.li.log_in()
    await floor.open(li)
    await floor.accept_all(floor.li, li)
    decided = (await floor.standing()).disposition.decisions
    await floor.sign(floor.li, li, Meaning.REVIEWED)
    await assembled_late(floor)
    standing = await floor.standing()
    assert standing.disposition.stage is Stage.IN_REVIEW
    assert dict(standing.disposition.decisions) == dict(decided), "what was decided stays so"
    undecided = standing.disposition.undecided
    new = {
        each["kind"]: each["subject"]
        for each in standing.newest.document["exceptions"]
        if each["id"] in undecided
    }
    assert new.keys() == {"late_data", "excursion"}
    assert new["excursion"] == "seal pressure"
    assert {"parameters", "signals", "exceptions", "earlier"} <= set(standing.changed)
    assert not {"windows", "facts", "jobs", "lot", "master", "other_parameters"} & set(
        standing.changed
    )
    with pytest.raises(ConflictError, match="waits for its decision"):
        await floor.sign(floor.li, li, Meaning.REVIEWED)
    await floor.accept_all(floor.li, li)
    assert (await floor.sign(floor.li, li, Meaning.REVIEWED)).disposition.stage is Stage.REVIEWED


async def test_after_its_release_a_lot_takes_an_addendum(floor: Floor) -> None:
    li, chen = await floor.release()
    released = (await floor.standing()).newest
    await assembled_late(floor)
    standing = await floor.standing()
    assert standing.disposition.stage is Stage.RELEASED
    assert standing.decided.data == released.data, "the released bytes never change"
    assert standing.disposition.later is not None
    with pytest.raises(ConflictError, match="waits for its decision"):
        await floor.sign(floor.chen, chen, Meaning.ADDENDUM)
    await floor.accept_all(floor.li, li)
    after = await floor.sign(floor.chen, chen, Meaning.ADDENDUM)
    assert after.disposition.stage is Stage.RELEASED
    assert after.disposition.later is None
    assert after.disposition.covered == after.newest.summary.content_hash
    assert after.signatures[-1].signature.record.version == 2


async def test_late_data_are_found_to_be_a_released_lots_and_wait_for_an_addendum(
    floor: Floor,
) -> None:
    await rebind(floor.context)
    await floor.release()
    released = (await floor.standing()).newest
    await come_late(floor)
    (waiting,) = await overtaken(floor.context, QA)
    assert (waiting.lot.lot, waiting.why) == ("L-1", Why.READINGS), "by the readings' own time"
    floor.clock.skip(int(floor.context.settings.records.assemble_seconds) + 1)
    await Rebinder(floor.context).catch_up()
    standing = await floor.standing()
    assert standing.newest.summary.recorded_by == "rebinder"
    assert standing.disposition.stage is Stage.RELEASED
    assert standing.disposition.later is not None, "a person has to sign an addendum"
    assert standing.decided.data == released.data, "the released bytes never change"
    assert await overtaken(floor.context, QA) == []


async def test_a_limit_changed_for_its_time_waits_for_an_addendum_to_a_released_lot(
    floor: Floor,
) -> None:
    await rebind(floor.context)
    await assemble_record.assemble_record(floor.context, QA, GTIN, "L-1")
    await floor.release()
    released = (await floor.standing()).newest
    key = f"{GTIN}/seal pressure"
    known = await master_data.get(floor.context, QA, EntityKind.LIMIT, key)
    said = known.document.model_dump(mode="json") | {"action_high": 4.6}
    await put(floor.context, EntityKind.LIMIT, said, known.version, Times(start=0))
    (waiting,) = await overtaken(floor.context, QA)
    assert (waiting.lot.lot, waiting.why) == ("L-1", Why.MASTER)
    floor.clock.skip(int(floor.context.settings.records.assemble_seconds) + 1)
    await Rebinder(floor.context).catch_up()
    standing = await floor.standing()
    assert standing.disposition.stage is Stage.RELEASED
    assert standing.decided.data == released.data, "the released bytes never change"
    assert standing.disposition.later is not None, "a person has to sign an addendum"
    new = {each["id"]: each for each in standing.newest.document["exceptions"]}
    (late,) = [new[each] for each in standing.disposition.undecided]
    assert (late["kind"], late["details"]["master"]) == ("late_data", [f"limit {key}"])
