"""Accounts of persons: log in and out, what proves oneself; make, change, end; name a delegate."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from aggregator.access.accounts import Account
from aggregator.access.passwords import CHARACTERS_MAX
from aggregator.access.roles import Role
from aggregator.api.reasons import AskedReason, Reason
from aggregator.caller import Caller, ContextOf, Person
from aggregator.service.access import accounts, delegations, own, people
from aggregator.service.access.accounts import Issued, Proof
from aggregator.service.access.delegations import Delegation

routes = APIRouter(tags=["accounts"])

User = Annotated[str, Field(max_length=64, description="User id.")]
Password = Annotated[str, Field(max_length=CHARACTERS_MAX, description="Password.")]
Code = Annotated[str, Field(max_length=10, description="Code of the second factor; serves once.")]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LoginRequest(_Request):
    """What opens a session."""

    user: User
    password: Password
    code: Code


class PasswordRequest(LoginRequest):
    """What changes a password."""

    new_password: Password


class AccountRequest(_Request):
    """An account that is asked for."""

    user: User
    printed_name: Annotated[str, Field(max_length=100, description="Name as printed, in full.")]
    roles: Annotated[frozenset[Role], Field(min_length=1)]
    reason: Reason


class ReasonRequest(_Request):
    """Why something is done."""

    reason: Reason


class RolesRequest(ReasonRequest):
    """Roles that an account is to have."""

    roles: Annotated[frozenset[Role], Field(min_length=1)]


class SecondFactorRequest(_Request):
    """What replaces a second factor."""

    offer: Annotated[str, Field(max_length=200, description="As it was offered.")]
    new_code: Annotated[Code, Field(description="Code of the new authenticator.")]
    password: Password
    code: Code


class DelegationRequest(_Request):
    """A delegation that is given."""

    delegate: User
    start: Annotated[int, Field(ge=0, description="Nanoseconds since the Unix epoch.")]
    end: Annotated[int, Field(ge=0, description="Nanoseconds since the Unix epoch.")]
    reason: Reason


@routes.post("/sessions", status_code=201, summary="Log in")
async def log_in(context: ContextOf, asked: LoginRequest) -> dict[str, Any]:
    """Open a person's session and return its token, which is shown this once."""
    proof = Proof(password=asked.password, code=asked.code)
    session, text = await accounts.log_in(context, asked.user, proof)
    return {
        "token": text,
        "expires_at": session.expires_at,
        "user": session.actor.name,
        "roles": sorted(session.actor.roles),
    }


@routes.delete("/sessions/current", status_code=204, summary="Log out")
async def log_out(context: ContextOf, person: Person) -> None:
    """End the session that asks."""
    await accounts.log_out(context, person)


@routes.post("/password", status_code=204, summary="Change one's password")
async def change_password(context: ContextOf, asked: PasswordRequest) -> None:
    """Put another password in the place of one's own; every session of the account ends."""
    proof = Proof(password=asked.password, code=asked.code)
    await accounts.change_password(context, asked.user, proof, asked.new_password)


@routes.get("/accounts", summary="List the accounts of persons")
async def read_accounts(context: ContextOf, actor: Caller) -> dict[str, Any]:
    """Return all accounts, the ended ones too."""
    return {"items": [_shown(each) for each in await accounts.every(context, actor)]}


@routes.post("/accounts", status_code=201, summary="Make a person's account")
async def make_account(context: ContextOf, actor: Caller, asked: AccountRequest) -> dict[str, Any]:
    """Return what the first login takes; it is shown this once."""
    issued = await accounts.create(
        context, actor, asked.user, asked.printed_name, asked.roles, why=asked.reason
    )
    return issued_once(issued)


@routes.post("/accounts/{user}/reset", summary="Give an account a new password and second factor")
async def reset_account(
    context: ContextOf, actor: Caller, user: str, asked: ReasonRequest
) -> dict[str, Any]:
    """Return what the next login takes; it is shown this once."""
    return issued_once(await accounts.reset(context, actor, user, why=asked.reason))


@routes.delete("/accounts/{user}", status_code=204, summary="End an account for good")
async def end_account(context: ContextOf, actor: Caller, user: str, reason: AskedReason) -> None:
    """End an account; what it signed stays signed."""
    await accounts.disable(context, actor, user, why=reason)


@routes.put("/accounts/{user}/roles", status_code=204, summary="Give an account other roles")
async def set_roles(context: ContextOf, actor: Caller, user: str, asked: RolesRequest) -> None:
    """Change the roles of an account; its sessions end."""
    await people.set_roles(context, actor, user, asked.roles, why=asked.reason)


@routes.post("/accounts/{user}/lock", status_code=204, summary="Lock an account at once")
async def lock_account(context: ContextOf, actor: Caller, user: str, asked: ReasonRequest) -> None:
    """Lock an account until somebody takes the lock off; its sessions end."""
    await people.lock(context, actor, user, why=asked.reason)


@routes.post("/accounts/{user}/unlock", status_code=204, summary="Take a lock off an account")
async def unlock_account(
    context: ContextOf, actor: Caller, user: str, asked: ReasonRequest
) -> None:
    """Unlock an account, whoever or whatever locked it."""
    await people.unlock(context, actor, user, why=asked.reason)


@routes.get("/sessions", summary="List one's own sessions")
async def read_sessions(context: ContextOf, person: Person) -> dict[str, Any]:
    """Return one's sessions that have not ended, newest first."""
    found = await own.sessions(context, person)
    return {
        "items": [
            {
                "id": each.id,
                "created_at": each.created_at,
                "expires_at": each.expires_at,
                "current": each.id == person.id,
            }
            for each in found
        ]
    }


@routes.delete("/sessions/{session}", status_code=204, summary="End a session of one's own")
async def end_session(
    context: ContextOf, person: Person, session: str, reason: AskedReason
) -> None:
    """End a session, here or elsewhere."""
    await own.end_session(context, person, session, why=reason)


@routes.post("/second-factor/offer", summary="Begin with another authenticator")
async def offer_second_factor(context: ContextOf, person: Person) -> dict[str, str]:
    """Return a new second factor, which is not in force until its first code comes back."""
    offer = own.offer_second_factor(context, person)
    return {"offer": offer.sealed, "enrolment": offer.enrolment}


@routes.post("/second-factor", status_code=204, summary="Put another authenticator in force")
async def replace_second_factor(
    context: ContextOf, person: Person, asked: SecondFactorRequest
) -> None:
    """Replace the second factor of one's own account; every session of it ends."""
    proof = Proof(password=asked.password, code=asked.code)
    await own.replace_second_factor(context, person, proof, asked.offer, asked.new_code)


@routes.get("/delegations", summary="List who decides in whose place")
async def read_delegations(context: ContextOf, actor: Caller) -> dict[str, Any]:
    """Return every delegation, newest first, the ended ones too."""
    found = await delegations.delegations(context, actor)
    return {"items": [_delegation(each) for each in found]}


@routes.post("/delegations", status_code=201, summary="Name who decides in one's place")
async def delegate(context: ContextOf, person: Person, asked: DelegationRequest) -> dict[str, Any]:
    """Return the delegation."""
    given = await delegations.delegate(
        context, person, asked.delegate, asked.start, asked.end, why=asked.reason
    )
    return _delegation(given)


@routes.delete("/delegations/{delegation}", status_code=204, summary="End a delegation")
async def end_delegation(
    context: ContextOf, person: Person, delegation: str, reason: AskedReason
) -> None:
    """End a delegation that one gave oneself."""
    await delegations.end_delegation(context, person, delegation, why=reason)


def issued_once(issued: Issued) -> dict[str, Any]:
    """Return an account with what opens it, which is shown this once."""
    secrets = {"password": issued.password, "enrolment": issued.enrolment}
    return _shown(issued.account) | secrets


def _shown(account: Account) -> dict[str, Any]:
    return {
        "user": account.user,
        "printed_name": account.printed_name,
        "roles": sorted(account.roles),
        "password_state": account.password_state.value,
        "locked_until": account.locked_until or None,
        "created_at": account.created_at,
        "ended_at": account.ended_at,
    }


def _delegation(given: Delegation) -> dict[str, Any]:
    return {
        "id": given.id,
        "principal": given.principal,
        "delegate": given.delegate,
        "start": given.start,
        "end": given.end,
        "ended_at": given.ended_at,
    }
