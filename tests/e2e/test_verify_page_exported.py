"""The offline page finds of exported dossiers what the Python verifier finds."""

from __future__ import annotations

from pathlib import Path

from aggregator.export.disclosure import Disclosure
from aggregator.model.lab_result import LabResult, ResultVerdict
from aggregator.model.master.lot import check_lot_key
from aggregator.service import assemble_record
from aggregator.service.export_dossier import export_dossier
from aggregator.service.integration import results
from tests.recorded_plant import GTIN, QA, bundles_of, recorded_plant
from tests.sealed import START
from tests.several_gateways import begun_anew, press_bundles, room_bundles, two_gateways
from tests.verify_page_rig import policy_toml, said, verify_page
from verifier.verify import verify


async def test_both_verifiers_agree_on_several_gateways_epochs_and_disclosures(
    tmp_path: Path,
) -> None:
    async with two_gateways(tmp_path) as site:
        await site.take_from(site.plant.gateway, press_bundles(site))
        await site.take_from(site.room, room_bundles(site.room, 0, 40))
        fresh = begun_anew(site.room)
        opening = fresh.seal(sealed_time=fresh.time)
        await site.take_from(fresh, [opening, *room_bundles(fresh, 40)])
        await site.approve("gw-02")
        context, policy = site.plant.context, site.plant.policy()
        await assemble_record.assemble_record(context, QA, GTIN, "L-1")
        data = [await export_dossier(context, QA, GTIN, "L-1", each) for each in Disclosure]
    spoilt = bytearray(data[-1])
    spoilt[len(spoilt) // 2] ^= 1
    data.append(bytes(spoilt))
    async with verify_page() as page:
        found = await page.judge(data, policy_toml(policy))
    assert found == [said(verify(each, policy)) for each in data]
    assert [each["verdict"] for each in found] == ["VERIFIED", "VERIFIED", "NOT_VERIFIED"]


async def test_both_verify_a_record_that_has_test_results(tmp_path: Path) -> None:
    found = LabResult(
        lot=check_lot_key(GTIN, "L-1"),
        result="LIMS-77",
        test="peel strength",
        value="1.50",
        unit="N",
        verdict=ResultVerdict.FAIL,
        time=START,
    )
    async with recorded_plant(tmp_path) as plant:
        await plant.take(bundles_of(plant))
        context, policy = plant.context, plant.policy()
        async with context.store.write() as tx:
            await results.record(context, tx, QA, found, expected_version=None, why="measured")
        record = await assemble_record.assemble_record(context, QA, GTIN, "L-1")
        data = await export_dossier(context, QA, GTIN, "L-1")
    assert record.document["test_results"][0]["verdict"] == "fail"
    async with verify_page() as page:
        (judged,) = await page.judge([data], policy_toml(policy))
    assert judged == said(verify(data, policy))
    assert judged["verdict"] == "VERIFIED"
