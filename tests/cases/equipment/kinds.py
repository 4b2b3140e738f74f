"""The kinds of equipment that a case can name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from tests.cases.equipment.case import CaseError
from tests.cases.equipment.equipment import Equipment
from tests.cases.equipment.keyed_press import KeyedPress
from tests.cases.equipment.llrp import Reader
from tests.cases.equipment.modbus import ForeignServer, MisbehavingPeer
from tests.cases.equipment.opcua import AsyncuaPress, NodePress
from tests.contract.modbus.foreign.servers import SERVERS

__all__ = ["KINDS", "equipment_of"]

KINDS: Final[Mapping[str, Callable[..., Equipment]]] = {
    "asyncua": AsyncuaPress,
    "node-opcua": NodePress,
    "keyed press": KeyedPress,
    "modbus peer": MisbehavingPeer,
    "modbus peer behind a serial server": partial(MisbehavingPeer, rtu=True),
    "modbus peer on a serial line": partial(MisbehavingPeer, pty=True),
    **{name: partial(ForeignServer, server=name) for name in SERVERS},
    "reader": Reader,
}


def equipment_of(kind: str, holds: Mapping[str, Any]) -> Equipment:
    """Return equipment of a kind that holds what the case says; CaseError for an unknown one."""
    made = KINDS.get(kind)
    if made is None:
        raise CaseError(f"equipment {kind!r} is none of {', '.join(KINDS)}")
    return made(**holds)
