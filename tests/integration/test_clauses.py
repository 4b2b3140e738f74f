"""Rows of the clause table that no other test shows: a clause of a regulation, and what we do."""

from __future__ import annotations

import io
import sqlite3
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

import pytest
from pypdf import PdfReader

from aggregator import audit
from aggregator.access.roles import Role
from aggregator.errors import AccessError, ConflictError, EvidenceError
from aggregator.export.languages import CATALOGUES, Language
from aggregator.export.words import say
from aggregator.metrics import LOCKED
from aggregator.model.signature import Meaning, check_signature
from aggregator.service import assemble_record, audit_trail, export_record, facts
from aggregator.service.access import accounts, people
from aggregator.service.export_dossier import export_dossier
from aggregator.service.master.documents import EntityKind
from aggregator.store.log import entry_at
from protocols.identifiers.gs1 import parse
from protocols.wire.bundle import Bundle, open_body, pack_body, peek_header
from protocols.wire.column import decode_column, encode_column
from protocols.wire.dossier.file import Dossier, read_dossier, write_dossier
from protocols.wire.dossier.holding import Held
from protocols.wire.reading import SECOND, Kind, Reading, SignalName, Status, Value
from tests.approving_plant import relaxed
from tests.personal import ADMIN, cheap_passwords, person
from tests.recorded_plant import GTIN, QA, RecordedPlant, recorded_plant
from tests.reviewed_plant import Floor, opened
from tests.rigs.master_documents import LOT, put
from tests.sealed import START
from verifier.report import Verdict
from verifier.verify import verify

pytestmark = pytest.mark.usefixtures("cheap_passwords")
__all__ = ["cheap_passwords"]

SIGNAL = "press-1/plate-temperature"


@pytest.fixture
async def floor(tmp_path: Path) -> AsyncIterator[Floor]:
    async with opened(tmp_path) as found:
        yield found


class Flip(Protocol):
    """Returns a reading with one bit of a field flipped; ``bit`` chooses which."""

    def __call__(self, each: Reading, bit: int) -> Reading: ...


FLIPS: dict[str, Flip] = {
    "value": lambda each, bit: each._replace(value=flipped(each.value, bit)),
    "status": lambda each, bit: each._replace(status=Status(each.status ^ (1 + bit % 2))),
    "code": lambda each, bit: each._replace(code=each.code ^ (1 << bit % 31)),
    "source time": lambda each, bit: each._replace(
        source_time=(each.source_time or 0) ^ (1 << bit % 24)
    ),
    "gateway time": lambda each, bit: each._replace(gateway_time=each.gateway_time ^ 1 << bit % 24),
}
BUNDLES, SECONDS_EACH, A_SECOND = 20, 5, 10


@pytest.mark.req(12)
@pytest.mark.req(21)
@pytest.mark.clause("21 CFR 11.10(a)")
@pytest.mark.parametrize("field", FLIPS)
async def test_one_flipped_bit_in_any_of_a_thousand_readings_is_found_and_located(
    tmp_path: Path, field: str
) -> None:
    """21 CFR 11.10(a): the ability to discern invalid or altered records.

    A round flips a bit of one reading in each of twenty bundles: what is found is these, and no
    other. Fifty rounds have been at each of the thousand readings.
    """
    async with recorded_plant(tmp_path) as plant:
        await plant.take(fast_bundles(plant))
        await assemble_record.assemble_record(plant.context, QA, GTIN, "L-1")
        data = await export_dossier(plant.context, QA, GTIN, "L-1")
        policy, key = plant.policy(), plant.context.keys.seal
    assert verify(data, policy).verdict is Verdict.VERIFIED
    dossier = read_dossier(data).dossier
    first = dossier.statement.chains[0].first + 1
    flip, met = FLIPS[field], 0
    for at in range(SECONDS_EACH * A_SECOND):
        spoilt, expected = dossier, set()
        for number in range(first, first + BUNDLES):
            spoilt = altered(spoilt, number, at, partial(flip, bit=at * BUNDLES + number))
            expected.add((number, at))
        report = verify(write_dossier(spoilt, key), policy)
        assert report.verdict is Verdict.NOT_VERIFIED
        assert {(each.bundle, each.index) for each in report.altered} == expected
        assert {(each.signal, each.culprit) for each in report.altered} == {(SIGNAL, "bundle")}
        met += len(report.altered)
    assert met == 1_000


def flipped(value: Value | None, bit: int) -> float:
    """Return a number with one bit of its IEEE 754 form flipped."""
    (bits,) = struct.unpack("<Q", struct.pack("<d", value))
    (other,) = struct.unpack("<d", struct.pack("<Q", bits ^ 1 << bit % 64))
    return float(other)


def fast_bundles(plant: RecordedPlant) -> list[bytes]:
    """Seal ten readings of the plate a second: a lot of a thousand, and the next one's begin."""
    sealed = []
    for number in range(BUNDLES + 2):
        lot = "L-1" if 0 < number <= BUNDLES else ""
        readings = []
        for second in range(number * SECONDS_EACH, (number + 1) * SECONDS_EACH):
            time = START + second * SECOND
            readings.append(_reading_at("press-1/lot-id", time, lot, Kind.TEXT))
            readings += [
                _reading_at(SIGNAL, time + tenth * SECOND // A_SECOND, 120 + tenth / 7)
                for tenth in range(A_SECOND)
            ]
        plant.gateway.time = START + (number + 1) * SECONDS_EACH * SECOND
        sealed.append(plant.gateway.seal(readings, sealed_time=plant.gateway.time))
    return sealed


def _reading_at(signal: str, time: int, value: Value, kind: Kind = Kind.FLOAT64) -> Reading:
    return Reading(
        signal=SignalName(signal),
        kind=kind,
        value=value,
        gateway_time=time + 1_500_000,
        source_time=time,
    )


def altered(
    dossier: Dossier, number: int, which: int, change: Callable[[Reading], Reading]
) -> Dossier:
    """Change one reading of a held bundle, as whoever writes the dossier could."""
    at = number - dossier.statement.chains[0].held_first
    held = dossier.chains[0][at]
    assert isinstance(held.content, bytes)
    body = open_body(peek_header(held.sealed_header)[1], held.content)
    place = next(at for at, each in enumerate(body.columns) if decode_column(each).signal == SIGNAL)
    readings = list(decode_column(body.columns[place]).readings())
    readings[which] = change(readings[which])
    columns = [*body.columns]
    columns[place] = encode_column(readings)
    packed = pack_body(body._replace(columns=columns))
    other = Held.whole(Bundle(held.sealed_header, packed).encode())
    chain = (*dossier.chains[0][:at], other, *dossier.chains[0][at + 1 :])
    return replace(dossier, chains=(chain, *dossier.chains[1:]))


@pytest.mark.req(21)
@pytest.mark.clause("21 CFR 11.10(e)")
@pytest.mark.clause("EU GMP Annex 11 section 9")
async def test_a_row_that_a_superuser_edits_is_named_and_its_old_value_is_still_there(
    floor: Floor, tmp_path: Path
) -> None:
    """21 CFR 11.10(e): record changes shall not obscure previously recorded information."""
    async with floor.context.store.read() as tx:
        row = (await tx.fetch("audit.after", sequence=4, count=1))[0]
        whole = await audit.check(tx)
    assert whole > row["sequence"]
    store = sqlite3.connect(tmp_path / "aggregator.db")
    try:
        store.execute("UPDATE audit SET why = 'nothing' WHERE sequence = ?", [row["sequence"]])
        store.commit()
    finally:
        store.close()
    async with floor.context.store.read() as tx:
        with pytest.raises(EvidenceError, match=f"entry {row['sequence']} of the audit trail"):
            await audit.check(tx)
        leaf = await entry_at(tx, row["position"])
    assert leaf is not None
    assert row["why"] in leaf[1].decode(), "the log has what was written first"


@pytest.mark.req(21)
@pytest.mark.req(27)
@pytest.mark.clause("EU GMP Annex 11 section 8.2")
@pytest.mark.clause("NMPA device GMP 2025 No. 107 article 45")
@pytest.mark.parametrize("language", Language)
async def test_a_changed_value_is_marked_on_print_with_reason_person_and_time(
    floor: Floor, language: Language
) -> None:
    """Annex 11 section 8.2: printouts indicate if any data has been changed since the entry."""
    words = CATALOGUES[language]
    mark = say(words, "fact.corrected", when="#", reason="misread the clock").partition("#")
    said = await floor.say("li.wei")
    before = await text_of(floor, language)
    assert "misreadtheclock" not in before
    assert said.end is not None
    right = replace(said, source="wang.fang", end=said.end - 1_000_000_000)
    operator = replace(QA, name="wang.fang")
    await facts.supersede(floor.context, operator, said.id, right, reason="misread the clock")
    await assemble_record.assemble_record(floor.context, QA, GTIN, "L-1")
    after = await text_of(floor, language)
    assert squeezed(mark[2]) in after
    assert squeezed(mark[0]) in after
    assert "wang.fang" in after
    trail = await audit_trail.page(floor.context, QA, after=-1, count=1000)
    (change,) = [each for each in trail if each["why"] == "misread the clock"]
    assert change["who"] == "wang.fang"
    assert change["before"] != change["after"]


@pytest.mark.req(29)
@pytest.mark.clause("21 CFR 11.50")
async def test_paper_in_chinese_shows_name_time_and_meaning_of_each_signature(
    floor: Floor,
) -> None:
    """21 CFR 11.50(a), (b): printed name, date and time, and meaning, in any readable form."""
    await floor.release()
    words = CATALOGUES[Language.CHINESE]
    papers = {
        await export_record.export_pdf(floor.context, QA, GTIN, "L-1", words) for _ in range(2)
    }
    assert len(papers) == 1, "the same version with the same signatures is the same bytes"
    text = await text_of(floor, Language.CHINESE)
    for each in (await floor.standing()).signatures:
        signature = each.signature
        assert squeezed(signature.printed_name) in text
        assert f"({signature.signer})" in text
        assert squeezed(say(words, f"meaning.{signature.meaning.value}")) in text
    assert text.count("UTC+00:00") == len((await floor.standing()).signatures)


@pytest.mark.req(29)
@pytest.mark.clause("21 CFR 11.70")
async def test_a_signature_pasted_to_another_record_fails(floor: Floor) -> None:
    """21 CFR 11.70: signatures cannot be excised, copied, or otherwise transferred."""
    await floor.release()
    signature = (await floor.standing()).signatures[-1].signature
    assert signature.meaning is Meaning.RELEASED
    other = await assemble_record.assemble_record(floor.context, QA, GTIN, "L-2")
    with pytest.raises(EvidenceError, match="is about another record"):
        check_signature(signature, other.data)


@pytest.mark.clause("21 CFR 11.300")
async def test_a_lost_device_is_revoked_at_once_and_raised(floor: Floor) -> None:
    """21 CFR 11.300(c), (d): deauthorize lost devices; report attempts at unauthorized use."""
    text, raised = await floor.li.token(), LOCKED._value.get()
    await people.lock(floor.context, ADMIN, "li.wei", why="the phone was stolen")
    assert LOCKED._value.get() == raised + 1
    with pytest.raises(AccessError, match="has ended"):
        await accounts.session_of(floor.context, text)
    with pytest.raises(AccessError):
        await floor.li.log_in()
    issued = await accounts.reset(relaxed(floor.context), ADMIN, "li.wei", why="a new phone")
    assert issued.account.locked_until == 0
    with pytest.raises(AccessError):  # by the old authenticator, it opens no more
        await floor.li.log_in()


@pytest.mark.clause("21 CFR 11.100")
async def test_no_identity_is_shared_or_given_again(floor: Floor) -> None:
    """21 CFR 11.100(a): unique to one individual, not reused by, or reassigned to, anyone else."""
    context = relaxed(floor.context)
    await accounts.disable(context, ADMIN, "li.wei", why="left the plant")
    with pytest.raises(ConflictError, match="never given again"):
        await person(context, floor.clock, "li.wei", "Li Weiwei", Role.QA)
    everybody = [each.user for each in await accounts.every(context, ADMIN)]
    assert len(everybody) == len(set(everybody))


@pytest.mark.req(2)
@pytest.mark.req(5)
@pytest.mark.clause("QMSR 820.35(c)")
async def test_the_udi_of_the_batch_and_of_each_device_stands_in_the_record(floor: Floor) -> None:
    """21 CFR 820.35(c): the UDI is recorded for each medical device or batch of medical devices.

    With it all that a device history record had to hold: dates and quantity of manufacture, the
    acceptance records, and the identification of the device.
    """
    context, lot = floor.context, {"gtin": GTIN, "lot": "L-1"}
    made = {"manufactured": "2026-09-21T22:13:30+08:00", "expires": "2031-09-21T00:00:00+08:00"}
    known = LOT | {"material": "Sterile barrier pouch"}
    await put(context, EntityKind.LOT, known | made | {"quantity": "60 pc"}, expected=1)
    units = [f"(01){GTIN}(21)S-{number}" for number in (1, 2, 3)]
    for unit in units:
        await put(context, EntityKind.UNIT, {"unit_id": unit, **lot})
    moved = {"unit_id": units[2], "gtin": GTIN, "lot": "L-2"}
    await put(context, EntityKind.UNIT, moved, expected=1)
    record = (await assemble_record.assemble_record(context, QA, GTIN, "L-1")).document
    assert record["lot"] == {
        **lot,
        "udi": f"(01){GTIN}(10)L-1",
        "units": units[:2],
        "material": "Sterile barrier pouch",
        "quantity": "60 pc",
        "manufactured": "2026-09-21T14:13:30.000000000Z",
        "expires": "2031-09-20T16:00:00.000000000Z",
    }
    assert str(parse(record["lot"]["udi"])) == str(parse(f"01{GTIN}10L-1"))
    assert record["windows"], "when it was made"
    assert {"test_results", "entries", "exceptions", "parameters"} <= record.keys(), "acceptance"
    assert squeezed(f"(01){GTIN} (10)L-1") in await text_of(floor, Language.ENGLISH)


async def text_of(floor: Floor, language: Language) -> str:
    """Return what is printed of L-1, without white space."""
    words = CATALOGUES[language]
    paper = await export_record.export_pdf(floor.context, QA, GTIN, "L-1", words)
    pages = PdfReader(io.BytesIO(paper)).pages
    return squeezed("".join(page.extract_text() for page in pages))


def squeezed(text: str) -> str:
    return "".join(text.split())
