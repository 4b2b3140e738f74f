"""An OPC UA server with a node a type, behind the proxy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from asyncua import Server, ua
from asyncua.common.callback import CallbackType

from plant.network import Proxy
from protocols.field.opcua import SPEC
from protocols.field.opcua.settings import OpcuaSettings, OpcuaSignal, Security
from protocols.wire.reading import Kind, Status
from tests.contract.driver_contract import Keeps, Lie, Rig, Truth

ITEMS_A_CALL_MAX = 3
URI = "urn:lotproof:test:press"

NODES: dict[str, tuple[ua.VariantType, object]] = {
    "Counter": (ua.VariantType.UInt32, 0),
    "Temperature": (ua.VariantType.Double, 20.0),
    "Pressure": (ua.VariantType.Float, 1.0),
    "Offset": (ua.VariantType.Int16, 0),
    "Running": (ua.VariantType.Boolean, False),
    "Lot": (ua.VariantType.String, ""),
    "Frame": (ua.VariantType.ByteString, b"\x00"),
}


class OpcuaRig(Rig):
    """asyncua's server with a node a type."""

    spec = SPEC
    counter = "counter"
    keeps = Keeps.EVERY
    source_time = True
    silence_max = 30.0
    absent = ("absent", "absent-path", "absent-namespace")

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.server: Any = None
        self.nodes: dict[str, Any] = {}
        self.counted = 0
        self.items_a_call: list[int] = []
        self.earlier: list[str] = []  # namespaces that the server numbers before ours
        self.changes: dict[str, object] = {}  # settings other than the usual ones

    def settings(self) -> OpcuaSettings:
        usual: dict[str, object] = {
            "endpoint": f"opc.tcp://127.0.0.1:{self.proxy.port}",
            "security": Security.NONE,
            "publishing_s": 0.05,
            "keepalive_s": 1.0,
            "lifetime_s": 30.0,
            "timeout_s": 1.0,
            "signals": tuple(self.signals()),
        }
        return OpcuaSettings.model_validate(usual | self.changes)

    def signals(self) -> list[OpcuaSignal]:
        def signal(name: str, address: str, kind: Kind = Kind.FLOAT64) -> OpcuaSignal:
            return OpcuaSignal(name=name, address=address, kind=kind, sampling_s=0.0)

        return [
            signal("absent", f"nsu={URI};s=NoSuchNode"),
            signal("counter", f"nsu={URI};s=Counter", Kind.UINT),
            signal("temperature", f"/Objects/nsu={URI};Press/nsu={URI};Temperature"),
            signal("absent-path", f"/Objects/nsu={URI};Press/2:NoSuchName"),
            signal("pressure", f"nsu={URI};s=Pressure", Kind.FLOAT32),
            signal("offset", "/Objects/2:Press/2:Offset", Kind.INT),
            signal("running", "ns=2;s=Running", Kind.BOOL),
            signal("absent-namespace", "nsu=urn:nobody;s=Counter"),
            signal("lot", f"nsu={URI};s=Lot", Kind.TEXT),
            signal("frame", f"nsu={URI};s=Frame", Kind.BYTES),
        ]

    async def start(self) -> None:
        server = Server()
        await server.init()
        server.disable_clock()
        # Equipment that does not keep to its own types; asyncua's server would refuse to be it.
        server.iserver.aspace._is_expected_variant_type = lambda *_: True
        server.set_endpoint("opc.tcp://127.0.0.1:0")
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        _mend_transfer(server.iserver.subscription_service)
        for uri in self.earlier:
            await server.register_namespace(uri)
        index = await server.register_namespace(URI)
        limit = ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall
        await server.get_node(ua.NodeId(limit)).write_value(ITEMS_A_CALL_MAX, ua.VariantType.UInt32)
        server.subscribe_server_callback(CallbackType.ItemSubscriptionCreated, self._note_call)
        press = await server.nodes.objects.add_object(ua.NodeId("Press", index), f"{index}:Press")
        for name, (kind, value) in NODES.items():
            self.nodes[name] = await press.add_variable(
                ua.NodeId(name, index), f"{index}:{name}", value, kind
            )
        self.server = server
        await self.write("Counter", self.counted)
        await server.start()
        self.proxy.target = ("127.0.0.1", server.bserver.port)

    def _note_call(self, event: Any, _: object) -> None:
        self.items_a_call.append(len(event.request_params.ItemsToCreate))

    async def stop(self) -> None:
        await self.server.stop()

    async def produce(self) -> None:
        self.counted += 1
        await self.write("Counter", self.counted)

    async def write(
        self,
        name: str,
        value: object,
        *,
        kind: ua.VariantType | None = None,
        status: int = 0,
        shift: timedelta = timedelta(),
    ) -> None:
        """Write as the equipment itself does: value, status code and source time."""
        data = ua.DataValue(
            ua.Variant(value, NODES[name][0] if kind is None else kind),
            StatusCode=ua.StatusCode(status),
            SourceTimestamp=datetime.now(UTC) + shift,  # noqa: TID251 -- the equipment's clock
            ServerTimestamp=datetime.now(UTC),  # noqa: TID251 -- the equipment's clock
        )
        await self.server.write_attribute_value(self.nodes[name].nodeid, data)

    def truths(self) -> Sequence[Truth]:
        return [
            Truth(signal="temperature", put=lambda: self.write("Temperature", 0.1), value=0.1),
            Truth(signal="temperature", put=lambda: self.write("Temperature", -0.0), value=-0.0),
            Truth(signal="pressure", put=lambda: self.write("Pressure", 2.5), value=2.5),
            Truth(signal="offset", put=lambda: self.write("Offset", -32768), value=-32768),
            Truth(signal="running", put=lambda: self.write("Running", True), value=True),
            Truth(signal="lot", put=lambda: self.write("Lot", "批次-7"), value="批次-7"),
            Truth(signal="lot", put=lambda: self.write("Lot", ""), value=""),
            Truth(signal="frame", put=lambda: self.write("Frame", b"\xff\x00"), value=b"\xff\x00"),
            Truth(
                signal="temperature",
                put=lambda: self.write(
                    "Temperature", 21.5, status=ua.StatusCodes.UncertainLastUsableValue
                ),
                value=21.5,
                status=Status.UNCERTAIN,
            ),
        ]

    def lies(self) -> Sequence[Lie]:
        def lie(label: str, value: object, **how: object) -> Lie:
            return Lie(
                label=label,
                signal="temperature",
                put=lambda: self.write("Temperature", value, **how),  # type: ignore[arg-type]
                raw=value is not None and not how.get("status"),  # the server drops the value
            )

        return [
            lie("NaN", math.nan),
            lie("infinity", -math.inf),
            lie("bytes for a number", b"\x01\x02", kind=ua.VariantType.ByteString),
            lie("text for a number", "21.5", kind=ua.VariantType.String),
            lie("an array for a number", [1.0, 2.0], kind=ua.VariantType.Double),
            lie("yesterday", 20.5, shift=timedelta(days=-1)),
            lie("tomorrow", 20.6, shift=timedelta(days=1)),
            lie("the year 9999", 20.7, shift=timedelta(days=365 * 7970)),
            lie("no value", None, kind=ua.VariantType.Null),
            lie("sensor failure", 20.8, status=ua.StatusCodes.BadSensorFailure),
        ]


def _mend_transfer(service: Any) -> None:
    """Let the server transfer subscriptions as the standard says (OPC 10000-4 section 5.14.7).

    asyncua's leaves a transferred subscription with the publish requests of the old session, so
    that it falls silent, and transfers what is the session's own instead of answering that there
    is nothing to do.
    """
    transfer = service.transfer_subscriptions

    async def as_the_standard_says(params: Any, session_id: Any, callback: Any) -> Any:
        owners = {number: sub.session_id for number, sub in service.subscriptions.items()}
        results = await transfer(params, session_id, callback)
        for number, result in zip(params.SubscriptionIds, results, strict=True):
            held = service.subscriptions.get(number)
            if held is None:
                continue
            if held.session_id == owners[number]:
                result.StatusCode = ua.StatusCode(ua.StatusCodes.BadNothingToDo)
            held.pub_request_callback = callback.__self__.get_publish_request
        return results

    service.transfer_subscriptions = as_the_standard_says
