"""What was signed leaves with the record: on paper, and as bytes that the log proves."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pypdf import PdfReader

from aggregator.model.signature import Meaning, check_signature, decode_signature
from aggregator.service import export_record
from aggregator.service.export_dossier import export_dossier
from protocols.wire.checkpoint import Checkpoint
from protocols.wire.dossier.file import read_dossier
from protocols.wire.tlog import leaf_hash, verify_inclusion
from tests.personal import cheap_passwords
from tests.recorded_plant import GTIN, QA
from tests.reviewed_plant import Floor, opened
from verifier.report import Verdict
from verifier.verify import verify

pytestmark = pytest.mark.usefixtures("cheap_passwords")
__all__ = ["cheap_passwords"]


@pytest.fixture
async def floor(tmp_path: Path) -> AsyncIterator[Floor]:
    async with opened(tmp_path) as found:
        yield found


@pytest.mark.clause("21 CFR 11.50")
async def test_paper_shows_name_time_and_meaning_of_each_signature(floor: Floor) -> None:
    before = await export_record.export_json(floor.context, QA, GTIN, "L-1")
    await floor.release()
    signatures = (await floor.standing()).signatures
    papers = {await export_record.export_pdf(floor.context, QA, GTIN, "L-1") for _ in range(2)}
    (paper,) = papers
    pages = PdfReader(io.BytesIO(paper)).pages
    text = " ".join(" ".join(page.extract_text() for page in pages).split())
    for each in signatures:
        assert f"({each.signature.signer})" in text
    assert "Li Wei" in text
    assert "Chen Jie (chen.jie)" in text
    for meaning in ("Exception accepted", "Reviewed", "Released"):
        assert meaning in text
    assert text.count("UTC+00:00") == len(signatures)
    assert await export_record.export_json(floor.context, QA, GTIN, "L-1") == before


@pytest.mark.clause("21 CFR 11.70")
async def test_the_dossier_carries_signatures_that_the_log_proves(floor: Floor) -> None:
    await floor.release()
    data = await export_dossier(floor.context, QA, GTIN, "L-1")
    report = verify(data, floor.plant.policy())
    assert report.verdict is Verdict.VERIFIED, report.to_text("en")
    dossier = read_dossier(data).dossier
    said = json.loads(dossier.attachments["signatures.json"])
    note = dossier.checkpoint.decode()
    checkpoint = Checkpoint.from_text(note.partition("\n\n")[0] + "\n")
    assert (said["format"], said["log_size"]) == ("lotproof-signatures-v1", checkpoint.size)
    meanings = []
    for each in said["signatures"]:
        signed = each["signed"].encode()
        signature = decode_signature(signed)
        check_signature(signature, dossier.record)
        path = tuple(bytes.fromhex(step) for step in each["path"])
        verify_inclusion(leaf_hash(signed), each["leaf"], checkpoint.size, path, checkpoint.root)
        meanings.append(signature.meaning)
    assert meanings == [Meaning.EXCEPTION_ACCEPTED, Meaning.REVIEWED, Meaning.RELEASED]
    trail = [each["act"] for each in json.loads(dossier.audit)]
    assert trail[-3:] == ["sign_review", "release", "export_record"]
    assert hashlib.sha256(dossier.record).hexdigest() == signature.record.hash


@pytest.mark.clause("21 CFR 11.70")
async def test_what_was_signed_of_an_earlier_version_stands_apart(floor: Floor) -> None:
    _, chen = await floor.release()
    before = read_dossier(await export_dossier(floor.context, QA, GTIN, "L-1")).dossier
    await floor.say("mes")
    await floor.accept_all(floor.li, await floor.li.log_in())
    await floor.sign(floor.chen, chen, Meaning.ADDENDUM)
    data = await export_dossier(floor.context, QA, GTIN, "L-1")
    report = verify(data, floor.plant.policy())
    assert report.verdict is Verdict.VERIFIED, report.to_text("en")
    assert report.checks[-1].evidence == "2 signatures, 3 of earlier versions"
    said = json.loads(read_dossier(data).dossier.attachments["signatures.json"])
    of_before = json.loads(before.attachments["signatures.json"])["signatures"]
    assert [each["signed"] for each in said["earlier"]] == [each["signed"] for each in of_before]
