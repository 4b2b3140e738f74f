"""The offline page in a browser, asked what the Python verifier is asked."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final

from playwright.async_api import Page

from protocols.wire.dossier.archive import read_archive, write_archive
from protocols.wire.dossier.file import MANIFEST, write_dossier
from protocols.wire.dossier.manifest import PURPOSE, decode_manifest, encode_manifest
from protocols.wire.dossier.series import Interval
from protocols.wire.seal import open_seal, seal
from tests import dossiers
from tests.e2e.browser import browsing
from verifier.page.make import PAGE
from verifier.policy import Policy
from verifier.report import Report

NO_CRYPTOGRAPHY: Final = "Object.defineProperty(crypto, 'subtle', {value: undefined})"
"""Makes the browser one without SubtleCrypto."""

_BATCH: Final = 50
_JUDGE: Final = """
async ([texts, policy]) => {
  const judged = [];
  for (const text of texts) {
    const data = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const { report, error } = await lotproofVerify(data, policy);
    judged.push(report ? [toJson(report), toText(report, "en"), toText(report, "zh")] : error);
  }
  return judged;
}
"""
_MISSING: Final = "does not say what it must:"
"""What follows names what a JSON reader stumbled over; each reader has its own words for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPage:
    """The page, opened from disk, and all that the browser asked for or complained of."""

    page: Page
    complaints: list[str]
    addresses: list[str]

    async def judge(self, data: Sequence[bytes], policy: str) -> list[dict[str, Any]]:
        """Return what the page finds of each dossier, in the form of `said`."""
        found: list[dict[str, Any]] = []
        for start in range(0, len(data), _BATCH):
            texts = [base64.b64encode(each).decode() for each in data[start : start + _BATCH]]
            for answer in await self.page.evaluate(_JUDGE, [texts, policy]):
                assert isinstance(answer, list), answer
                report, *shown = answer
                found.append(_comparable(json.loads(report), shown))
        return found

    async def call(self, script: str, argument: object) -> Any:
        """Return what a function of the page's own language gives."""
        return await self.page.evaluate(script, argument)


@asynccontextmanager
async def verify_page(*, before: str = "") -> AsyncIterator[OpenPage]:
    """Open the page as from a USB stick; ``before`` is run in the browser first."""
    async with browsing() as browser:
        if before:
            await browser.page.add_init_script(before)
        await browser.page.goto(PAGE.as_uri())
        opened = OpenPage(
            page=browser.page, complaints=browser.complaints, addresses=browser.addresses
        )
        yield opened
        assert opened.complaints == []
        assert {address.partition(":")[0] for address in opened.addresses} <= {"file", "blob"}


def said(report: Report) -> dict[str, Any]:
    """Return everything that a report of the Python verifier says."""
    return _comparable(report.to_json(), [report.to_text("en"), report.to_text("zh")])


def policy_toml(policy: Policy) -> str:
    """Write a policy as its file."""
    keys = ", ".join(f'"{key.to_text()}"' for key in policy.aggregator)
    lines = [f"aggregator = [{keys}]", f'log = "{policy.log.to_text()}"', "[gateways]"]
    lines += [f'{name} = ["{key.to_text()}"]' for name, (key,) in policy.gateways.items()]
    return "\n".join(lines)


def lies(
    mutations: Sequence[Callable[[random.Random, bytes], bytes]], rounds: int, *, late: bool = False
) -> Iterator[bytes]:
    """Yield dossiers of which a member was damaged, sealed by the right aggregator all the same."""
    true = dossiers.dossier(late=late)
    members = dict(read_archive(write_dossier(true, dossiers.AGGREGATOR)))
    sealed = members.pop(MANIFEST)
    manifest = decode_manifest(open_seal(sealed, dossiers.AGGREGATOR.public, PURPOSE))
    for at in range(rounds):
        chance = random.Random(f"lie {at} {late}" if late else f"lie {at}")
        name = chance.choice([each for each in sorted(members) if len(members[each]) > 250])
        damaged = {**members, name: chance.choice(mutations)(chance, members[name])}
        hashes = {each: sha256(data).digest() for each, data in damaged.items()}
        lie = encode_manifest(replace(manifest, members=hashes))
        yield write_archive({**damaged, MANIFEST: seal(lie, dossiers.AGGREGATOR, PURPOSE)})


def statements(rounds: int) -> Iterator[bytes]:
    """Yield dossiers whose manifest states numbers at their bounds."""
    dossier = dossiers.dossier()
    said_, chance = dossier.statement, random.Random("statements")
    press, room = said_.chains
    numbers = (0, 1, 5, 2**31, 2**53 + 1, 2**63, 2**64 - 1, -1, -(2**63))
    for _ in range(rounds):
        first, last, count, time = (chance.choice(numbers) for _ in range(4))
        lie = replace(
            said_,
            window=Interval(time, chance.choice(numbers)),
            chains=(replace(press, first=first, last=last, count=count), room),
            keys=(replace(said_.keys[0], first=count), said_.keys[1]),
        )
        yield write_dossier(replace(dossier, statement=lie), dossiers.AGGREGATOR)


def _comparable(report: Mapping[str, Any], texts: Sequence[str]) -> dict[str, Any]:
    cut = [
        "\n".join(line.partition(_MISSING)[0] if _MISSING in line else line for line in lines)
        for lines in (text.split("\n") for text in texts)
    ]
    checks = [
        {**check, "findings": [each.partition(_MISSING)[0] for each in check["findings"]]}
        for check in report["checks"]
    ]
    return {**report, "checks": checks, "texts": cut}
