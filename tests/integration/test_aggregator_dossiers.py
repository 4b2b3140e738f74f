"""Dossiers of several gateways and epochs, whole or with the lot's own signals alone."""

from __future__ import annotations

import contextlib
import io
import json
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from pypdf import PdfReader

from aggregator.export.disclosure import Disclosure
from aggregator.model.record.batch_record import RecordState
from aggregator.service import assemble_record
from aggregator.service.export_dossier import export_dossier
from protocols.wire.column import decode_column
from protocols.wire.dossier.file import Dossier, read_dossier
from protocols.wire.dossier.holding import Disclosed
from protocols.wire.reading import SECOND
from tests.recorded_plant import GTIN, QA
from tests.servers import Postgres, running_postgres
from tests.several_gateways import (
    CANARY,
    OTHER_SIGNALS,
    TwoGateways,
    begun_anew,
    press_bundles,
    room_bundles,
    two_gateways,
)
from verifier.report import Report, Verdict
from verifier.verify import verify


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[TwoGateways]:
    url = request.getfixturevalue("server").database() if request.param == "postgres" else ""
    async with two_gateways(tmp_path, url) as opened:
        yield opened


async def dossier_of(
    site: TwoGateways,
    disclosure: Disclosure = Disclosure.WHOLE,
    *,
    state: RecordState = RecordState.COMPLETE,
) -> bytes:
    context = site.plant.context
    stored = await assemble_record.assemble_record(context, QA, GTIN, "L-1")
    assert stored.summary.state is state, stored.document["unproved"]
    return await export_dossier(context, QA, GTIN, "L-1", disclosure)


def verified(site: TwoGateways, data: bytes) -> Report:
    report = verify(data, site.plant.policy())
    assert report.verdict is Verdict.VERIFIED, report.to_text("en")
    return report


def signals_shown(dossier: Dossier) -> set[str]:
    """Return the signals of the columns that are shown of bundles held in part."""
    found = set()
    for chain in dossier.chains:
        for held in chain:
            if isinstance(held.content, Disclosed):
                found |= {str(decode_column(each.data).signal) for each in held.content.columns}
    return found


async def test_several_gateways_prove_one_lot(site: TwoGateways) -> None:
    await site.take_from(site.plant.gateway, press_bundles(site))
    await site.take_from(site.room, room_bundles(site.room))
    data = await dossier_of(site)
    verified(site, data)
    statement = read_dossier(data).dossier.statement
    assert [chain.gateway for chain in statement.chains] == ["gw-01", "gw-02"]
    assert CANARY.encode() in bodies(read_dossier(data).dossier), "whole bundles show all they have"


@pytest.mark.parametrize("disclosure", Disclosure)
@pytest.mark.parametrize("hole", [0, 1], ids=["no time between", "a second between"])
async def test_a_lot_reaches_over_several_epochs(
    site: TwoGateways, disclosure: Disclosure, hole: int
) -> None:
    """A record with time between two epochs is not complete; its dossier holds what there is."""
    await site.take_from(site.plant.gateway, press_bundles(site))
    await site.take_from(site.room, room_bundles(site.room, 0, 40))
    fresh = begun_anew(site.room)
    fresh.time += hole * SECOND
    opening = fresh.seal(sealed_time=fresh.time)
    await site.take_from(fresh, [opening, *room_bundles(fresh, 40 + 5 * hole)])
    await site.approve("gw-02")
    state = RecordState.OPEN if hole else RecordState.COMPLETE
    data = await dossier_of(site, disclosure, state=state)
    verified(site, data)
    chains = read_dossier(data).dossier.statement.chains
    assert [(chain.gateway, chain.epoch) for chain in chains] == [
        ("gw-01", site.plant.gateway.epoch),
        ("gw-02", site.room.epoch),
        ("gw-02", fresh.epoch),
    ]
    humid = next(
        each
        for each in json.loads(read_dossier(data).dossier.record)["parameters"]
        if each["parameter"] == "humidity"
    )
    assert humid["figures"]["readings"] == 60 - 5 * hole


@pytest.mark.parametrize(("ended", "state"), [(65, RecordState.OPEN), (70, RecordState.COMPLETE)])
async def test_an_epoch_that_ended_is_closed_by_the_next_one_s_opening(
    site: TwoGateways, ended: int, state: RecordState
) -> None:
    """The next epoch opens after the lot: its opening alone shows that nothing was cut off."""
    await site.take_from(site.plant.gateway, press_bundles(site))
    await site.take_from(site.room, room_bundles(site.room, 0, ended))
    with pytest.raises(AssertionError, match="not_sealed_past_end"):
        await dossier_of(site)
    fresh = begun_anew(site.room)
    await site.take_from(fresh, room_bundles(fresh, 80))
    await site.approve("gw-02")
    verified(site, await dossier_of(site, state=state))


@pytest.mark.req(34)
async def test_a_dossier_of_its_own_signals_shows_no_value_of_another_lot_s(
    site: TwoGateways,
) -> None:
    """Requirement 34: the least that is necessary, all of it verified, and what it withholds."""
    await site.take_from(site.plant.gateway, press_bundles(site))
    await site.take_from(site.room, room_bundles(site.room))
    data = await dossier_of(site, Disclosure.OWN)
    report = verified(site, data)
    assert "withheld on the aggregator's word" in report.to_text("en")
    dossier = read_dossier(data).dossier
    own = {each["signal"] for each in json.loads(dossier.record)["signals"]}
    assert own.isdisjoint(OTHER_SIGNALS)
    assert signals_shown(dossier) == {"cleanroom-1/humidity"}
    assert all(isinstance(held.content, bytes) for held in dossier.chains[0]), "nothing to hide"
    paper = PdfReader(io.BytesIO(dossier.attachments["record.pdf"]))
    text = " ".join(page.extract_text() for page in paper.pages)
    kept = [data, bodies(dossier), text.encode(), *inflated(data)]
    for other in (CANARY, *OTHER_SIGNALS, "X-9"):
        assert all(other.encode() not in each for each in kept), other


async def test_a_withheld_column_cannot_be_put_in_the_place_of_an_own_one(
    site: TwoGateways,
) -> None:
    await site.take_from(site.plant.gateway, press_bundles(site))
    await site.take_from(site.room, room_bundles(site.room))
    data = await dossier_of(site, Disclosure.OWN)
    dossier = read_dossier(data).dossier
    held = next(each for each in dossier.chains[1] if isinstance(each.content, Disclosed))
    assert isinstance(held.content, Disclosed)
    (column,) = held.content.columns
    at = data.index(column.data)
    spoilt = bytearray(data)
    spoilt[at + len(column.data) - 1] ^= 1
    report = verify(bytes(spoilt), site.plant.policy())
    assert report.verdict is Verdict.NOT_VERIFIED
    assert 8 in {check.number for check in report.checks if check.findings}


def bodies(dossier: Dossier) -> bytes:
    """Return every body that is held whole, inflated."""
    return b"".join(
        zlib.decompress(held.content)
        for chain in dossier.chains
        for held in chain
        if isinstance(held.content, bytes)
    )


def inflated(data: bytes) -> Iterator[bytes]:
    """Yield whatever a look for compressed streams in the bytes themselves finds."""
    at = data.find(b"\x78")
    while at >= 0:
        with contextlib.suppress(zlib.error):
            yield zlib.decompressobj().decompress(data[at:])
        at = data.find(b"\x78", at + 1)
