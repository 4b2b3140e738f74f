"""The verifier against every way of altering a dossier that we could think of, by name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from protocols.wire.bundle import Body, open_body, open_header, pack_body, split_bundle
from protocols.wire.checkpoint import (
    Checkpoint,
    NoteKey,
    SignatureType,
    cosign,
    sign_checkpoint,
)
from protocols.wire.column import decode_column, encode_column
from protocols.wire.dossier.archive import read_archive, write_archive
from protocols.wire.dossier.file import MANIFEST, Dossier, canonical_json, write_dossier
from protocols.wire.dossier.holding import Disclosed, Held
from protocols.wire.dossier.instant import format_time
from protocols.wire.dossier.series import decode_series, encode_series, read_runs
from protocols.wire.reading import SECOND, Reading
from tests import dossiers
from verifier.report import Outcome, Report, Verdict
from verifier.texts import TITLES
from verifier.verify import verify


def judge(dossier: Dossier, **changes: Any) -> Report:
    """Verify what the aggregator itself would seal, its fields replaced.

    A record that is replaced goes without the signatures, which are of another one.
    """
    if "record" in changes:
        changes.setdefault("attachments", {})
    return verify(
        write_dossier(replace(dossier, **changes), dossiers.AGGREGATOR), dossiers.policy()
    )


def judge_members(change: Callable[[dict[str, bytes]], None]) -> Report:
    """Verify a dossier whose members somebody without keys changed."""
    members = read_archive(dossiers.packed())
    change(members)
    return verify(write_archive(members), dossiers.policy())


def failed(report: Report) -> set[int]:
    return {check.number for check in report.checks if check.outcome is Outcome.FAILED}


def undecided(report: Report) -> set[int]:
    return {check.number for check in report.checks if check.outcome is Outcome.UNDECIDED}


def findings(report: Report, number: int) -> str:
    (check,) = [check for check in report.checks if check.number == number]
    return "\n".join(check.findings)


def alter(held: Held, change: Callable[[Body], Body]) -> Held:
    """Return a held bundle with another body, as one without the gateway's key would make it."""
    header = open_header(held.sealed_header, dossiers.PRESS_KEY.public)
    assert isinstance(held.content, bytes)
    body = open_body(header, held.content)
    return replace(held, content=pack_body(change(body)))


def hotter(body: Body) -> Body:
    """Cool the fifth reading of the first column by ten degrees."""
    readings = list(decode_column(body.columns[0]).readings())
    value = readings[4].value
    assert isinstance(value, float)
    readings[4] = readings[4]._replace(value=value - 10)
    return body._replace(columns=[encode_column(readings), *body.columns[1:]])


def replaced(dossier: Dossier, number: int, held: Held) -> tuple[tuple[Held, ...], ...]:
    press, room = dossier.chains
    return ((*press[:number], held, *press[number + 1 :]), room)


@pytest.mark.parametrize("disclosed", [False, True])
@pytest.mark.parametrize("pinned", [False, True])
def test_a_true_dossier_is_verified(disclosed: bool, pinned: bool) -> None:
    data = write_dossier(dossiers.dossier(disclosed=disclosed), dossiers.AGGREGATOR)
    report = verify(data, dossiers.policy(pinned=pinned))
    assert report.verdict is Verdict.VERIFIED, report.to_text("en")
    assert [check.number for check in report.checks] == list(TITLES)
    assert ("withheld" in report.to_text("en")) is disclosed


def test_the_altered_reading_is_named_when_a_body_was_rewritten() -> None:
    dossier = dossiers.dossier()
    chains = replaced(dossier, 2, alter(dossier.chains[0][2], hotter))
    report = judge(dossier, chains=chains)
    assert report.verdict is Verdict.NOT_VERIFIED
    assert failed(report) == {7, 14}
    (altered,) = report.altered
    assert altered.signal == dossiers.TEMPERATURE
    assert altered.time == format_time(dossiers.START + 14 * SECOND)
    assert (altered.recorded, altered.found) == ("126.0 GOOD", "116.0 GOOD")
    assert (altered.gateway, altered.bundle, altered.column, altered.index) == ("gw-07", 2, 0, 4)
    assert altered.culprit == "bundle"


def test_a_flipped_bit_in_a_body_is_found_and_what_it_touched_is_told() -> None:
    dossier = dossiers.dossier()
    held = dossier.chains[0][2]
    assert isinstance(held.content, bytes)
    named = 0
    for at in range(len(held.content)):
        damaged = bytearray(held.content)
        damaged[at] ^= 4
        report = judge(dossier, chains=replaced(dossier, 2, replace(held, content=bytes(damaged))))
        assert 7 in failed(report)
        named += bool(report.altered) or "cannot be read where it held" in findings(report, 14)
    assert named > len(held.content) // 2  # the rest hit salts, the check sum or other signals


def test_the_altered_reading_is_named_in_a_disclosed_column() -> None:
    dossier = dossiers.dossier(disclosed=True)
    held = dossier.chains[0][2]
    assert isinstance(held.content, Disclosed)
    column = held.content.columns[0]
    readings = list(decode_column(column.data).readings())
    readings[4] = readings[4]._replace(value=100.0)
    forged = column._replace(data=encode_column(readings))
    content = replace(held.content, columns=(forged,))
    report = judge(dossier, chains=replaced(dossier, 2, replace(held, content=content)))
    assert failed(report) == {8, 14}
    assert [each.found for each in report.altered] == ["100.0 GOOD"]


def forge(dossier: Dossier, change: Callable[[list[list[Reading]]], list[list[Reading]]]) -> bytes:
    """Give the series of the temperature with the readings of its bundles changed."""
    series = decode_series(dossier.series["000"])
    (part,) = series.parts
    runs = change([list(run.readings) for run in read_runs(series)])
    columns = tuple(map(encode_column, runs))
    counts = (1,) * len(columns)
    return encode_series(replace(series, parts=(replace(part, counts=counts, columns=columns),)))


def test_a_series_altered_with_its_hashes_is_named_as_the_culprit() -> None:
    """Somebody with the aggregator's key cannot make the gateway's bundles agree."""
    dossier = dossiers.dossier()
    forged = forge(
        dossier, lambda runs: [[runs[0][0]._replace(value=120.0), *runs[0][1:]], *runs[1:]]
    )
    record = json.loads(dossier.record)
    record["parameters"][0]["series"]["sha256"] = hashlib.sha256(forged).hexdigest()
    report = judge(dossier, series={**dossier.series, "000": forged}, record=canonical_json(record))
    assert failed(report) == {14, 15} or failed(report) == {14}
    (altered,) = report.altered
    assert (altered.culprit, altered.recorded) == ("record", "120.0 GOOD")


def test_a_reading_left_out_of_a_series_is_missed() -> None:
    dossier = dossiers.dossier()
    forged = forge(dossier, lambda runs: [runs[0], [*runs[1][:4], *runs[1][5:]], *runs[2:]])
    report = judge(dossier, series={**dossier.series, "000": forged})
    (altered,) = report.altered
    assert (altered.recorded, altered.found) == (None, "126.0 GOOD")
    assert {13, 14, 15} <= failed(report)


def parameter_change(**changes: Any) -> Report:
    dossier = dossiers.dossier()
    record = json.loads(dossier.record)
    record["parameters"][0] |= changes
    return judge(dossier, record=canonical_json(record))


@pytest.mark.parametrize("figure", ["readings", "good", "uncertain", "bad", "min", "max"])
def test_every_figure_is_reckoned_again(figure: str) -> None:
    dossier = dossiers.dossier()
    figures = json.loads(dossier.record)["parameters"][0]["figures"]
    report = parameter_change(figures={**figures, figure: figures[figure] + 1})
    assert failed(report) == {15}
    assert f"the record says {figure}" in findings(report, 15)


@pytest.mark.parametrize("figure", ["min_time", "max_time"])
def test_the_time_of_an_extreme_is_looked_up(figure: str) -> None:
    figures = json.loads(dossiers.dossier().record)["parameters"][0]["figures"]
    times = {"min_time": dossiers.START + 5 * SECOND, "max_time": dossiers.START + 16 * SECOND}
    right = parameter_change(figures={**figures, figure: format_time(times[figure])})
    assert right.verdict is Verdict.VERIFIED, right.to_text("en")
    wrong = parameter_change(figures={**figures, figure: format_time(times[figure] + 1)})
    assert failed(wrong) == {15}


@pytest.mark.parametrize(("more", "failing"), [(0.0, set[int]()), (0.5, {15})])
def test_a_parameter_without_a_series_is_reckoned_from_the_bundles(
    more: float, failing: set[int]
) -> None:
    dossier = dossiers.dossier()
    record = json.loads(dossier.record)
    other = record["parameters"].pop(2)
    assert other["signal"] == dossiers.FORCE
    other["figures"]["max"] += more
    record["other_parameters"] = [{**other, "series": None}]
    series = {name: data for name, data in dossier.series.items() if name != "002"}
    assert failed(judge(dossier, record=canonical_json(record), series=series)) == failing


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"excursions": []}, "lies in 0 excursions"),
        ({"limits": []}, "no limit of it"),
        ({"limits": [{"id": "action-high", "side": "high", "value": 126.5}]}, "does not start"),
        ({"limits": [{"id": "action-high", "side": "high", "value": 130}]}, "no reading outside"),
    ],
)
def test_an_excursion_cannot_be_hidden(change: dict[str, Any], complaint: str) -> None:
    report = parameter_change(**change)
    assert failed(report) == {15}
    assert complaint in findings(report, 15)


@pytest.mark.parametrize(
    "change", [{"extreme": 126.0}, {"readings": 2}, {"start": format_time(dossiers.START)}]
)
def test_an_excursion_cannot_be_made_smaller(change: dict[str, Any]) -> None:
    excursion = json.loads(dossiers.dossier().record)["parameters"][0]["excursions"][0]
    report = parameter_change(excursions=[{**excursion, **change}])
    assert failed(report) == {15}


def test_an_interval_cannot_be_shortened() -> None:
    window = [format_time(dossiers.WINDOW.start), format_time(dossiers.START + 12 * SECOND)]
    report = parameter_change(intervals=[window])
    assert failed(report) == {14}
    assert len(report.altered) == 28  # what the series holds and the intervals no longer give


@pytest.mark.parametrize(
    "change",
    [
        {"lot": {"gtin": "04012345123456", "lot": "L-0043"}},
        {"rule": "window/2"},
        {"window": {"start": format_time(0), "end": format_time(dossiers.WINDOW.end)}},
        {"parameters": []},
        {"parameters": None},
        {"lot": {}},
    ],
)
def test_a_record_of_something_else_is_refused(change: dict[str, Any]) -> None:
    dossier = dossiers.dossier()
    record = json.loads(dossier.record) | change
    assert 13 in failed(judge(dossier, record=canonical_json(record)))


LIKE_TRUE: dict[str, Callable[[bytes], bytes]] = {
    "white space": lambda record: record.replace(b",", b", ", 1),
    "a last line": lambda record: record + b"\n",
    "keys in another order": lambda record: (
        b'{"rule":"window/1",' + record.replace(b'"rule":"window/1",', b"")[1:]
    ),
    "an escaped letter": lambda record: record.replace(b"window/1", rb"window\u002f1"),
    "another form of a number": lambda record: record.replace(b"128.0", b"128.00"),
    "another form of a float": lambda record: record.replace(b"125.0", b"1.25e2"),
}


@pytest.mark.parametrize("change", LIKE_TRUE.values(), ids=LIKE_TRUE)
def test_a_record_has_one_form(change: Callable[[bytes], bytes]) -> None:
    true = dossiers.dossier()
    record = change(true.record)
    assert record != true.record
    assert json.loads(record) == json.loads(true.record)
    report = judge(true, record=record)
    assert 13 in failed(report)
    assert findings(report, 13) == "the record is not in its one form: keys sorted, no white space"


@pytest.mark.parametrize("empty", [{}, "", None])
@pytest.mark.parametrize("name", ["intervals", "limits", "excursions"])
def test_what_is_empty_where_an_array_belongs_is_none(name: str, empty: object) -> None:
    report = parameter_change(**{name: empty})
    assert 13 in failed(report)
    assert {14, 15} <= undecided(report)


@pytest.mark.parametrize(
    "change", [{"parameters": {}}, {"parameters": ""}, {"other_parameters": {}}]
)
def test_parameters_are_an_array(change: dict[str, Any]) -> None:
    dossier = dossiers.dossier()
    record = canonical_json(json.loads(dossier.record) | change)
    assert {14, 15} <= undecided(judge(dossier, record=record))


def signed(change: Callable[[dict[str, Any]], object]) -> Report:
    """Verify a dossier after a change of its ``signatures.json``."""
    dossier = dossiers.dossier()
    said = json.loads(dossier.attachments["signatures.json"])
    change(said)
    return judge(dossier, attachments={"signatures.json": canonical_json(said)})


def sign_again(number: int, **changes: Any) -> Report:
    def change(said: dict[str, Any]) -> None:
        one = said["signatures"][number]
        one["signed"] = canonical_json(json.loads(one["signed"]) | changes).decode()

    return signed(change)


def pasted(*signatures: bytes, earlier: Sequence[bytes] = ()) -> Report:
    """Verify a dossier that has these signatures, which are in the log."""
    dossier = dossiers.dossier()
    leaves = dossiers.log_of(dossier.record)
    data = dossiers.signatures(signatures, leaves, earlier=earlier)
    return judge(dossier, attachments={"signatures.json": data})


@pytest.mark.clause("21 CFR 11.70")
def test_a_signature_of_another_record_does_not_hold_here() -> None:
    own = dossiers.signed_of(dossiers.dossier().record)
    assert pasted(*own).verdict is Verdict.VERIFIED
    other = dossiers.sign(dossiers.OTHER_RECORD)
    for report in (pasted(other), pasted(*own, earlier=[other])):
        assert failed(report) == {16}
        assert "is about lot 'L-0041'" in findings(report, 16)


@pytest.mark.clause("21 CFR 11.70")
def test_a_signature_of_an_earlier_version_is_none_of_this_one() -> None:
    own = dossiers.signed_of(dossiers.dossier().record)
    assert pasted(earlier=[dossiers.EARLIER]).verdict is Verdict.VERIFIED
    assert "another record than this one" in findings(pasted(dossiers.EARLIER), 16)
    assert "no earlier one" in findings(pasted(earlier=own), 16)


@pytest.mark.clause("21 CFR 11.70")
def test_a_record_that_was_changed_takes_no_signature_along() -> None:
    """Not even where the aggregator itself seals it: what was signed is in the log."""
    dossier = dossiers.dossier()
    record = canonical_json(json.loads(dossier.record) | {"note": "looked at again"})
    report = judge(dossier, record=record, attachments=dossier.attachments)
    assert failed(report) == {16}
    assert findings(report, 16).count("about another record than this one") == 2


@pytest.mark.clause("21 CFR 11.70")
@pytest.mark.parametrize(
    "changes",
    [
        {"meaning": "rejected"},
        {"printed_name": "Zhao Min"},
        {"time": format_time(dossiers.START)},
        {"reason": "none"},
    ],
)
def test_a_signature_cannot_be_altered(changes: dict[str, Any]) -> None:
    report = sign_again(1, **changes)
    assert failed(report) == {16}
    assert "is not in the tree" in findings(report, 16)


def test_one_version_of_the_record_is_here() -> None:
    record = json.loads(dossiers.signed_of(dossiers.dossier().record)[1])["record"]
    report = sign_again(1, record={**record, "version": 3})
    assert "about version 3, another about version 2" in findings(report, 16)
    assert "is not in the tree" in findings(report, 16)


@pytest.mark.parametrize(
    "changes",
    [
        {"signer": ""},
        {"printed_name": ""},
        {"meaning": ""},
        {"reason": ""},
        {"time": "yesterday"},
        {"time": None},
        {"meaning": 1},
        {"record": {}},
        {"record": None},
        {"format": "lotproof-signature-v2"},
    ],
)
def test_a_signature_says_who_when_what_and_why(changes: dict[str, Any]) -> None:
    assert failed(sign_again(0, **changes)) == {16}


@pytest.mark.parametrize(
    "change",
    [
        lambda said: said.clear(),
        lambda said: said.update(format="lotproof-signatures-v2"),
        lambda said: said.update(signatures={}),
        lambda said: said.update(earlier=""),
        lambda said: said.update(log_size=said["log_size"] + 1),
        lambda said: said.update(log_size="17"),
        lambda said: said.pop("earlier"),
        lambda said: said["signatures"][0].update(signed=said["signatures"][0]["signed"] + " "),
        lambda said: said["signatures"][0].update(signed="{}"),
        lambda said: said["signatures"][0].update(leaf=-1),
        lambda said: said["signatures"][0].update(leaf=True),
        lambda said: said["signatures"][0].update(leaf=2**70),
        lambda said: said["signatures"][0].update(path=""),
        lambda said: said["signatures"][0]["path"].pop(),
        lambda said: said["signatures"][0]["path"].append("0" * 64),
        lambda said: said["signatures"][0]["path"].append("0" * 63),
        lambda said: said["signatures"].append([]),
    ],
)
def test_signatures_that_are_none_are_refused(change: Callable[[dict[str, Any]], object]) -> None:
    assert failed(signed(change)) == {16}


def test_a_dossier_without_signatures_says_so() -> None:
    report = judge(dossiers.dossier(), attachments={})
    assert report.verdict is Verdict.VERIFIED
    assert report.checks[-1].evidence == "no signatures"


@pytest.mark.parametrize(
    "record", [b"", b"[]", b'{"a":1,"a":2}', b'{"a":NaN}', b"[" * 100_000, b"\xff", b'"x"']
)
def test_a_record_that_is_none_is_refused(record: bytes) -> None:
    report = judge(dossiers.dossier(), record=record)
    assert failed(report) == {13}
    assert undecided(report) == {14, 15}


def test_a_record_changed_without_the_key_is_seen_by_its_hash() -> None:
    def change(members: dict[str, bytes]) -> None:
        members["record.json"] = members["record.json"].replace(b'"max":128.0', b'"max":124.0')

    report = judge_members(change)
    assert failed(report) == {3, 15, 16}


def test_another_aggregator_is_not_believed() -> None:
    data = write_dossier(dossiers.dossier(), dossiers.STRANGER)
    assert failed(verify(data, dossiers.policy())) == {2}


def test_another_log_is_not_believed() -> None:
    head = Checkpoint(origin=dossiers.LOG_KEY.name, size=13, root=bytes(32))
    report = judge(dossiers.dossier(), checkpoint=sign_checkpoint(head, dossiers.STRANGER))
    assert failed(report) == {4}
    assert undecided(report) == {12, 16}
    report = judge(dossiers.dossier(), checkpoint=sign_checkpoint(head, dossiers.LOG))
    assert failed(report) == {12, 16}


def test_the_witnesses_that_a_policy_requires_must_have_signed() -> None:
    witness = NoteKey(
        name="witness.example/qa",
        key=dossiers.STRANGER.public,
        type=SignatureType.COSIGNATURE_V1,
    )
    policy = replace(dossiers.policy(), witnesses=(witness,), witnesses_required=1)
    dossier = dossiers.dossier()
    assert failed(verify(dossiers.packed(), policy)) == {4}
    note = cosign(dossier.checkpoint, dossiers.STRANGER, name=witness.name, time=1)
    assert verify(dossiers.packed(checkpoint=note), policy).verdict is Verdict.VERIFIED


def test_a_gateway_key_that_the_policy_does_not_name_is_not_believed() -> None:
    policy = replace(dossiers.policy(), gateways={dossiers.PRESS.id: (dossiers.STRANGER.public,)})
    assert failed(verify(dossiers.packed(), policy)) == {5}


def test_a_key_is_valid_for_its_bundles_alone() -> None:
    dossier = dossiers.dossier()
    press, room = dossier.statement.keys
    for key in (replace(press, last=4), replace(press, first=1)):
        report = judge(dossier, statement=replace(dossier.statement, keys=(key, room)))
        assert failed(report) == {5}


def test_a_bundle_sealed_by_another_gateway_is_refused() -> None:
    """The insider makes the whole chain again, with a key that the manifest then names."""
    dossier = dossiers.dossier()
    _, forged = dossiers.make_gateway("gw-07", dossiers.STRANGER)
    keys = (replace(dossier.statement.keys[0], key=dossiers.STRANGER.public),)
    report = judge(
        dossier,
        chains=(tuple(map(Held.whole, forged)), dossier.chains[1]),
        statement=replace(dossier.statement, keys=keys + dossier.statement.keys[1:]),
    )
    assert {9, 12} <= failed(report)  # not the head, not in the log


def test_bundles_cannot_change_places() -> None:
    dossier = dossiers.dossier()
    press, room = dossier.chains
    report = judge(dossier, chains=((press[0], press[2], press[1], *press[3:]), room))
    assert {6, 9, 12} <= failed(report)


def test_an_insider_cannot_cut_the_tail() -> None:
    dossier = dossiers.dossier()
    press = dossier.statement.chains[0]
    shorter = replace(
        press, last=3, held_last=4, head=dossiers.PRESS.leaves[3], count=press.count - 20
    )
    report = judge(
        dossier,
        statement=replace(dossier.statement, chains=(shorter, dossier.statement.chains[1])),
        chains=(dossier.chains[0][:5], dossier.chains[1]),
        places=dossier.places[:5] + dossier.places[6:],
    )
    assert {10, 14} <= failed(report)


def test_without_a_bundle_behind_nothing_can_be_decided() -> None:
    dossier = dossiers.dossier()
    chain = replace(dossier.statement.chains[0], held_last=4)
    report = judge(
        dossier,
        statement=replace(dossier.statement, chains=(chain, dossier.statement.chains[1])),
        chains=(dossier.chains[0][:5], dossier.chains[1]),
        places=dossier.places[:5] + dossier.places[6:],
    )
    assert report.verdict is Verdict.CANNOT_DECIDE
    assert undecided(report) == {10}


def test_a_dossier_of_nothing_proves_nothing() -> None:
    dossier = dossiers.dossier()
    record = json.loads(dossier.record) | {"parameters": []}
    report = judge(
        dossier,
        statement=replace(dossier.statement, chains=(), keys=()),
        chains=(),
        places=(),
        series={},
        record=canonical_json(record),
    )
    assert report.verdict is Verdict.CANNOT_DECIDE


def test_gaps_cannot_be_kept_quiet() -> None:
    dossier = dossiers.dossier()
    press, room = dossier.statement.chains
    chains = (press, replace(room, gaps=()))
    assert failed(judge(dossier, statement=replace(dossier.statement, chains=chains))) == {11}


def test_counts_are_counted() -> None:
    dossier = dossiers.dossier()
    press, room = dossier.statement.chains
    chains = (replace(press, count=press.count + 1), room)
    assert failed(judge(dossier, statement=replace(dossier.statement, chains=chains))) == {9}


def test_paths_lead_to_their_own_leaf() -> None:
    dossier = dossiers.dossier()
    first, second, *rest = dossier.places
    assert failed(judge(dossier, places=(second, first, *rest))) == {12}


def test_bytes_between_members_are_refused() -> None:
    data = dossiers.packed()
    for changed in (data + b"\0", data[:10] + b"\1" + data[11:], data[:-2] + b"\1\0"):
        assert failed(verify(changed, dossiers.policy())) == {1}


@pytest.mark.parametrize("data", [b"", b"PK\5\6" + bytes(18), b"PK\3\4", b"{}", bytes(1000)])
def test_what_is_no_dossier_is_not_verified(data: bytes) -> None:
    report = verify(data, dossiers.policy())
    assert failed(report) == {1}
    assert report.verdict is Verdict.NOT_VERIFIED
    assert undecided(report) == set(TITLES) - {1}


def test_a_manifest_that_is_none_is_not_verified() -> None:
    members = read_archive(dossiers.packed())
    for forged in (b"", b"\xd2\x84\x40\xa0\x40\x40", dossiers.PRESS.bundles[0]):
        report = verify(write_archive({**members, MANIFEST: forged}), dossiers.policy())
        assert failed(report) == {1}


def test_a_bundle_seal_does_not_pass_for_a_manifest() -> None:
    sealed = split_bundle(dossiers.PRESS.bundles[1]).sealed_header
    report = judge_members(lambda members: members.update({MANIFEST: sealed}))
    assert report.verdict is Verdict.NOT_VERIFIED
