"""Who may do what, and how he is asked."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field

from aggregator.settings.table import Table, UserPath


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("is no time zone of the IANA data base")
    return name


class SecondPerson(StrEnum):
    """Sorts of acts that can be made to take a second person."""

    ACCESS = "access"  # accounts, roles, tokens
    EXCHANGE = "exchange"  # another system takes confidential records
    EXPORT = "export"  # a person takes a confidential record
    KEYS = "keys"  # keys and epochs of gateways that are registered


class AccessSettings(Table):
    """Accounts of persons and their signatures."""

    failures_max: int = Field(
        default=5, ge=1, le=100, description="failures in a row that lock an account"
    )
    lock_seconds: int = Field(
        default=60, ge=1, description="first lock; it doubles with every further failure"
    )
    lock_seconds_max: int = Field(default=3600, ge=1, description="longest lock")
    series_pause_seconds: int = Field(
        default=900,
        ge=1,
        description="longest pause between two signings of one series; after it both components "
        "are asked for again",
    )
    second_person: tuple[SecondPerson, ...] = Field(
        default=tuple(SecondPerson),
        description="sorts of acts that one person asks for and another approves",
    )
    approval_seconds: int = Field(
        default=259_200,
        ge=60,
        description="how long a request waits for the second person, and an approved export for "
        "being taken",
    )
    time_zone: Annotated[str, AfterValidator(_known_zone)] = Field(
        default="UTC", description="zone in which signatures are printed, like `Asia/Shanghai`"
    )


class ApiSettings(Table):
    """The interface for programs and people."""

    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8080, ge=0, le=65535, description="port; 0 takes a free one")
    certificate_file: UserPath | None = Field(
        default=None, description="PEM file of the server certificate; without it: plain HTTP"
    )
    key_file: UserPath | None = Field(
        default=None, description="PEM file of the server certificate's private key"
    )
