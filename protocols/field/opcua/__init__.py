"""OPC UA: a subscription that outlives its line (OPC 10000-4 sections 5.13 and 6.7)."""

from __future__ import annotations

from typing import Final

from protocols.field.driver import Spec, connector
from protocols.field.opcua.driver import OpcuaDriver
from protocols.field.opcua.refusal import code_name
from protocols.field.opcua.settings import OpcuaSettings

__all__ = ["SPEC"]

SPEC: Final = Spec(
    name="opcua",
    summary="OPC UA server by subscription, with source time, status code and encryption.",
    settings=OpcuaSettings,
    connect=connector(OpcuaDriver, OpcuaSettings),
    replays=True,
    recalls=True,
    code_name=code_name,
)
