"""Persons with accounts, for tests that log in and sign: a clock that can be moved, and codes."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import parse_qs, urlsplit

import pytest
from argon2 import PasswordHasher

from aggregator.access import passwords, second_factor
from aggregator.access.roles import Actor, Role
from aggregator.clock import SystemClock
from aggregator.service.access import accounts
from aggregator.service.access.accounts import Issued, Proof, Session
from aggregator.service.context import Context
from protocols.wire.reading import SECOND, Nanoseconds

ADMIN: Final = Actor(name="root@console", roles=frozenset({Role.ADMIN}))
PERSONAL: Final = {
    ("POST", "/sessions"),
    ("DELETE", "/sessions/current"),
    ("POST", "/password"),
    ("POST", "/delegations"),
    ("DELETE", "/delegations/{delegation}"),
    ("GET", "/sessions"),
    ("DELETE", "/sessions/{session}"),
    ("POST", "/second-factor/offer"),
    ("POST", "/second-factor"),
    ("GET", "/approvals"),
    ("POST", "/approvals"),
    *(("POST", f"/approvals/{{approval}}/{what}") for what in ("approve", "deny", "withdraw")),
    *(
        ("POST", f"/master/{{kind}}/{{key}}/versions/{{version}}/{do}")
        for do in ("approve", "reject")
    ),
    ("POST", "/reviews/{gtin}/{lot}"),
    ("GET", "/reviews/{gtin}/{lot}/statement"),
    ("POST", "/reviews/{gtin}/{lot}/signatures"),
    ("POST", "/unended/{fact_id}"),
    *(("POST", f"/facts/{{fact_id}}/corrections/{do}") for do in ("statement", "signed")),
    ("POST", "/records/{gtin}/{lot}/entries"),
    ("POST", "/gateways/settings"),
    ("POST", "/gateways/invitations"),
    ("POST", "/gateways/enrolments/{enrolment}/admit"),
    ("POST", "/gateways/enrolments/{enrolment}/refuse"),
    ("POST", "/gateways/settings/{rollout}/halt"),
    *(
        ("POST", f"/records/{{gtin}}/{{lot}}/entries/{{entry}}/{do}")
        for do in ("check", "corrections")
    ),
}
"""Operations of the API that log a person in, or that a person alone can do."""

PASSWORD: Final = "the press sings at dawn"


@pytest.fixture
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let argon2 do little work: a hash tells with what figures it was made."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_HASHER", cheap)


@dataclass(slots=True)
class MovableClock:
    """The machine's clock, set forward by what a test says."""

    ahead: Nanoseconds = 0
    system: SystemClock = field(default_factory=SystemClock)

    def now(self) -> Nanoseconds:
        """Return nanoseconds since 1970, ahead of the machine's."""
        return self.system.now() + self.ahead

    def monotonic(self) -> Nanoseconds:
        """Return nanoseconds since some fixed moment."""
        return self.system.monotonic() + self.ahead

    def skip(self, seconds: float) -> None:
        """Let time pass."""
        self.ahead += round(seconds * SECOND)


@dataclass(slots=True, kw_only=True)
class Person:
    """Somebody with an account, a password of their own and an authenticator."""

    context: Context
    clock: MovableClock
    user: str
    secret: bytes
    password: str = PASSWORD

    def code(self) -> str:
        """Return a code that has not served yet: the clock moves to the next one."""
        self.clock.skip(second_factor.STEP_SECONDS)
        return second_factor.code_at(self.secret, second_factor.step_at(self.clock.now()))

    def proof(self) -> Proof:
        """Return both components."""
        return Proof(password=self.password, code=self.code())

    async def log_in(self) -> Session:
        """Open a session."""
        _, text = await accounts.log_in(self.context, self.user, self.proof())
        return await accounts.session_of(self.context, text)

    async def token(self) -> str:
        """Open a session and return its text."""
        _, text = await accounts.log_in(self.context, self.user, self.proof())
        return text


def with_clock(context: Context) -> tuple[Context, MovableClock]:
    """Return the context with a clock that tests move."""
    clock = MovableClock()
    return replace(context, clock=clock), clock


def secret_of(issued: Issued) -> bytes:
    """Return the secret that an authenticator reads from the enrolment address."""
    (text,) = parse_qs(urlsplit(issued.enrolment).query)["secret"]
    return base64.b32decode(text + "=" * (-len(text) % 8))


async def person(
    context: Context, clock: MovableClock, user: str, printed_name: str, *roles: Role
) -> Person:
    """Make an account, and choose its password as the person does at the first login."""
    issued = await accounts.create(
        context, ADMIN, user, printed_name, frozenset(roles), why="joined the plant"
    )
    found = Person(context=context, clock=clock, user=user, secret=secret_of(issued))
    proof = Proof(password=issued.password, code=found.code())
    await accounts.change_password(context, user, proof, PASSWORD)
    return found
