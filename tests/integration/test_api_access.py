"""Role by endpoint: what no token opens, and which role each operation wants (21 CFR 11.10(d))."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import httpx
import pytest

from aggregator.access.roles import POLICY, Act, Role
from aggregator.access.tokens import TokenKind
from aggregator.api.master.entities import PATHS
from tests.integration.api_rig import Api, running_api
from tests.personal import PERSONAL
from tests.rigs.master_documents import DOCUMENTS_OF

GTIN: Final = "09506000134352"
LOT: Final = {"gtin": GTIN, "lot": "L-1"}
FACT: Final = {"kind": "occupancy", "equipment": "demo/press-1", "lot": LOT, "reason": "seen"}
WINDOW: Final = {"gateway": "gw-1", "signal": "a", "start": 1, "end": 2}


def address(name: str, key: str) -> str:
    """Return the address of an entity; a key may have signs that an address has not."""
    return f"/api/v1/{name}/{quote(key)}"


class Call(NamedTuple):
    """A well-formed call of one operation, and the act that it is."""

    method: str
    path: str
    act: Act
    operation: str  # as the API's description names the path
    body: Mapping[str, object] | tuple[()] | None = None
    query: Mapping[str, Any] | None = None


MASTER: Final = {PATHS[kind]: put for kind, put in DOCUMENTS_OF.items()}
"""Path of each kind of master data -> key and document."""

RAW: Final = f"lot:(01){GTIN}(10)R-1"
MADE: Final = f"lot:(01){GTIN}(10)L-1"
ITEM: Final = {"item": MADE}
EDGES: Final = {
    "reason": "weighed in",
    "edges": [{"kind": "transformation", "inputs": [{"item": RAW}], "outputs": [ITEM]}],
}
RECEIVER: Final = {"name": "QMS", "url": "https://qms.example/hook", "reason": "wants to know"}
RECORD: Final = f"/api/v1/records/{GTIN}/L-1"
RECORD_PATH: Final = "/api/v1/records/{gtin}/{lot}"
REVIEW: Final = f"/api/v1/reviews/{GTIN}/L-1"
REVIEW_PATH: Final = "/api/v1/reviews/{gtin}/{lot}"
CALLS: Final = (
    *(
        call
        for name, (key, document) in MASTER.items()
        for call in (
            Call("PUT", address(name, key), Act.MANAGE_MASTER, f"/{name}/{{key}}", document),
            Call("GET", address(name, key), Act.READ_MASTER, f"/{name}/{{key}}"),
            Call("GET", f"/api/v1/{name}", Act.READ_MASTER, f"/{name}"),
        )
    ),
    Call("GET", "/api/v1/master/proposals", Act.READ_MASTER, "/master/proposals"),
    Call(
        "GET",
        "/api/v1/master/lot/none/versions",
        Act.READ_MASTER,
        "/master/{kind}/{key}/versions",
    ),
    Call("GET", "/api/v1/master/lot.csv", Act.READ_MASTER, "/master/{kind}.csv"),
    Call(
        "POST",
        "/api/v1/master/lot.csv",
        Act.MANAGE_MASTER,
        "/master/{kind}.csv",
        query={"dry_run": True},
    ),
    Call("GET", "/api/v1/gateways/settings", Act.READ_GATEWAYS, "/gateways/settings"),
    Call("GET", "/api/v1/gateways/settings/x", Act.READ_GATEWAYS, "/gateways/settings/{rollout}"),
    Call(
        "GET", "/api/v1/gateways/gw-1/settings", Act.READ_GATEWAYS, "/gateways/{gateway}/settings"
    ),
    Call("GET", "/api/v1/gateways/enrolments", Act.MANAGE_GATEWAYS, "/gateways/enrolments"),
    Call("GET", "/api/v1/dictionary", Act.READ_MASTER, "/dictionary"),
    Call("POST", "/api/v1/facts", Act.WRITE_FACTS, "/facts", FACT),
    Call(
        "POST",
        f"/api/v1/facts/f-{'0' * 32}/corrections",
        Act.WRITE_FACTS,
        "/facts/{fact_id}/corrections",
        {"reason": "wrong"},
    ),
    Call("GET", "/api/v1/facts", Act.READ_RECORDS, "/facts", query=LOT),
    Call("GET", "/api/v1/records", Act.READ_RECORDS, "/records"),
    Call("POST", RECORD, Act.ASSEMBLE_RECORD, RECORD_PATH),
    Call("GET", RECORD, Act.READ_RECORDS, RECORD_PATH),
    Call("GET", f"{RECORD}/entries", Act.WRITE_FACTS, f"{RECORD_PATH}/entries"),
    Call("GET", "/api/v1/doubts/C-1", Act.READ_RECORDS, "/doubts/{certificate}"),
    Call("POST", "/api/v1/doubts/C-1", Act.ASSEMBLE_RECORD, "/doubts/{certificate}"),
    Call("GET", f"{RECORD}/preview", Act.READ_RECORDS, f"{RECORD_PATH}/preview"),
    *(
        Call("GET", f"{RECORD}.{form}", Act.EXPORT_RECORD, f"{RECORD_PATH}.{form}")
        for form in (
            *("json", "pdf", "dossier", "csv", "exceptions.csv", "values.csv", "parquet"),
            *("epcis.json", "batchml.xml"),
        )
    ),
    Call(
        "GET",
        f"/api/v1/lots/{GTIN}/L-1/bindings",
        Act.READ_RECORDS,
        "/lots/{gtin}/{lot}/bindings",
    ),
    Call("GET", "/api/v1/coverage", Act.READ_READINGS, "/coverage", query={"start": 1, "end": 2}),
    Call("GET", "/api/v1/overtaken", Act.READ_RECORDS, "/overtaken"),
    Call("GET", "/api/v1/unended", Act.READ_MASTER, "/unended"),
    Call("GET", "/api/v1/readings", Act.READ_READINGS, "/readings", query=WINDOW),
    Call("GET", "/api/v1/readings/latest", Act.READ_READINGS, "/readings/latest"),
    Call("GET", "/api/v1/gateways", Act.READ_GATEWAYS, "/gateways"),
    Call("GET", "/api/v1/audit", Act.READ_AUDIT, "/audit"),
    Call("GET", "/api/v1/tokens", Act.MANAGE_ACCESS, "/tokens"),
    Call(
        "POST",
        "/api/v1/tokens",
        Act.MANAGE_ACCESS,
        "/tokens",
        {"name": "mes", "roles": ["integration"], "reason": "orders"},
    ),
    Call(
        "DELETE",
        "/api/v1/tokens/none",
        Act.MANAGE_ACCESS,
        "/tokens/{token_id}",
        query={"reason": "old"},
    ),
    Call("GET", "/api/v1/accounts", Act.MANAGE_ACCESS, "/accounts"),
    Call(
        "POST",
        "/api/v1/accounts",
        Act.MANAGE_ACCESS,
        "/accounts",
        {"user": "li.wei", "printed_name": "Li Wei", "roles": ["qa"], "reason": "joined"},
    ),
    Call(
        "POST",
        "/api/v1/accounts/none/reset",
        Act.MANAGE_ACCESS,
        "/accounts/{user}/reset",
        {"reason": "lost"},
    ),
    Call(
        "DELETE",
        "/api/v1/accounts/none",
        Act.MANAGE_ACCESS,
        "/accounts/{user}",
        query={"reason": "left"},
    ),
    *(
        Call(
            "POST",
            f"/api/v1/accounts/none/{what}",
            Act.MANAGE_ACCESS,
            f"/accounts/{{user}}/{what}",
            {"reason": "doubt"},
        )
        for what in ("lock", "unlock")
    ),
    Call(
        "PUT",
        "/api/v1/accounts/none/roles",
        Act.MANAGE_ACCESS,
        "/accounts/{user}/roles",
        {"roles": ["qa"], "reason": "moved"},
    ),
    Call("GET", "/api/v1/delegations", Act.READ_AUDIT, "/delegations"),
    Call("GET", "/api/v1/reviews", Act.READ_RECORDS, "/reviews"),
    Call("GET", REVIEW, Act.READ_RECORDS, REVIEW_PATH),
    Call("GET", f"{REVIEW}/if-released", Act.READ_RECORDS, f"{REVIEW_PATH}/if-released"),
    Call("POST", "/api/v1/genealogy/edges", Act.WRITE_GENEALOGY, "/genealogy/edges", EDGES),
    Call(
        "POST",
        "/api/v1/genealogy/edges/e-0/corrections",
        Act.WRITE_GENEALOGY,
        "/genealogy/edges/{edge_id}/corrections",
        {"reason": "wrong"},
    ),
    Call("GET", "/api/v1/genealogy/edges", Act.READ_RECORDS, "/genealogy/edges", query=ITEM),
    Call("GET", "/api/v1/trace", Act.READ_RECORDS, "/trace", query=ITEM),
    Call("GET", "/api/v1/trace/way", Act.READ_RECORDS, "/trace/way", query={**ITEM, "to": RAW}),
    Call("GET", "/api/v1/recalls", Act.READ_RECORDS, "/recalls"),
    Call("POST", "/api/v1/recalls", Act.MANAGE_RECALL, "/recalls", {**ITEM, "reason": "doubt"}),
    Call("POST", "/api/v1/recalls/drills", Act.MANAGE_RECALL, "/recalls/drills", {}),
    Call("GET", "/api/v1/recalls/r-0", Act.READ_RECORDS, "/recalls/{case_id}"),
    Call("GET", "/api/v1/recalls/r-0/items", Act.READ_RECORDS, "/recalls/{case_id}/items"),
    *(
        Call(
            "POST",
            f"/api/v1/recalls/r-0/{what}",
            Act.MANAGE_RECALL,
            f"/recalls/{{case_id}}/{what}",
            {"reason": "doubt", **more},
        )
        for what, more in (
            ("locate", {}),
            ("acts", {"act": "close"}),
            ("fates", {"items": [MADE], "fate": "lost"}),
        )
    ),
    Call("GET", "/api/v1/events", Act.READ_EVENTS, "/events"),
    Call("GET", "/api/v1/receivers", Act.MANAGE_RECEIVERS, "/receivers"),
    Call("POST", "/api/v1/receivers", Act.MANAGE_RECEIVERS, "/receivers", RECEIVER),
    Call(
        "DELETE",
        "/api/v1/receivers/none",
        Act.MANAGE_RECEIVERS,
        "/receivers/{receiver_id}",
        query={"reason": "old"},
    ),
    Call(
        "GET",
        "/api/v1/receivers/none/dead-letters",
        Act.MANAGE_RECEIVERS,
        "/receivers/{receiver_id}/dead-letters",
    ),
    *(
        Call(
            "POST",
            f"/api/v1/receivers/none/{what}",
            Act.MANAGE_RECEIVERS,
            f"/receivers/{{receiver_id}}/{what}",
            {"reason": "being moved"},
        )
        for what in ("pause", "resume")
    ),
    Call(
        "POST",
        "/api/v1/receivers/none/dead-letters/send-again",
        Act.MANAGE_RECEIVERS,
        "/receivers/{receiver_id}/dead-letters/send-again",
        {"reason": "repaired"},
    ),
    *(
        Call("POST", f"/api/v1/import/{name}", act, "/import/{interface}", body)
        for name, act, body in (
            ("orders", Act.MANAGE_MASTER, ()),
            ("lots", Act.MANAGE_MASTER, ()),
            ("genealogy", Act.WRITE_GENEALOGY, ()),
            ("test-results", Act.WRITE_RESULTS, ()),
            ("erpnext", Act.MANAGE_MASTER, {"data": []}),
        )
    ),
    Call("GET", "/api/v1/import/misfits", Act.CORRECT_IMPORTS, "/import/misfits"),
    Call("GET", "/api/v1/import/misfits/m-0", Act.CORRECT_IMPORTS, "/import/misfits/{misfit_id}"),
    *(
        Call(
            "POST",
            f"/api/v1/import/misfits/m-0/{what}",
            Act.CORRECT_IMPORTS,
            f"/import/misfits/{{misfit_id}}/{what}",
            {"reason": "typed wrongly"},
        )
        for what in ("submission", "dismissal")
    ),
    Call(
        "GET",
        f"/api/v1/test-results/{GTIN}/L-1",
        Act.READ_RECORDS,
        "/test-results/{gtin}/{lot}",
    ),
    Call("GET", "/metrics", Act.READ_GATEWAYS, ""),
)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path) as api:
        yield api


async def made(api: Api, call: Call, headers: dict[str, str]) -> httpx.Response:
    return await api.http.request(
        call.method, call.path, json=call.body, params=call.query, headers=headers
    )


def test_every_operation_is_in_the_matrix(api: Api) -> None:
    described = {
        (method.upper(), path)
        for path, methods in api.app.openapi()["paths"].items()
        for method in methods
    }
    listed = {
        (call.method, f"/api/v1{call.operation.removeprefix('/api/v1')}")
        for call in CALLS
        if call.operation
    }
    # What a person alone does, and how one logs in, is held in test_api_review.py.
    assert described == listed | {(method, f"/api/v1{path}") for method, path in PERSONAL}


@pytest.mark.req(31)
@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.method} {call.path}")
async def test_nothing_opens_without_a_token_that_serves(api: Api, call: Call) -> None:
    login = await api.token(Role.ADMIN, Role.QA, kind=TokenKind.LOGIN)
    strangers = ("", "Bearer lp_0_0", "Basic YTpi", f"Bearer {login}", "Bearer ")
    for given in strangers:
        answer = await made(api, call, {"Authorization": given} if given else {})
        assert answer.status_code == 401, (given, answer.text)


@pytest.mark.clause("21 CFR 11.10(d)")
@pytest.mark.clause("21 CFR 11.10(g)")
@pytest.mark.req(31)
@pytest.mark.parametrize("role", Role)
async def test_a_role_may_do_what_the_policy_says_and_nothing_else(api: Api, role: Role) -> None:
    await api.put_all(
        [(f"/{name}/{quote(key)}", document) for name, (key, document) in MASTER.items()]
    )
    headers = await api.as_role(role)
    for call in CALLS:
        answer = await made(api, call, headers)
        if call.act in POLICY[role]:
            assert answer.status_code in {200, 201, 404, 409}, (call, answer.text)
        else:
            assert answer.status_code == 403, (call, answer.text)
            assert call.act.value.replace("_", " ") in answer.json()["detail"]
