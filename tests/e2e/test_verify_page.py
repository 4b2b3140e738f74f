"""The offline page finds what the Python verifier finds, word for word."""

from __future__ import annotations

import hashlib
import json
import math
import random
import re
import struct
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from protocols.wire import cbor
from protocols.wire.bundle import inflate_body
from protocols.wire.column import decode_column
from protocols.wire.dossier.file import canonical_json
from protocols.wire.dossier.holding import Held
from protocols.wire.dossier.instant import format_time, parse_time
from protocols.wire.errors import WireError
from protocols.wire.reading import Kind, Reading, TagRead
from protocols.wire.values.arrays import deltas, integers
from tests import dossier_vectors, dossiers
from tests.property.test_verifier_mutations import (
    MUTATIONS,
    TRUE,
    copy_over,
    cut,
    flip_bits,
    insert,
    remove,
)
from tests.verify_page_rig import (
    NO_CRYPTOGRAPHY,
    OpenPage,
    lies,
    policy_toml,
    said,
    statements,
    verify_page,
)
from verifier.document import read_json
from verifier.errors import PolicyError, RecordError
from verifier.page.make import PAGE, make_page
from verifier.policy import Policy, read_policy
from verifier.report import show_time
from verifier.salvage import _inflate
from verifier.verify import verify

VECTORS = {
    folder: sorted(folder.glob("*.dossier"))
    for folder in (dossier_vectors.FOLDER, dossier_vectors.PLACEMENT)
}
COLUMNS = json.loads(
    dossier_vectors.FOLDER.parent.joinpath("wire", "column.json").read_text(encoding="utf-8")
)


def test_the_page_is_made_of_its_sources() -> None:
    assert PAGE.read_text(encoding="utf-8") == make_page(), "run python -m verifier.page.make"


async def agree(page: OpenPage, data: Sequence[bytes], policy: Policy) -> dict[str, int]:
    """Hold the page against the Python verifier; return how often each verdict was given."""
    verdicts = {"VERIFIED": 0, "NOT_VERIFIED": 0, "CANNOT_DECIDE": 0}
    found = await page.judge(data, policy_toml(policy))
    for one, each in zip(data, found, strict=True):
        assert each == said(verify(one, policy))
        verdicts[each["verdict"]] += 1
    return verdicts


@pytest.mark.parametrize("folder", VECTORS, ids=lambda folder: folder.name)
@pytest.mark.parametrize("before", ["", NO_CRYPTOGRAPHY], ids=["SubtleCrypto", "own arithmetic"])
async def test_the_frozen_dossiers(before: str, folder: Path) -> None:
    text = folder.joinpath("policy.toml").read_text(encoding="utf-8")
    policy = read_policy(text.encode())
    data = [path.read_bytes() for path in VECTORS[folder]]
    async with verify_page(before=before) as page:
        found = await page.judge(data, text)
    assert len(found) == len(data) > 6
    for one, each in zip(data, found, strict=True):
        assert each == said(verify(one, policy))


@pytest.mark.timeout(1800)
async def test_no_mutated_dossier_is_verified(full: bool) -> None:
    """Every mutation of the property test, under the same seeds: ten thousand, or a sample."""
    policy, rounds = dossiers.policy(), 290 if full else 11
    mutated = [
        mutate(random.Random(f"{mutate.__name__} {form} {seed}"), TRUE[form])
        for mutate in MUTATIONS
        for form in TRUE
        for seed in range(rounds)
    ]
    damaged = [each for each in mutated if each not in TRUE.values()]
    assert len(damaged) > (10_000 if full else 370)
    async with verify_page() as page:
        assert (await agree(page, list(TRUE.values()), policy))["VERIFIED"] == 3
        verdicts = await agree(page, damaged, policy)
    assert verdicts == {"VERIFIED": 0, "NOT_VERIFIED": len(damaged), "CANNOT_DECIDE": 0}


@pytest.mark.timeout(1800)
async def test_lies_under_the_right_seal_are_judged_alike(full: bool) -> None:
    told = list(lies((flip_bits, cut, insert, remove, copy_over), 3000 if full else 300))
    told += lies((flip_bits, cut, insert, remove), 1000 if full else 150, late=True)
    told += statements(500 if full else 50)
    async with verify_page() as page:
        verdicts = await agree(page, told, dossiers.policy(pinned=True))
    assert verdicts["NOT_VERIFIED"] > len(told) // 2


async def test_what_a_damaged_body_still_tells_is_told_alike() -> None:
    dossier = dossiers.dossier()
    held = dossier.chains[0][2]
    assert isinstance(held.content, bytes)
    damaged = []
    for at in range(0, len(held.content), 2):
        body = bytearray(held.content)
        body[at] ^= 1 << at % 8
        other = Held(sealed_header=held.sealed_header, content=bytes(body))
        damaged.append(dossier_vectors.seal(dossier_vectors.with_bundle(dossier, other)))
    async with verify_page() as page:
        verdicts = await agree(page, damaged, dossiers.policy())
    assert verdicts["NOT_VERIFIED"] == len(damaged)


async def test_a_foreign_signature_is_refused_by_our_own_arithmetic_too() -> None:
    true, chance = TRUE[False], random.Random("signatures")
    at = [true.index(b"\x58\x40", where) for where in (0, len(true) // 3, len(true) // 2)]
    damaged = []
    for where in at:
        for _ in range(3):
            data = bytearray(true)
            data[where + 2 + chance.randrange(64)] ^= 1 << chance.randrange(8)
            damaged.append(bytes(data))
    async with verify_page(before=NO_CRYPTOGRAPHY) as page:
        assert await page.call("crypto.subtle === undefined", None)
        assert (await agree(page, [true], dossiers.policy()))["VERIFIED"] == 1
        assert (await agree(page, damaged, dossiers.policy()))["NOT_VERIFIED"] == 9


def tell(reading: Reading) -> str:
    """Write a reading as the page's script below writes it."""
    value = reading.value
    if isinstance(value, TagRead):
        numbers = (value.epc_bits, value.antenna, value.rssi, value.first_seen, value.last_seen)
        shown = f"{value.epc.hex()} {' '.join(map(str, (*numbers, value.count)))}"
    else:
        shown = value.hex() if isinstance(value, bytes) else repr(value)
    return (
        f"{reading.kind} {shown} {reading.gateway_time} {show(reading.source_time)} "
        f"{reading.status} {reading.code} {reading.raw.hex()}"
    )


def show(time: int | None) -> str:
    return "None" if time is None else str(time)


READ_COLUMNS = """
(columns) => columns.map((digits) => {
  try {
    return decodeColumn(fromHex(digits)).readings().map((each) => {
      const { value } = each;
      const shown = value instanceof TagRead ? `${toHex(value.epc)} ${value.numbers.join(" ")}`
        : isBytes(value) ? toHex(value) : show(value);
      return `${each.kind} ${shown} ${each.gateway} ${show(each.source)} `
        + `${each.status} ${each.code} ${toHex(each.raw)}`;
    });
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return error.message;
  }
})
"""


def decimal_column(chance: random.Random) -> bytes:
    """Return a column of floats as decimals, up to the bound of its kind or one over it."""
    kind, bound = chance.choice([(Kind.FLOAT32, 2**24), (Kind.FLOAT64, 2**53)])
    digits = chance.randrange(1, bound.bit_length() + 1)
    numbers = [chance.randrange(-(2**digits), 2**digits) for _ in range(chance.randrange(1, 30))]
    time: cbor.Item = [0, 1, cbor.decode(integers([1] * (len(numbers) - 1)))]
    values: cbor.Item = [chance.randrange(11), cbor.decode(integers(deltas(numbers))), numbers[0]]
    return cbor.encode(["a", int(kind), len(numbers), time, None, values, None, None, None])


async def test_columns_of_every_kind_are_read_alike_damaged_or_not() -> None:
    columns = [bytes.fromhex(each["column"]) for each in COLUMNS]
    chance = random.Random("columns")
    decimals = [decimal_column(chance) for _ in range(300)]
    for column in columns + decimals[:5]:
        for mutate in (flip_bits, cut, insert, remove):
            columns += [mutate(chance, column) for _ in range(60)]
    columns += decimals
    expected: list[Any] = []
    for column in columns:
        try:
            expected.append([tell(each) for each in decode_column(column).readings()])
        except WireError as error:
            expected.append(str(error))
    assert any(isinstance(each, str) for each in expected)
    async with verify_page() as page:
        found = await page.call(READ_COLUMNS, [column.hex() for column in columns])
    for column, one, other in zip(columns, found, expected, strict=True):
        assert one == other, column.hex()


READ_JSON = """
(documents) => documents.map((digits) => {
  try {
    return show(readJson(fromHex(digits), "it"));
  } catch (error) {
    if (!(error instanceof RecordRefusal)) throw error;
    return error.message.split(" does not say")[0];
  }
})
"""


def json_value(chance: random.Random, depth: int = 3) -> Any:
    """Return something that JSON can hold, with what its writers differ about in it."""
    letters = [
        "a",
        "Z",
        "é",
        "\uffff",
        "\U0001f512",
        "\ue000",
        '"',
        "\\",
        "/",
        "\x7f",
        "\x1f",
        "\b\n",
    ]
    text = "".join(chance.choices(letters, k=chance.randrange(4)))
    number = struct.unpack("<d", chance.randbytes(8))[0]
    kind = chance.randrange(8 if depth else 6)
    if kind == 6:
        return [json_value(chance, depth - 1) for _ in range(chance.randrange(4))]
    if kind == 7:
        names = ["".join(chance.choices(letters, k=2)) for _ in range(chance.randrange(5))]
        return {name: json_value(chance, depth - 1) for name in names}
    few = round(chance.uniform(-1e5, 1e5), chance.randrange(4))
    whole = chance.randrange(-(10 ** chance.randrange(1, 30)), 10**20)
    return [text, few, number if math.isfinite(number) else -0.0, whole, None, True][kind]


async def test_json_has_one_form_for_both() -> None:
    chance = random.Random("json")
    documents = [b'"\\ud800"', b"1e400", b"-0", b"-0.0", b"1E5", b"\xef\xbb\xbf1", b'{"b":1,"a":2}']
    for _ in range(400):
        value = json_value(chance)
        documents.append(canonical_json(value))
        documents.append(json.dumps(value, sort_keys=chance.random() < 0.5).encode())
        documents.append(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())
    expected = []
    for document in documents:
        try:
            expected.append(repr(read_json(document, "it")))
        except RecordError as error:
            expected.append(str(error).partition(" does not say")[0])
    refused = sum("one form" in each for each in expected)
    assert 100 < refused < len(documents) - 400
    async with verify_page() as page:
        found = await page.call(READ_JSON, [document.hex() for document in documents])
    for document, one, other in zip(documents, found, expected, strict=True):
        assert one == other, document


INFLATE = """
(bodies) => bodies.map((digits) => {
  const body = fromHex(digits);
  try {
    return [toHex(inflateDamaged(body)), toHex(inflateBody(body))];
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return [toHex(inflateDamaged(body)), error.message];
  }
})
"""


def packed(chance: random.Random) -> Iterable[bytes]:
    """Yield zlib streams of every kind of block."""
    texts = [b"", b"a", bytes(chance.choices(b"abcd", k=3000)), chance.randbytes(400), b"ab" * 999]
    for text in texts:
        for level in (0, 1, 6, 9):
            for strategy in (
                zlib.Z_DEFAULT_STRATEGY,
                zlib.Z_FIXED,
                zlib.Z_HUFFMAN_ONLY,
                zlib.Z_RLE,
            ):
                packer = zlib.compressobj(level, zlib.DEFLATED, 15, 8, strategy)
                flushed = packer.compress(text[:200]) + packer.flush(zlib.Z_FULL_FLUSH)
                yield flushed + packer.compress(text[200:]) + packer.flush()


async def test_zlib_streams_are_inflated_alike_damaged_or_not() -> None:
    chance = random.Random("zlib")
    bodies = list(packed(chance))
    for body in list(bodies):
        bodies += [mutate(chance, body) for mutate in (flip_bits, flip_bits, cut, insert, remove)]
    expected = []
    for body in bodies:
        try:
            expected.append([_inflate(body).hex(), inflate_body(body).hex()])
        except WireError as error:
            expected.append([_inflate(body).hex(), str(error)])
    async with verify_page() as page:
        found = await page.call(INFLATE, [body.hex() for body in bodies])
    for body, one, other in zip(bodies, found, expected, strict=True):
        assert one == other, body.hex()


async def test_sums_numbers_texts_and_times_are_those_of_python() -> None:
    chance = random.Random("sums")
    data = [chance.randbytes(size) for size in (*range(0, 260, 7), 55, 56, 63, 64, 111, 112, 128)]
    floats = [struct.unpack("<d", chance.randbytes(8))[0] for _ in range(500)]
    floats = [each for each in floats if not math.isnan(each)] + [
        0.0,
        -0.0,
        126.0,
        1e16,
        1e15,
        1e-4,
        1e-5,
    ]
    floats += [round(chance.uniform(-1e6, 1e6), chance.randrange(6)) for _ in range(500)]
    texts = [
        "",
        "'",
        '"',
        "'\"",
        "a\nb\tc\\",
        "\x7f\x80\xa0\xad",
        "温度",
        "\u200b\u2028\ufeff",
        "🙂",
    ]
    times = [chance.randrange(253_402_300_800 * 10**9) for _ in range(200)] + [-1, 2**63, 0]
    async with verify_page() as page:
        sums = (
            "(all) => all.map(fromHex).map((d) => [toHex(sha256(d)), toHex(sha512(d)), crc32(d)])"
        )
        assert await page.call(sums, [each.hex() for each in data]) == [
            [hashlib.sha256(d).hexdigest(), hashlib.sha512(d).hexdigest(), zlib.crc32(d)]
            for d in data
        ]
        bits = "(all) => all.map((d) => show(new Float64Array(fromHex(d).buffer)[0]))"
        found = await page.call(bits, [struct.pack("<d", each).hex() for each in floats])
        assert found == list(map(repr, floats))
        assert await page.call("(all) => all.map(quote)", texts) == list(map(repr, texts))
        shown = await page.call(
            "(all) => all.map((t) => showTime(BigInt(t)))", list(map(str, times))
        )
        assert shown == [show_time(time) for time in times]
        calendar = (
            "(all) => all.map((t) => { try { return `${parseTime(t)}`; } catch { return ''; } })"
        )
        given = [format_time(time) for time in times[:200]] + [
            "2026-02-29T00:00:00.000000000Z",
            "2024-02-29T00:00:00.000000000Z",
            "2026-01-01T24:00:00.000000000Z",
            "1969-12-31T23:59:59.000000000Z",
            "2026-01-01T00:00:00.000000000Z\n",
        ]
        assert await page.call(calendar, given) == [read_time(text) for text in given]


def read_time(text: str) -> str:
    try:
        return str(parse_time(text))
    except WireError:
        return ""


POLICY_CHANGES = [
    ("aggregator = [", "aggregator = [1, "),
    ("aggregator", "aggregators"),
    ("log = ", "logs = "),
    ("log = ", "log = 3 #"),
    ("ED25519:", "ED25518:"),
    ("gw-07", "GW-07"),
    ("[gateways]", "gateways = []"),
    ("[gateways]", "witnesses_required = 1\n[gateways]"),
    ('log = "', 'log = "%'),
    ('"]', "]"),
    ("[gateways]", "log = ''"),
]


async def test_a_policy_that_cannot_be_used_gives_no_verdict() -> None:
    text = dossier_vectors.FOLDER.joinpath("policy.toml").read_text(encoding="utf-8")
    async with verify_page() as page:
        script = "async (policy) => await lotproofVerify(new Uint8Array(0), policy)"
        named = re.search(r"\+[0-9a-f]{8}\+", text)
        shown = re.search("ESP256:04[0-9a-f]{8}", text)
        assert named is not None
        assert shown is not None
        wrong = [(named[0], "+00000000+"), (shown[0], "ESP256:0400000000")]
        for change in [*POLICY_CHANGES, *wrong]:
            policy = text.replace(*change, 1)
            answer = await page.call(script, policy)
            assert "report" not in answer
            with pytest.raises(PolicyError) as refused:
                read_policy(policy.encode())
            message, _, _ = str(refused.value).partition("not TOML:")  # parsers have their words
            assert answer["error"].startswith(message)
            assert answer["hint"] == refused.value.hint


async def test_a_person_verifies_with_two_files(tmp_path: Path) -> None:
    folder = dossier_vectors.FOLDER
    async with verify_page() as opened:
        page = opened.page
        await page.click("#run")
        assert "Choose a policy" in await page.inner_text("#verdict")
        await page.set_input_files("#policy-file", folder / "policy.toml")
        await page.set_input_files("#dossier-file", folder / "altered-reading.dossier")
        await page.wait_for_function("document.getElementById('policy-text').value !== ''")
        await page.click("#run")
        await page.wait_for_selector("#report:not([hidden])")
        assert (await page.inner_text("#verdict")).startswith("NOT VERIFIED  lot L-0042")
        assert await page.locator("#checks tr").count() == 16
        assert await page.locator("#checks tr.failed").count() == 2
        altered = await page.inner_text("#altered-list")
        assert "the record has 126.0 GOOD, the bundle 116.0 GOOD" in altered
        async with page.expect_download() as download:
            await page.click("#save-json")
        saved = tmp_path / "report.json"
        await (await download.value).save_as(saved)
        await page.select_option("#language", "zh")
        assert (await page.inner_text("#verdict")).startswith("验证未通过 (NOT VERIFIED)")
        assert "每条链均无中断" in await page.inner_text("#checks")
        assert "数据包为 116.0 GOOD" in await page.inner_text("#altered-list")
        assert await page.get_attribute("html", "lang") == "zh-CN"
        await page.set_input_files("#dossier-file", folder / "true.dossier")
        assert await page.inner_text("#verdict") == "", "what was said is not of this dossier"
        assert await page.locator("#report").is_hidden()
    policy = read_policy(folder.joinpath("policy.toml").read_bytes())
    report = verify(folder.joinpath("altered-reading.dossier").read_bytes(), policy)
    assert json.loads(saved.read_text(encoding="utf-8")) == report.to_json()


async def test_what_was_found_is_told_in_chinese_too() -> None:
    """Of the frozen dossiers, altered in every way that has a vector, no line stays English."""
    policy = dossier_vectors.FOLDER.joinpath("policy.toml").read_text(encoding="utf-8")
    script = """([report]) => [
        report.subject, ...report.altered.map(tellAltered),
        ...report.checks.flatMap((each) => [each.evidence, ...each.findings]),
    ].filter((text) => text && !/[\u4e00-\u9fff]/.test(inChinese(text)))"""
    async with verify_page() as opened:
        for path in VECTORS[dossier_vectors.FOLDER]:
            report = verify(path.read_bytes(), read_policy(policy.encode())).to_json()
            assert await opened.page.evaluate(script, [report]) == [], path.name
