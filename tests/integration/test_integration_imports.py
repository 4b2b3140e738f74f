"""Imports over the API: each item by itself, foreign documents by mapping, misfits by a person."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from aggregator.access.roles import Role
from aggregator.errors import InvalidError, NotFoundError, SettingsError
from aggregator.model.integration.mapping import mapped
from aggregator.service.integration import imports
from aggregator.service.integration.adapters import adapter_names, load_adapter
from aggregator.service.integration.items import Interface
from aggregator.service.master.dictionary import load_dictionary
from tests.arch.sources import ROOT
from tests.integration.api_rig import Api, running_api

GTIN = "09506000134352"
ADAPTERS = ROOT / "config" / "adapters"
FOREIGN = Path(__file__).parent / "foreign"
MATERIAL = (f"/materials/{GTIN}", {"gtin": GTIN, "name": "Tray"})


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path) as api:
        await api.put_all([MATERIAL])
        yield api


async def sent(
    api: Api, interface: str, document: object, role: Role = Role.INTEGRATION, **query: str
) -> dict[str, Any]:
    answer = await api.http.post(
        f"/api/v1/import/{interface}",
        content=document if isinstance(document, str) else json.dumps(document),
        params=query,
        headers=await api.as_role(role),
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def read(api: Api, path: str, role: Role = Role.QA) -> Any:
    answer = await api.http.get(f"/api/v1{path}", headers=await api.as_role(role))
    assert answer.status_code == 200, answer.text
    return answer.json()


def outcomes(answer: Mapping[str, Any]) -> list[str]:
    return [each["outcome"] for each in answer["items"]]


def order(number: int, lot: str = "L-1", **more: str) -> dict[str, Any]:
    return {"order": f"WO-{number}", "lots": [{"gtin": GTIN, "lot": lot, **more}]}


@pytest.mark.req(49)
async def test_orders_come_with_their_lots_and_one_that_does_not_fit_holds_up_none(
    api: Api,
) -> None:
    lines = [
        json.dumps(order(1)),
        "{",
        json.dumps(order(2, "L 2")),
        json.dumps(order(3, "L-3", colour="red")),
        json.dumps(order(4, "L-4")),
    ]
    answer = await sent(api, "orders", "\n".join(lines))
    assert outcomes(answer) == ["created", "misfit", "misfit", "misfit", "created"]
    assert answer["counts"]["misfit"] == 3
    assert "no JSON" in answer["items"][1]["error"]
    assert "lot id" in answer["items"][2]["error"]
    assert "colour" in answer["items"][3]["error"]
    lot = await read(api, f"/lots/{GTIN}/L-4")
    assert lot["recorded_by"] == "integration"
    again = await sent(api, "orders", "\n".join(lines))
    assert outcomes(again) == ["same", "misfit", "misfit", "misfit", "same"]
    waiting = (await read(api, "/import/misfits"))["items"]
    assert {(each["document"], each["seen"]) for each in waiting} == {
        (line, 2) for line in lines[1:4]
    }


async def test_nothing_of_an_order_is_kept_that_does_not_fit(api: Api) -> None:
    torn = {"order": "WO-1", "lots": [{"gtin": GTIN, "lot": "L-1"}, {"gtin": GTIN, "lot": "#"}]}
    unknown = {
        "order": "WO-1",
        "lots": [order(1)["lots"][0], {"gtin": "4012345678901", "lot": "X"}],
    }
    answer = await sent(api, "orders", [torn, unknown])
    assert outcomes(answer) == ["misfit", "misfit"]
    assert answer["items"][1]["hint"] == "put the material first"
    assert (await read(api, "/lots"))["items"] == []


async def test_a_change_is_taken_only_where_it_was_asked_for(api: Api) -> None:
    await sent(api, "lots", [{"gtin": GTIN, "lot": "L-1", "quantity": "500 {piece}"}])
    changed = [{"gtin": GTIN, "lot": "L-1", "quantity": "450 {piece}"}]
    assert outcomes(await sent(api, "lots", changed)) == ["misfit"]
    assert outcomes(await sent(api, "lots", changed, changes="take")) == ["changed"]
    assert (await read(api, f"/lots/{GTIN}/L-1"))["version"] == 2
    assert (await read(api, "/import/misfits"))["items"] == [], "it came again, and fitted"


async def test_genealogy_comes_in_any_number_and_says_when(api: Api) -> None:
    edge = {
        "kind": "transformation",
        "start": 1_000,
        "inputs": [{"item": f"lot:(01){GTIN}(10)R-1", "quantity": "5", "unit": "kg"}],
        "outputs": [{"item": f"lot:(01){GTIN}(10)L-1", "quantity": "5", "unit": "kg"}],
    }
    timeless = {name: value for name, value in edge.items() if name != "start"}
    back = edge | {"inputs": edge["outputs"], "outputs": edge["inputs"]}
    answer = await sent(api, "genealogy", [edge, edge, timeless, back])
    assert outcomes(answer) == ["created", "same", "misfit", "misfit"]
    assert "has no start" in answer["items"][2]["error"]
    assert "back to itself" in answer["items"][3]["error"]


@pytest.mark.req(5)
async def test_results_of_a_laboratory_are_read_with_the_lot(api: Api) -> None:
    await sent(api, "lots", [{"gtin": GTIN, "lot": "L-1"}])
    result = {
        "gtin": GTIN,
        "lot": "L-1",
        "result": "LIMS-77",
        "test": "peel strength",
        "value": "1.50",
        "unit": "N",
        "verdict": "fail",
        "specification": "at least 2.0 N",
        "instrument": "tester 3",
        "analyst": "wang",
        "time": "2026-11-22T16:00:00+08:00",
    }
    wrong = result | {"result": "LIMS-78", "verdict": "good"}
    assert outcomes(await sent(api, "test-results", [result, wrong])) == ["created", "misfit"]
    (found,) = (await read(api, f"/test-results/{GTIN}/L-1"))["items"]
    assert found | result == found | {"time": result["time"]}
    assert found["time"] == "2026-11-22T08:00:00.000000000Z"


@pytest.mark.parametrize(
    "text", ["[1", "[1,]", "[1] 2", "[1 2]", '["' + "x" * 10], ids=lambda text: text[:8]
)
async def test_an_array_that_is_none_is_refused_as_a_whole(api: Api, text: str) -> None:
    answer = await api.http.post(
        "/api/v1/import/lots", content=text, headers=await api.as_role(Role.INTEGRATION)
    )
    assert answer.status_code == 422, answer.text
    assert (await read(api, "/import/misfits"))["items"] == []


def test_each_item_of_an_array_is_kept_byte_for_byte() -> None:
    assert list(imports.split(' [ {"a": 1.50} ,\n[2],"]" ] ')) == ['{"a": 1.50}', "[2]", '"]"']
    assert list(imports.split("[]")) == []
    assert list(imports.split('{"a": 1}\r\n\n{"a": 2}\n')) == ['{"a": 1}', '{"a": 2}']


@pytest.mark.req(26)
async def test_a_person_corrects_or_dismisses_what_does_not_fit(api: Api) -> None:
    answer = await sent(api, "orders", [order(1, "L 1"), order(2, "L 2"), order(3, "L 3")])
    first, second, third = (each["misfit"] for each in answer["items"])
    qa = await api.as_role(Role.QA)

    async def seen_to(misfit: str, what: str, **body: str) -> Any:
        path = f"/api/v1/import/misfits/{misfit}/{what}"
        return await api.http.post(path, json=body, headers=qa)

    still = await seen_to(first, "submission", reason="typed", document=json.dumps(order(1, "#")))
    assert still.status_code == 422
    good = json.dumps(order(1))
    taken = await seen_to(first, "submission", reason="a space slipped in", document=good)
    assert (taken.json()["outcome"], taken.json()["state"]) == ("created", "taken")
    assert taken.json()["document"] == json.dumps(order(1, "L 1")), "what came stays as it came"
    assert taken.json()["corrected"] == good
    gone = await seen_to(second, "dismissal", reason="a test of the ERP")
    assert gone.json()["state"] == "dismissed"
    assert (await seen_to(second, "submission", reason="after all")).status_code == 409
    assert (await seen_to(third, "dismissal", reason="")).status_code == 422
    assert [each["id"] for each in (await read(api, "/import/misfits"))["items"]] == [third]
    acts = [each["act"] for each in (await read(api, "/audit?count=1000"))["items"]]
    assert acts.count("take a misfit") == acts.count("dismiss a misfit") == 1


async def test_a_role_that_may_not_change_it_may_not_submit_it(api: Api) -> None:
    answer = await sent(api, "test-results", [{"gtin": GTIN}])
    (item,) = answer["items"]
    denied = await api.http.post(
        f"/api/v1/import/misfits/{item['misfit']}/submission",
        json={"reason": "x", "document": "{}"},
        headers=await api.as_role(Role.ENGINEER),
    )
    assert denied.status_code in {403, 422}
    refused = await api.http.post(
        "/api/v1/import/test-results", content="[]", headers=await api.as_role(Role.ENGINEER)
    )
    assert refused.status_code == 403


@pytest.mark.req(49)
@pytest.mark.parametrize(
    ("name", "file"), [("erpnext", "erpnext_work_orders.json"), ("odoo", "odoo_productions.json")]
)
async def test_orders_of_another_system_are_taken_by_its_mapping(
    api: Api, name: str, file: str
) -> None:
    document = (FOREIGN / file).read_text(encoding="utf-8")
    answer = await sent(api, name, document)
    assert outcomes(answer) == ["created", "passed_over", "misfit"]
    lot = await read(api, f"/lots/{GTIN}/B-2611-01")
    assert lot["document"]["quantity"] == "500 {piece}"
    assert lot["document"]["expires"].startswith("2029-11-2")
    (waiting,) = (await read(api, "/import/misfits"))["items"]
    assert waiting["interface"] == name
    assert "lot.gtin" in waiting["error"]
    changed = document.replace("500.0", "480.0")
    assert outcomes(await sent(api, name, changed))[0] == "changed", "the adapter takes changes"


@pytest.mark.req(4)
@pytest.mark.parametrize("name", adapter_names(ADAPTERS))
def test_every_target_of_a_mapping_is_in_the_dictionary(name: str) -> None:
    dictionary = load_dictionary(ROOT / "config" / "dictionary")
    for rule in load_adapter(ADAPTERS, name).fields:
        kind, _, field = rule.to.partition(".")
        assert kind in dictionary.fields[field].documents, rule.to


def test_an_unknown_or_broken_adapter_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no interface"):
        load_adapter(ADAPTERS, "../erpnext")
    (tmp_path / "sap.toml").write_text('title = "SAP"\nbecomes = "invoices"\n', encoding="utf-8")
    with pytest.raises(SettingsError, match="becomes"):
        load_adapter(tmp_path, "sap")


def test_what_is_missing_or_not_known_is_named_field_by_field() -> None:
    adapter = load_adapter(ADAPTERS, "erpnext")
    assert adapter.becomes == Interface.ORDERS
    with pytest.raises(InvalidError) as caught:
        mapped(adapter, {"production_item": "CUP", "qty": True, "custom_expiry_date": "22.11.2029"})
    for name in ("work_order.order", "lot.gtin", "lot.lot", "lot.quantity", "lot.expires"):
        assert name in str(caught.value)
