"""A certificate that comes is taken only where it cannot lock the gateway out."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest

from aggregator.access.issuing import Authority, load_authority, make_authority
from aggregator.settings import EnrolmentSettings, Settings
from edge_agent.clock import GatewayClock
from edge_agent.config_sync.renewal import CertificateKeeper
from edge_agent.keys import certificate_facts, certificate_request
from edge_agent.settings import UplinkSettings
from protocols.wire.control.renewal import Renewed, open_renewal, seal_renewed
from protocols.wire.header import GatewayId
from tests.agent_line import GATEWAY, NOW, SetClock
from tests.sealed import key_named

AGGREGATOR = key_named("aggregator")


def authority(folder: Path, site: str) -> Authority:
    """Return an authority of its own."""
    settings = Settings(keys_folder=folder, enrolment=EnrolmentSettings(site=site))
    assert make_authority(settings, NOW)
    return load_authority(settings)


class Bench:
    """A gateway with a certificate, and an authority that can issue others."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.ca = authority(folder / "pki", "plant")
        self.certificate = folder / "gateway.pem"
        self.uplink = UplinkSettings(
            host="broker",
            ca=folder / "pki" / "ca.pem",
            certificate=self.certificate,
            key=folder / "gateway.key",
            **settings,
        )
        self.certificate.write_text(self.issue(days=10), encoding="utf-8")
        self.connected_anew = 0
        self.sent: list[bytes] = []
        self.keeper = CertificateKeeper(
            gateway=GATEWAY,
            aggregator=AGGREGATOR.public,
            clock=GatewayClock(SetClock(wall_time=NOW)),
            key=key_named(GATEWAY),
            settings=lambda: self.uplink,
            send=self._send,
            renewed=self._renewed,
        )

    def issue(
        self, *, days: int, name: str = GATEWAY, by: Authority | None = None, key: str = "gateway"
    ) -> str:
        """Return a certificate for a key of this gateway."""
        request = certificate_request(self.folder / f"{key}.key")
        chosen = by or self.ca
        return chosen.issue(request, gateway=name, site="plant", days=days, now=NOW).pem

    def _send(self, data: bytes) -> bool:
        self.sent.append(data)
        return True

    def _renewed(self) -> None:
        self.connected_anew += 1

    def give(self, pem: str, *, gateway: str = GATEWAY) -> bool:
        sealed = seal_renewed(Renewed(GatewayId(gateway), pem), AGGREGATOR)
        return self.keeper.take(sealed)


def test_a_certificate_that_ends_later_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    before = bench.certificate.read_bytes()
    assert 9.9 < (bench.keeper.days_left() or 0) <= 10
    assert bench.give(bench.issue(days=40))
    assert 39.9 < (bench.keeper.days_left() or 0) <= 40
    kept = bench.certificate.with_suffix(".before.pem")
    assert kept.read_bytes() == before
    assert (bench.connected_anew, bench.keeper.alert) == (1, "")


@pytest.mark.parametrize("wrong", ["another key", "another authority", "another gateway", "sooner"])
def test_a_certificate_that_could_lock_the_gateway_out_is_not_taken(
    tmp_path: Path, wrong: str
) -> None:
    bench = Bench(tmp_path)
    before = bench.certificate.read_bytes()
    other = authority(tmp_path / "other", "other")
    changes: dict[str, dict[str, Any]] = {
        "another key": {"key": "other"},
        "another authority": {"by": other},
        "another gateway": {"name": "gw-02"},
        "sooner": {"days": 5},
    }
    pem = bench.issue(**{"days": 40, **changes[wrong]})
    assert bench.give(pem)
    assert bench.certificate.read_bytes() == before
    assert "was not taken" in bench.keeper.alert
    assert bench.connected_anew == 0


def test_what_is_no_certificate_of_the_aggregator_is_left_to_others(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    forged = seal_renewed(Renewed(GATEWAY, "x"), key_named("somebody else"))
    assert not bench.keeper.take(forged)
    assert not bench.keeper.take(b"anything")
    assert bench.keeper.alert == ""
    assert certificate_facts(bench.certificate.read_bytes()).name == GATEWAY


@pytest.mark.parametrize(("renew_days", "asks"), [(20, True), (5, False), (0, False)])
async def test_it_asks_in_time_under_its_seal(
    tmp_path: Path, renew_days: int, *, asks: bool
) -> None:
    bench = Bench(tmp_path, renew_days=renew_days)
    running = asyncio.create_task(bench.keeper.run())
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(5 if asks else 0.5):
            while not bench.sent:  # noqa: ASYNC110 -- what is sent has no event
                await asyncio.sleep(0.02)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert bool(bench.sent) is asks
    for sealed in bench.sent:
        asked = open_renewal(sealed, key_named(GATEWAY).public)
        assert (asked.gateway, asked.time) == (GATEWAY, NOW)
        assert bench.ca.issue(asked.request, gateway=GATEWAY, site="plant", days=1, now=NOW).pem
