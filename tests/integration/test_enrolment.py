"""A gateway is let in: real processes, real TLS, a real broker that knows the new certificate."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import http.client
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from aggregator.access.roles import Role
from aggregator.app import open_context
from aggregator.errors import AccessError, ConflictError, InvalidError
from aggregator.service import audit_trail
from aggregator.service.context import Context
from aggregator.service.enrolment import admit
from aggregator.settings import load_settings
from edge_agent.keys import certificate_facts, certificate_request
from plant.ca import PlantCA
from plant.clock import utc_now
from plant.ports import listening
from plant.process import Process, ask, our_command
from plant.site import Site
from protocols.wire.control.enrolment import fingerprint, seal_request
from tests.integration.agent_peer import PATIENCE, replay_source
from tests.personal import ADMIN, MovableClock, Person, cheap_passwords, person, with_clock
from tests.sealed import key_named

pytestmark = pytest.mark.usefixtures("cheap_passwords")
__all__ = ["cheap_passwords"]


@dataclass(slots=True, kw_only=True)
class Gate:
    """An aggregator that speaks TLS, and whose plant's authority issues certificates."""

    site: Site
    context: Context
    clock: MovableClock
    chen: Person
    folder: Path

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.site.port}"

    @property
    def pin(self) -> str:
        pem = (self.site.ca.folder / "api.pem").read_text(encoding="utf-8")
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()

    async def enrol(self, token: str, *options: str) -> asyncio.subprocess.Process:
        command = our_command(
            *("edge_agent", "enrol", self.url, "--token", token, "--wait", "240"),
            *("--data-dir", str(self.folder / "new"), "--settings", str(self.folder / "new.toml")),
            *options,
        )
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[Gate]:
    async with Site(tmp_path) as site, contextlib.AsyncExitStack() as stack:
        await site.set_up(replay_source(tmp_path, rows=10, period_ms=20))
        api = site.ca.issue("api")
        text = site.aggregator_settings.read_text(encoding="utf-8")
        text = text.replace(
            "[api]",
            f'[enrolment]\nsite = "demo-plant"\nca_certificate_file = "{site.ca.root}"\n'
            f'ca_key_file = "{site.ca.write_key()}"\n\n'
            f'[api]\ncertificate_file = "{api.certificate}"\nkey_file = "{api.key}"',
        )
        site.aggregator_settings.write_text(text, encoding="utf-8")
        await site.aggregator.start()
        await listening(site.port, timeout_s=60)
        opened = await stack.enter_async_context(
            open_context(load_settings(site.aggregator_settings))
        )
        context, clock = with_clock(opened)
        chen = await person(context, clock, "chen.jie", "Chen Jie", Role.ENGINEER)
        yield Gate(site=site, context=context, clock=clock, chen=chen, folder=tmp_path)


async def said(running: asyncio.subprocess.Process, word: str) -> str:
    """Return the next line of a process that begins with a word."""
    assert running.stdout is not None
    async with asyncio.timeout(PATIENCE):
        async for line in running.stdout:
            if line.decode().startswith(word):
                return line.decode().split()[-1]
    out = await running.stderr.read() if running.stderr else b""
    pytest.fail(f"it did not say {word}: {out.decode()}")


@pytest.mark.req(42)
async def test_a_gateway_is_invited_compared_admitted_and_runs(gate: Gate) -> None:
    settings = ("--settings", str(gate.site.aggregator_settings))
    printed = await ask(our_command("aggregator", "gateway", "invite", "gw-9", "--json", *settings))
    invited = json.loads(printed)
    assert invited["fingerprint"] == gate.pin
    running = await gate.enrol(invited["token"], "--fingerprint", gate.pin)
    shown = await said(running, "fingerprint")
    (waiting,) = await admit.every(gate.context, ADMIN)
    assert waiting["fingerprint"] == shown
    chen = await gate.chen.log_in()
    with pytest.raises(ConflictError, match="not the fingerprint"):
        await admit.admit(gate.context, chen.actor, waiting["enrolment"], "0" * 32, why="no")
    await admit.admit(gate.context, chen.actor, waiting["enrolment"], shown, why="compared")
    await said(running, "enrolled")
    assert await running.wait() == 0

    new = gate.folder / "new.toml"
    assert new.stat().st_mode & 0o077 == 0
    text = new.read_text(encoding="utf-8")
    text = text.replace("[uplink]", "[uplink]\nrenew_days = 365")
    if gate.site.broker.embedded:
        text = text.replace("[uplink]", '[uplink]\nmqtt = "3.1.1"')
    new.write_text(text + replay_source(gate.folder, rows=100_000, period_ms=20), encoding="utf-8")
    agent = Process(
        "gw-9", our_command("edge_agent", "run", "--settings", str(new)), gate.folder / "gw-9.log"
    )
    first = (gate.folder / "new" / "tls" / "gateway.pem").read_bytes()
    await agent.start()
    try:

        async def stored() -> int:
            async with gate.context.store.read() as tx:
                rows = await tx.fetch("epochs.all")
            return max((row["head"] for row in rows if row["gateway"] == "gw-9"), default=0)

        before = gate.folder / "new" / "tls" / "gateway.before.pem"
        async with asyncio.timeout(PATIENCE):
            while not before.exists():  # noqa: ASYNC110 -- a file has no event
                await asyncio.sleep(0.2)
        assert before.read_bytes() == first
        async with asyncio.timeout(PATIENCE):
            head = await stored()
            while await stored() < head + 5:  # noqa: ASYNC110 -- what is stored has no event
                await asyncio.sleep(0.2)
    finally:
        await agent.stop()
    entries = await audit_trail.page(gate.context, ADMIN, after=-1, count=1000)
    acts = [entry["act"] for entry in entries if entry["what"] == "gateway gw-9"]
    assert acts == [
        "invite a gateway",
        "ask for enrolment",
        "admit a gateway",
        "renew a certificate",
    ]
    old = certificate_facts(first)
    fresh = certificate_facts(before.with_name("gateway.pem").read_bytes())
    assert fresh.not_after > old.not_after
    assert fresh._replace(not_after=old.not_after) == old


async def test_a_gateway_speaks_to_no_aggregator_but_the_one_that_was_named(gate: Gate) -> None:
    token, _ = await admit.invite(gate.context, ADMIN, "gw-9", why="a test")
    for options, named in (
        (("--fingerprint", "ab" * 32), "another certificate"),
        (("--ca", str(other_authority(gate.folder))), "no connection"),
        ((), "nothing says which aggregator"),
    ):
        running = await gate.enrol(token, *options)
        _, complained = await running.communicate()
        assert running.returncode, complained
        assert named in complained.decode()
    assert await admit.every(gate.context, ADMIN) == [], "nothing was asked for"


def other_authority(folder: Path) -> Path:
    return PlantCA(folder / "other", now=utc_now()).root


def asks(folder: Path, token: str, name: str = "gw-9") -> tuple[str, str, str]:
    """Return what a gateway says to be let in, with one request of its own, and its fingerprint."""
    kept = folder / f"{name}.csr"
    if not kept.exists():
        kept.write_bytes(certificate_request(folder / f"{name}.key"))
    key, request = key_named(name), kept.read_bytes()
    statement = seal_request(token, request, key)
    said = (base64.b64encode(each).decode() for each in (request, statement))
    return *said, fingerprint(request, key.public)  # type: ignore[return-value] # two and one


@pytest.mark.req(42)
async def test_a_token_serves_one_gateway_once_for_a_while(gate: Gate) -> None:
    context, folder = gate.context, gate.folder
    token, _ = await admit.invite(context, ADMIN, "gw-9", why="a test")
    request, statement, shown = asks(folder, token)
    with pytest.raises(AccessError):
        await admit.ask(context, token[:-1] + "0", *asks(folder, token[:-1] + "0")[:2])
    other, _ = await admit.invite(context, ADMIN, "gw-8", why="a test")
    with pytest.raises(InvalidError, match="seal key is not proved"):
        await admit.ask(context, other, request, statement)
    first = await admit.ask(context, token, request, statement)
    assert first.fingerprint == shown
    typed = token.lower().replace("-", "")
    assert await admit.ask(context, typed, *asks(folder, typed)[:2]) == first
    again = await admit.ask(context, token, request, statement)
    assert again == first, "the same gateway may have missed the answer"
    with pytest.raises(AccessError, match="does not serve"):
        await admit.ask(context, token, *asks(folder, token, "thief")[:2])
    entries = await audit_trail.page(context, ADMIN, after=-1, count=1000)
    assert entries[-1]["act"] == "use a token twice"
    with pytest.raises(AccessError):
        await admit.look(context, first.id, other)
    with pytest.raises(ConflictError, match="another person than the one who invited"):
        await admit.admit(context, ADMIN, first.id, shown, why="alone")
    await admit.refuse(context, ADMIN, first.id, why="a test")
    assert (await admit.look(context, first.id, token))["state"] == "refused"
    gate.clock.skip(25 * 3600)
    with pytest.raises(AccessError):
        await admit.ask(context, other, *asks(folder, other)[:2])


async def test_tokens_cannot_be_tried_out(gate: Gate) -> None:
    def knock() -> int:
        context = ssl.create_default_context(cafile=str(gate.site.ca.root))
        line = http.client.HTTPSConnection("127.0.0.1", gate.site.port, context=context, timeout=60)
        try:
            line.request("GET", "/enrol/v1/nothing", headers={"X-Enrolment-Token": "guess"})
            return line.getresponse().status
        finally:
            line.close()

    answers = [await asyncio.to_thread(knock) for _ in range(70)]
    assert answers[0] == 401
    assert 429 in answers
