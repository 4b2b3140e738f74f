"""A sealing press behind an OPC UA server: a small physical model with a PLC's address space.

Nodes of ``NAMESPACE`` under ``/Objects/Press``, by string NodeId ``Press.<name>``::

    PlateTemperature  Double  degC            State      UInt16  0 idle, 1 producing, 2 fault
    SealPressure      Double  bar             LotId      String  empty between lots
    DwellTime         Double  s, last cycle   WorkOrder  String  empty between lots
    CycleCount        UInt32                  JobPhase   String  phase of the recipe

Every update writes every node with the press's own time, as a PLC's scan does. ``SIGNALS`` says
the same as rows of a driver's signal list.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import math
from collections.abc import Callable
from datetime import datetime
from enum import Enum, IntEnum
from pathlib import Path
from typing import Any, Final

from asyncua import Server, ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.crypto.truststore import TrustStore
from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions

from plant.clock import utc_now
from plant.equipment.press_model import PressDesign, PressModel, PressState
from plant.running import Running
from protocols.wire.reading import Kind

__all__ = ["APPLICATION_URI", "NAMESPACE", "SIGNALS", "Lines", "Press", "PressStatus"]

APPLICATION_URI: Final = "urn:lotproof:plant:press"
"""What the server calls itself; its certificate must name it."""

NAMESPACE: Final = "urn:lotproof:plant:press:model"
"""Namespace of the press's nodes."""


def _row(name: str, node: str, kind: Kind, unit: str = "1") -> dict[str, Any]:
    address = f"nsu={NAMESPACE};s=Press.{node}"
    return {"name": name, "unit": unit, "kind": kind, "address": address}


SIGNALS: Final[tuple[dict[str, Any], ...]] = (
    _row("plate-temperature", "PlateTemperature", Kind.FLOAT64, "Cel"),
    _row("seal-pressure", "SealPressure", Kind.FLOAT64, "bar"),
    _row("dwell-time", "DwellTime", Kind.FLOAT64, "s"),
    _row("cycle-count", "CycleCount", Kind.UINT),
    _row("state", "State", Kind.UINT),
    _row("lot-id", "LotId", Kind.TEXT),
    _row("work-order", "WorkOrder", Kind.TEXT),
    _row("job-phase", "JobPhase", Kind.TEXT),
)


class PressStatus(IntEnum):
    """The node State."""

    IDLE = 0  # no lot
    PRODUCING = 1  # a lot runs
    FAULT = 2  # a sensor fails


class Lines(Enum):
    """Which lines the server takes."""

    ENCRYPTED = 0  # Basic256Sha256 and Aes256_Sha256_RsaPss, SignAndEncrypt
    PLAIN_TOO = 1  # and unencrypted ones without a user: for tests and for looking at it


class Press(Running):
    """The press and its server, as a context: ``async with Press(seed=1, ...) as press``.

    The model moves on by ``update_seconds`` times ``speed`` at each update, whether the server is
    on or not; the same seed and the same calls at the same update give the same press.
    Certificate and key are PEM files; ``trusted`` is a folder of client certificates or their
    CAs, without which any client that knows user and password is let in.
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        port: int = 0,
        update_seconds: float = 0.2,
        speed: float = 1.0,
        design: PressDesign | None = None,
        lines: Lines = Lines.ENCRYPTED,
        certificate: Path | None = None,
        private_key: Path | None = None,
        trusted: Path | None = None,
        user: str | None = None,
        password: str | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        if lines is Lines.ENCRYPTED and (certificate is None or private_key is None):
            raise ValueError("an encrypted line needs certificate and private_key")
        self.model = PressModel(seed=seed, design=design)
        self.port = port  # 0 until the server has found one
        self._update_seconds = update_seconds
        self._dt = update_seconds * speed
        self._lines = lines
        self._certificate = certificate
        self._private_key = private_key
        self._trusted = trusted
        self._users = _Users(lines, user, password)
        self._clock = clock
        self._state = self.model.step(0.0)
        self._fault_seconds = 0.0
        self._fault_left = 0.0
        self._server: Server | None = None
        self._nodes: dict[str, ua.NodeId] = {}
        self._updates: asyncio.Task[None] | None = None
        self._updated = asyncio.Condition()

    @property
    def endpoint(self) -> str:
        """The server's address."""
        return f"opc.tcp://127.0.0.1:{self.port}"

    @property
    def state(self) -> PressState:
        """What the sensors said at the last update, sensor faults aside."""
        return self._state

    async def _begin(self) -> None:
        await self.start()
        self._updates = asyncio.create_task(self._keep_updating())

    async def _end(self) -> None:
        if self._updates is not None:
            self._updates.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._updates
        await self.stop()

    async def start(self) -> None:
        """Switch the server on; the press goes on in any case."""
        server = Server(user_manager=self._users)
        await server.init()
        server.name = "Lotproof plant press"
        server.set_endpoint(self.endpoint)
        server.disable_clock()  # its clock node is nobody's, and it delays every stop by a second
        await server.set_application_uri(APPLICATION_URI)
        await self._secure(server)
        await self._add_nodes(server)
        await server.start()
        self.port = server.bserver.port
        self._server = server
        await self._show()

    async def stop(self) -> None:
        """Switch the server off; it comes back at the same port."""
        server, self._server = self._server, None
        if server is not None:
            await server.stop()

    def renew(self, certificate: Path, private_key: Path) -> None:
        """Take another certificate, which the server shows from its next start on."""
        self._certificate, self._private_key = certificate, private_key

    async def start_lot(self, lot: str, work_order: str) -> None:
        """Begin a lot and return when the nodes show it; ValueError while another lot runs."""
        self.model.start_lot(lot, work_order)
        await self._next_update()

    async def end_lot(self) -> None:
        """End the lot and return when the nodes show it."""
        self.model.end_lot()
        await self._next_update()

    async def excursion(self, *, kelvin: float, seconds: float) -> None:
        """Shift the temperature's setpoint for a time of the model, and return when it began."""
        self.model.shift_setpoint(kelvin, seconds)
        await self._next_update()

    async def fail_sensor(self, *, seconds: float) -> None:
        """Let the plate's sensor fail: BadSensorFailure for half the time, then NaN as GOOD."""
        self._fault_seconds = self._fault_left = seconds
        await self._next_update()

    async def _next_update(self) -> None:
        async with self._updated:
            await self._updated.wait()

    async def _keep_updating(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due += self._update_seconds
            await asyncio.sleep(due - loop.time())
            self._state = self.model.step(self._dt)
            self._fault_left = max(0.0, self._fault_left - self._dt)
            await self._show()
            async with self._updated:
                self._updated.notify_all()

    async def _secure(self, server: Server) -> None:
        policies = []
        if self._certificate is not None and self._private_key is not None:
            await server.load_certificate(self._certificate, "pem")
            await server.load_private_key(self._private_key, format="pem")
            policies = [
                ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
                ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt,
            ]
        if self._lines is Lines.PLAIN_TOO:
            policies.append(ua.SecurityPolicyType.NoSecurity)
        server.set_security_policy(policies)
        server.set_identity_tokens([ua.AnonymousIdentityToken, ua.UserNameIdentityToken])
        if self._trusted is not None:
            store = TrustStore([self._trusted], [])
            await store.load()
            options = CertificateValidatorOptions.TRUSTED_VALIDATION
            validator = CertificateValidator(
                options | CertificateValidatorOptions.PEER_CLIENT, store
            )
            server.set_certificate_validator(validator)

    async def _add_nodes(self, server: Server) -> None:
        index = await server.register_namespace(NAMESPACE)
        press = await server.nodes.objects.add_object(ua.NodeId("Press", index), f"{index}:Press")
        for name, kind in _TYPES.items():
            node = ua.NodeId(f"Press.{name}", index)
            await press.add_variable(node, f"{index}:{name}", _EMPTY[kind], kind)
            self._nodes[name] = node

    async def _show(self) -> None:
        """Write every node, with the time at which its sensor was read."""
        if self._server is None:
            return
        now = self._clock()
        for name, value in self._values().items():
            status = ua.StatusCodes.Good
            if name == "PlateTemperature" and self._fault_left > self._fault_seconds / 2:
                status = ua.StatusCodes.BadSensorFailure
            data = ua.DataValue(
                ua.Variant(value, _TYPES[name]),
                StatusCode=ua.StatusCode(status),
                SourceTimestamp=now,
                ServerTimestamp=now,
            )
            await self._server.write_attribute_value(self._nodes[name], data)

    def _values(self) -> dict[str, object]:
        state = self._state
        failing = self._fault_left > 0.0
        producing = PressStatus.PRODUCING if state.lot else PressStatus.IDLE
        return {
            "PlateTemperature": math.nan if failing else state.plate_temperature,
            "SealPressure": state.seal_pressure,
            "DwellTime": state.dwell_time,
            "CycleCount": state.cycle_count,
            "State": int(PressStatus.FAULT if failing else producing),
            "LotId": state.lot,
            "WorkOrder": state.work_order,
            "JobPhase": str(state.phase),
        }


_TYPES: Final[dict[str, Any]] = {
    "PlateTemperature": ua.VariantType.Double,
    "SealPressure": ua.VariantType.Double,
    "DwellTime": ua.VariantType.Double,
    "CycleCount": ua.VariantType.UInt32,
    "State": ua.VariantType.UInt16,
    "LotId": ua.VariantType.String,
    "WorkOrder": ua.VariantType.String,
    "JobPhase": ua.VariantType.String,
}
_EMPTY: Final[dict[Any, object]] = {
    ua.VariantType.Double: 0.0,
    ua.VariantType.UInt32: 0,
    ua.VariantType.UInt16: 0,
    ua.VariantType.String: "",
}


class _Users:
    """The one user of the press; asyncua asks with whatever a client gave."""

    def __init__(self, lines: Lines, user: str | None, password: str | None) -> None:
        self._lines = lines
        self._user = user
        self._password = password

    def get_user(
        self,
        iserver: object,  # noqa: ARG002 -- asyncua's signature
        username: str | None = None,
        password: str | None = None,
        certificate: object = None,  # noqa: ARG002 -- asyncua's signature
    ) -> User | None:
        """Return the user, or None for BadUserAccessDenied."""
        if self._user is None or self._password is None:
            return User(role=UserRole.User)
        if username is None:
            return User(role=UserRole.User) if self._lines is Lines.PLAIN_TOO else None
        named = hmac.compare_digest(username.encode(), self._user.encode())
        known = hmac.compare_digest((password or "").encode(), self._password.encode())
        return User(role=UserRole.User, name=username) if named and known else None
