"""Events: which act tells what, in a form that the catalogue describes, and never a value."""

from __future__ import annotations

import base64
import ipaddress
import json
from typing import Any

import jsonschema
import pytest

from aggregator.errors import SettingsError
from aggregator.model.integration.catalogue import CATALOGUE, FIELDS, asyncapi
from aggregator.model.integration.event import (
    EventType,
    NumberedEvent,
    envelope,
    happenings,
    misfit,
    quarantined,
)
from aggregator.model.integration.webhook import (
    may_be_sent_to,
    networks_of,
    retry_wait_seconds,
    secret_text,
    signed_headers,
)
from tests.arch.sources import ROOT

RECORD = "record (01)09506000134352(10)L/1"
SIGNED = {"stage": "released", "signature": "s-1", "meaning": "released", "version": 2}
ASSEMBLED = {
    "version": 2,
    "hash": "ab",
    "state": "complete",
    "raised": [{"id": "e", "kind": "gap"}],
}
DEVIATION = {**SIGNED, "meaning": "deviation_raised", "deviation": "D-7", "subjects": ["e"]}
LOT = "lot 09506000134352/L/1"
ACTS: list[tuple[str, str, Any, Any, list[str]]] = [
    ("manage_master", LOT, None, {"x": 1}, ["lot.created", "master.created"]),
    ("manage_master", LOT, {"x": 1}, {"x": 2}, ["master.changed"]),
    ("propose_master", "limit g/heat", None, {"action_high": 180}, ["master.proposed"]),
    ("approve_master", "limit g/heat", {}, {"version": 3}, ["master.approved"]),
    ("approve_master", LOT, {}, {"version": 1}, ["lot.created", "master.approved"]),
    ("reject_master", "limit g/heat", {}, {"version": 3}, ["master.rejected"]),
    (
        "assemble_record",
        RECORD,
        None,
        ASSEMBLED,
        ["record.assembled", "record.completed", "record.exceptions_raised"],
    ),
    ("assemble_record", RECORD, None, {"state": "open", "raised": []}, ["record.assembled"]),
    ("export_record", RECORD, None, {"form": "pdf", "hash": "ab"}, ["record.exported"]),
    ("open_review", RECORD, {}, {"stage": "in_review", "version": 2}, ["review.opened"]),
    ("decide", RECORD, {}, DEVIATION, ["record.signed", "deviation.raised"]),
    ("decide", RECORD, {}, {**SIGNED, "meaning": "exception_accepted"}, ["record.signed"]),
    ("check_entry", RECORD, {}, {**SIGNED, "meaning": "entry_checked"}, ["record.signed"]),
    ("sign_review", RECORD, {}, SIGNED, ["record.signed", "lot.reviewed"]),
    ("release", RECORD, {}, SIGNED, ["record.signed", "lot.released"]),
    ("reject", RECORD, {}, SIGNED, ["record.signed", "lot.rejected"]),
    ("hold", RECORD, {}, SIGNED, ["record.signed", "lot.held"]),
    ("lift", RECORD, {}, SIGNED, ["record.signed", "lot.hold_lifted"]),
    ("addend", RECORD, {}, SIGNED, ["record.signed", "record.addendum_signed"]),
    ("manage_recall", "recall r-1", None, {"event": "open", "state": "open"}, ["recall.opened"]),
    ("manage_recall", "drill r-1", None, {"event": "locate", "items": 9}, ["recall.changed"]),
    ("manage_recall", "recall r-1", None, {"event": "close"}, ["recall.closed"]),
    ("write_genealogy", "3 genealogy edges", None, ["g-1"], ["genealogy.changed"]),
    (
        "write_results",
        "results of (01)09506000134352(10)L/1",
        None,
        {"result": "R", "value": "1.5", "version": 1},
        ["result.recorded"],
    ),
    ("revoke a key", "gateway gw-1", {"kid": "a"}, {"kid": "a"}, ["gateway.changed"]),
    ("give a token", "token t", None, {"name": "mes"}, []),
    ("change a password", "account li.wei", None, None, []),
]


@pytest.mark.parametrize(("act", "what", "before", "after", "told"), ACTS)
def test_an_act_tells_what_the_catalogue_says(
    act: str, what: str, before: Any, after: Any, told: list[str]
) -> None:
    found = happenings(act, what, before, after)
    assert [each.type.removeprefix("lotproof.") for each in found] == told
    messages = asyncapi("1")["components"]["messages"]
    for number, each in enumerate(found, 1):
        event = NumberedEvent(
            sequence=number, type=each.type, subject=each.subject, record_time=1, data=each.data
        )
        shown = envelope(event, "lotproof.local/plant")
        judge = jsonschema.Draft7Validator(messages[each.type]["payload"])
        assert list(judge.iter_errors(shown)) == []
        assert "value" not in json.dumps(each.data)
        assert "action_high" not in json.dumps(each.data)


@pytest.mark.req(30)
def test_a_deviation_tells_the_qms_all_it_needs_to_open_its_case() -> None:
    _, raised = happenings("decide", RECORD, {}, DEVIATION)
    assert raised.data == {
        "gtin": "09506000134352",
        "lot": "L/1",
        "href": "/api/v1/records/09506000134352/L%2F1",
        "version": 2,
        "deviation": "D-7",
        "subjects": ["e"],
        "signature": "s-1",
    }


def test_every_type_is_described_and_every_described_field_is_used() -> None:
    assert set(CATALOGUE) == set(EventType)
    used = {name for said in CATALOGUE.values() for name in said.fields}
    assert used == set(FIELDS)
    for each in (quarantined("gw-1", 3), misfit("m-1", "orders")):
        assert set(each.data) == set(CATALOGUE[each.type].fields)


def test_the_catalogue_is_written_as_the_reference_shows_it() -> None:
    written = (ROOT / "docs/reference/asyncapi.yaml").read_text(encoding="utf-8")
    said = json.loads(written.partition("\n")[2])  # JSON is YAML; the first line is a comment
    assert said == asyncapi(said["info"]["version"])


def test_the_signature_is_the_one_that_openssl_makes() -> None:
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    # printf 'event-7.1614265330.{"test": 2432232314}' | openssl dgst -sha256 -mac HMAC ...
    assert signed_headers(secret, 7, 1614265330, b'{"test": 2432232314}') == {
        "webhook-id": "event-7",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,Y7RkK9TJyfvqicxD+/RmbdUYF8373JnOQW+8ybxv9rg=",
    }
    assert secret_text(secret) == "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.mark.parametrize(
    ("host", "address", "networks", "may"),
    [
        ("qms.example", "93.184.216.34", (), True),
        ("qms.example", "10.0.0.5", (), True),
        ("qms.example", "10.0.0.5", ("192.168.0.0/16",), False),
        ("qms.example", "192.168.3.4", ("192.168.0.0/16",), True),
        ("qms.example", "169.254.169.254", (), False),
        ("qms.example", "169.254.169.254", ("169.254.0.0/16",), False),
        ("qms.example", "::ffff:169.254.169.254", (), False),
        ("qms.example", "fe80::1", (), False),
        ("qms.example", "0.0.0.0", (), False),  # noqa: S104 # refused, not listened on
        ("qms.example", "224.0.0.1", (), False),
        ("qms.example", "127.0.0.1", (), False),
        ("qms.example", "::ffff:127.0.0.1", (), False),
        ("localhost", "127.0.0.1", (), True),
        ("127.0.0.1", "127.0.0.1", ("10.0.0.0/8",), True),
    ],
)
def test_a_name_that_leads_within_is_not_followed(
    host: str, address: str, networks: tuple[str, ...], may: bool
) -> None:
    assert may_be_sent_to(host, ipaddress.ip_address(address), networks_of(networks)) is may


def test_networks_that_are_none_are_named() -> None:
    with pytest.raises(SettingsError, match=r"events\.networks"):
        networks_of(["10.0.0.5/8"])


def test_waits_double_to_a_bound_and_differ() -> None:
    def wait(failures: int, chance: float) -> float:
        return retry_wait_seconds(failures, first=5, longest=60, chance=chance)

    assert [wait(number, 0) for number in range(1, 7)] == [5, 10, 20, 40, 60, 60]
    assert wait(2, 0.5) == 7.5
    assert wait(10_000, 0) == 60
