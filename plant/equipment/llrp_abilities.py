"""What the simulated reader says that it can do (LLRP 1.1 section 10)."""

from __future__ import annotations

from llrpkit.protocol import LLRPMessage, enums, messages, params


def capabilities_message(status: params.LLRPStatus, antennas: int) -> LLRPMessage:
    """Return the GET_READER_CAPABILITIES_RESPONSE of a reader with so many antenna ports."""
    ports = range(1, antennas + 1)
    return messages.GET_READER_CAPABILITIES_RESPONSE(
        llrp_status=status,
        general_device_capabilities=params.GeneralDeviceCapabilities(
            max_number_of_antenna_supported=antennas,
            has_utc_clock_capability=True,
            reader_firmware_version="plant 1.0",
            receive_sensitivity_table_entrys=[
                params.ReceiveSensitivityTableEntry(index=1, receive_sensitivity_value=0)
            ],
            gpio_capabilities=params.GPIOCapabilities(num_gp_is=2, num_gp_os=2),
            per_antenna_air_protocols=[
                params.PerAntennaAirProtocol(
                    antenna_id=port, protocol_id=bytes([enums.AirProtocols.EPCGlobalClass1Gen2])
                )
                for port in ports
            ],
        ),
        llrp_capabilities=params.LLRPCapabilities(supports_event_and_report_holding=True),
    )
