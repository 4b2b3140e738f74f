"""Browsing servers as they are: circles, depth, many children, units, and what no signal holds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from asyncua import Server, ua
from asyncua.client.ua_session import UaSession

from protocols.field.driver import DriverError
from protocols.field.opcua.discover import Browsed, Limits, browse
from protocols.field.opcua.discover.units import UNECE
from protocols.field.opcua.settings import OpcuaSettings
from protocols.wire.reading import Kind

SPACE = "urn:test:plant"
CHILDREN = 40


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    await server.init()
    server.set_endpoint("opc.tcp://127.0.0.1:0")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    server.disable_clock()
    index = await server.register_namespace(SPACE)
    line = await server.nodes.objects.add_object(ua.NodeId("Line", index), f"{index}:Line")
    for number in range(CHILDREN):
        node = ua.NodeId(f"Line.V{number:02}", index)
        await line.add_variable(node, f"{index}:V{number:02}", float(number))
    oven = await line.add_object(ua.NodeId("Oven", index), f"{index}:Oven/1")
    heat = await oven.add_variable(ua.NodeId(7, index), f"{index}:Heat", 1.5, ua.VariantType.Float)
    await heat.add_property(index, "EngineeringUnits", unit("CEL", "°C"))
    odd = await oven.add_variable(ua.NodeId("Odd", index), f"{index}:Odd", 3, ua.VariantType.Int16)
    await odd.add_property(index, "EngineeringUnits", unit("ZZZ", "widgets"))
    await oven.add_variable(ua.NodeId("Curve", index), f"{index}:Curve", [1.0, 2.0])
    await oven.add_variable(ua.NodeId("Node", index), f"{index}:Node", ua.NodeId(1, 1))
    await oven.add_variable(ua.NodeId("Esc", index), f"{index}:Clear\x1b[2J", 1)
    await oven.add_reference(line, ua.ObjectIds.Organizes)  # a circle
    await server.start()
    yield server
    await server.stop()


def unit(code: str, shown: str) -> Any:
    return ua.EUInformation(
        NamespaceUri=UNECE,
        UnitId=int.from_bytes(code.encode()),
        DisplayName=ua.LocalizedText(shown),
    )


async def browsed(
    server: Server, *match: str, limits: Limits | None = None, prefix: str = ""
) -> Browsed:
    port = server.bserver.port
    settings = OpcuaSettings.model_validate(
        {
            "endpoint": f"opc.tcp://127.0.0.1:{port}",
            "security": "None",
            "signals": [{"name": "state", "address": "i=2259"}],
        }
    )
    return await browse(
        settings, None, match=match or ("Line/*",), prefix=prefix, limits=limits or Limits()
    )


async def test_every_variable_is_found_once_with_kind_unit_and_value(server: Server) -> None:
    found = await browsed(server, prefix="gw/")
    paths = [each.path for each in found.found]
    assert len(paths) == len(set(paths)) == CHILDREN + 5
    by_path = {each.path: each for each in found.found}
    heat = by_path["Line/Oven&/1/Heat"]
    assert heat.signal is not None
    assert (heat.signal.kind, heat.signal.unit, heat.value) == (Kind.FLOAT32, "Cel", "1.5")
    assert heat.signal.address == heat.address == f"nsu={SPACE};i=7"
    assert heat.signal.name == "gw/Line/Oven&/1/Heat"
    odd = by_path["Line/Oven&/1/Odd"]
    assert odd.signal is not None
    assert (odd.signal.kind, odd.signal.unit) == (Kind.INT, "1")
    assert "'widgets' is not known in UCUM" in odd.note
    escape = by_path["Line/Oven&/1/Clear\x1b[2J"].signal
    assert escape is not None
    assert escape.name == "gw/Line/Oven&/1/Clear_[2J"
    curve, node = by_path["Line/Oven&/1/Curve"], by_path["Line/Oven&/1/Node"]
    assert (curve.signal, node.signal) == (None, None)
    assert "array" in curve.note
    assert "data type" in node.note


async def test_globs_choose_and_the_server_itself_is_asked_for_by_name(server: Server) -> None:
    chosen = await browsed(server, "Line/V0?", "Line/*/Heat")
    assert [each.path for each in chosen.found][:2] == ["Line/Oven&/1/Heat", "Line/V00"]
    assert len(chosen.found) == 11
    assert not (await browsed(server, "*/ServerStatus/State")).found
    state = await browsed(server, "Server/ServerStatus/State")
    assert [each.value for each in state.found] == ["0"]


async def test_limits_end_the_way_and_are_said(server: Server) -> None:
    flat = await browsed(server, limits=Limits(depth_max=2))
    assert not any("Heat" in each.path for each in flat.found)
    assert any("--depth" in note for note in flat.notes)
    few = await browsed(server, limits=Limits(nodes_max=10))
    assert few.nodes == 10
    assert any("--nodes" in note for note in few.notes)


class Pages:
    """A server that gives three references an answer, and has two places to remember the rest.

    asyncua's own server knows no continuation points, so they are put before its answers.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rest: dict[bytes, list[Any]] = {}
        self.asked_on = 0
        self.refused = 0
        self.most = 0
        real = UaSession.browse

        async def browse_some(session: UaSession, params: Any) -> list[Any]:
            results = await real(session, params)
            self.most = max(self.most, len(results))
            return [
                self.cut(result.References, f"{self.asked_on}-{number}".encode())
                for number, result in enumerate(results)
            ]

        async def browse_next(_session: UaSession, params: Any) -> list[Any]:
            self.asked_on += 1
            return [
                self.cut(self.rest.pop(mark), f"{self.asked_on}+{number}".encode())
                for number, mark in enumerate(params.ContinuationPoints)
            ]

        monkeypatch.setattr(UaSession, "browse", browse_some)
        monkeypatch.setattr(UaSession, "browse_next", browse_next)

    def cut(self, references: list[Any], mark: bytes) -> Any:
        """Return an answer with the first references, and keep the rest under the mark."""
        if len(references) <= 3:
            return ua.BrowseResult(References=references)
        if len(self.rest) == 2:
            self.refused += 1
            return ua.BrowseResult(StatusCode=ua.StatusCode(ua.StatusCodes.BadNoContinuationPoints))
        self.rest[mark] = references[3:]
        return ua.BrowseResult(References=references[:3], ContinuationPoint=mark)


async def test_operation_limits_are_kept_and_continuations_followed(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "Server_ServerCapabilities_OperationLimits_"
    for limit, most in (("MaxNodesPerBrowse", 5), ("MaxNodesPerRead", 2)):
        where = ua.NodeId(getattr(ua.ObjectIds, name + limit))
        value = ua.DataValue(ua.Variant(most, ua.VariantType.UInt32))
        await server.write_attribute_value(where, value)
    index = await server.get_namespace_index(SPACE)
    for number in range(3):
        group = await server.nodes.objects.add_object(index, f"G{number}")
        for each in range(5):
            await group.add_variable(index, f"W{each}", 1)
    pages = Pages(monkeypatch)
    found = await browsed(server, "Line/*", "G?/*")
    assert len(found.found) == CHILDREN + 5 + 3 * 5
    assert not found.notes
    assert pages.asked_on > CHILDREN // 3
    assert pages.refused > 0
    assert pages.most <= 5
    assert not pages.rest


async def test_a_server_that_is_off_is_said(server: Server) -> None:
    await server.stop()
    with pytest.raises(DriverError):
        await browsed(server)
    await server.start()
