"""How gateways are let in, and who issues their certificates."""

from __future__ import annotations

from pydantic import Field

from aggregator.settings.table import Table, UserPath


class EnrolmentSettings(Table):
    """Enrolment of gateways, and the authority that issues their certificates."""

    site: str = Field(
        default="plant",
        pattern=r"^[a-z0-9.-]{1,64}$",
        description="name of the site in certificates: `spiffe://<site>/gateway/<id>`",
    )
    ca_certificate_file: UserPath | None = Field(
        default=None,
        description="PEM file of the issuing authority, of the plant's own where it has one; left "
        "out: ca.pem in keys_folder, which `lotproof-aggregator init` makes",
    )
    ca_key_file: UserPath | None = Field(
        default=None, description="PEM file of its private key; left out: ca.key in keys_folder"
    )
    certificate_days: int = Field(
        default=60, ge=1, le=398, description="how long a gateway's certificate is valid"
    )
    token_hours: int = Field(
        default=24, ge=1, le=24, description="how long a token for an enrolment is valid"
    )
    attempts_per_minute: int = Field(
        default=30, ge=1, le=10_000, description="enrolments that are looked at in a minute"
    )
    broker_host: str = Field(
        default="", description="the broker as gateways reach it; left out: broker.host"
    )
    broker_port: int | None = Field(
        default=None, ge=1, le=65535, description="its port; left out: broker.port"
    )
