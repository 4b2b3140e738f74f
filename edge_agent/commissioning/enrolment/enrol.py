"""Enrols this gateway: makes its keys, asks with a one-time token, and writes what it is given.

The aggregator is known by the fingerprint of its certificate or by an authority's file, and by
nothing else: not by what a resolver or a system's store of authorities says.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from edge_agent.errors import CommissioningError
from edge_agent.keys import certificate_request, load_or_create, write_private
from protocols.wire.control.enrolment import fingerprint, seal_request

_TIMEOUT_S: Final = 15.0
_ANSWER_BYTES_MAX: Final = 262_144
_PATH: Final = "/enrol/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregator:
    """Where the aggregator is, and how to be sure that it is the one."""

    url: str
    fingerprint: str = ""  # SHA-256 of its certificate, hexadecimal
    ca: Path | None = None  # or the authority of its certificate


class Enrolment:
    """One enrolment, from the keys to the settings file; it may be begun again at any step."""

    def __init__(self, aggregator: Aggregator, token: str, *, data_dir: Path) -> None:
        """Make the keys that are missing; KeyFileError, CommissioningError."""
        parts = urlsplit(aggregator.url)
        if parts.scheme != "https" or not parts.hostname:
            raise CommissioningError(
                f"{aggregator.url!r} is not https://host:port",
                hint="a token is never sent over a line that is not encrypted",
            )
        if not aggregator.fingerprint and aggregator.ca is None:
            raise CommissioningError(
                "nothing says which aggregator is the right one",
                hint="give --fingerprint, as `gateway invite` prints it, or --ca",
            )
        self._aggregator = aggregator
        self._host, self._port = parts.hostname, parts.port or 443
        self._token = token
        self._data_dir = data_dir
        self._tls = data_dir / "tls"
        self._seal_key = load_or_create(data_dir / "seal.key")
        self._request = _kept_request(self._tls)
        self.fingerprint = fingerprint(self._request, self._seal_key.public)
        """What a person compares with what came to the aggregator."""
        self._id = ""

    def ask(self) -> None:
        """Ask to be let in; CommissioningError says why one is not heard."""
        statement = seal_request(self._token, self._request, self._seal_key)
        said = self._call(
            "POST",
            _PATH,
            {
                "token": self._token,
                "request": base64.b64encode(self._request).decode(),
                "statement": base64.b64encode(statement).decode(),
            },
        )
        self._id = str(said["enrolment"])
        if said["fingerprint"] != self.fingerprint:
            raise CommissioningError(
                "the aggregator has heard something else than was said",
                hint="somebody stands in between: ask for the request to be refused",
            )

    def look(self) -> dict[str, Any] | None:
        """Return what the gateway is given, None while it waits; CommissioningError if refused."""
        said = self._call("GET", f"{_PATH}/{self._id}", None)
        if said["state"] == "refused":
            raise CommissioningError("this gateway was not let in", hint="ask who refused it")
        return said if said["state"] == "admitted" else None

    def write(self, given: dict[str, Any], settings: Path) -> bool:
        """Write certificates and, where there is none, the settings file; tell whether it was.

        KeyFileError where the disk does not take them.
        """
        certificate, ca = self._tls / "gateway.pem", self._tls / "ca.pem"
        write_private(certificate, str(given["certificate"]).encode())
        write_private(ca, str(given["broker"]["ca"]).encode())
        if settings.exists():
            return False
        tables: dict[str, dict[str, object]] = {
            "gateway": {"id": given["gateway"], "data_dir": str(self._data_dir)},
            "uplink": {
                "host": given["broker"]["host"],
                "port": given["broker"]["port"],
                "ca": str(ca),
                "certificate": str(certificate),
                "key": str(self._tls / "gateway.key"),
            },
            "aggregator": {
                "seal_key": given["aggregator"]["seal_key"],
                "log_key": given["aggregator"]["log_key"],
            },
        }
        text = "".join(
            f"[{table}]\n"
            # TOML's basic strings and integers are those of JSON.
            + "".join(f"{name} = {json.dumps(value)}\n" for name, value in keys.items())
            + "\n"
            for table, keys in tables.items()
        )
        write_private(settings, text.encode())
        return True

    def _call(self, method: str, path: str, body: dict[str, str] | None) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"}
        if body is None:
            headers["X-Enrolment-Token"] = self._token
        with self._connected() as line:
            line.request(method, path, None if body is None else json.dumps(body), headers)
            answer = line.getresponse()
            data = answer.read(_ANSWER_BYTES_MAX)
        try:
            said: dict[str, Any] = json.loads(data)
        except ValueError:
            raise CommissioningError(f"{self._aggregator.url} is not an aggregator") from None
        if answer.status >= http.client.MULTIPLE_CHOICES:
            raise CommissioningError(
                f"the aggregator says: {said.get('detail', answer.reason)}",
                hint=str(said.get("hint", "")),
            )
        return said

    @contextlib.contextmanager
    def _connected(self) -> Iterator[http.client.HTTPSConnection]:
        line = http.client.HTTPSConnection(
            self._host, self._port, timeout=_TIMEOUT_S, context=self._context()
        )
        try:
            line.connect()
            self._check(line)
            yield line
        except (OSError, http.client.HTTPException) as error:
            raise CommissioningError(
                f"no connection to {self._aggregator.url}: {error}",
                hint="check the address, and that its certificate is the one that was named",
            ) from error
        finally:
            line.close()

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self._aggregator.ca is not None:
            context.load_verify_locations(cafile=self._aggregator.ca)
        else:
            # Not by an authority: by the very certificate, before anything is sent.
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def _check(self, line: http.client.HTTPSConnection) -> None:
        """Raise CommissioningError unless the certificate is the one that was named."""
        wanted = self._aggregator.fingerprint.replace(":", "").replace("-", "").lower()
        if not wanted:
            return
        certificate = line.sock.getpeercert(binary_form=True) or b""
        if not hmac.compare_digest(hashlib.sha256(certificate).hexdigest(), wanted):
            raise CommissioningError(
                f"{self._aggregator.url} has another certificate than the one that was named",
                hint="it is renewed, or somebody stands in between: ask for its fingerprint anew",
            )


def _kept_request(folder: Path) -> bytes:
    """Return the certificate request, the same each time: its fingerprint is read out once."""
    path = folder / "gateway.csr"
    if not path.exists():
        write_private(path, certificate_request(folder / "gateway.key"))
    return path.read_bytes()
