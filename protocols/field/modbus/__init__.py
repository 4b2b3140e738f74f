"""The Modbus driver: coalesced polling over TCP, RTU over TCP, serial RTU and TLS; never writes.

Planner, codec, schedule and what is learned of refusals are pure; ``line`` alone knows pymodbus.
"""

from protocols.field.driver import Spec, connector
from protocols.field.modbus.driver import ModbusDriver
from protocols.field.modbus.refusals import code_name
from protocols.field.modbus.settings import ModbusSettings

__all__ = ["SPEC"]

SPEC = Spec(
    name="modbus",
    summary="Registers and coils of Modbus equipment, polled over TCP, RTU or TLS",
    settings=ModbusSettings,
    connect=connector(ModbusDriver, ModbusSettings),
    code_name=code_name,
)
