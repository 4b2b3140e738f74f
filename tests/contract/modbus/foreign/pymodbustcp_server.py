"""A server by pyModbusTCP: run as a program, it prints its port and serves until it is ended."""

from __future__ import annotations

import threading

from pyModbusTCP.server import DataBank, ModbusServer

from plant.ports import free_port
from tests.contract.modbus.foreign.servers import HELD, SIZE


def main() -> None:
    """Serve what every server here holds."""
    bank = DataBank(
        coils_size=SIZE, d_inputs_size=SIZE, h_regs_size=SIZE, i_regs_size=SIZE, virtual_mode=False
    )
    held = {table: [value(at) for at in range(SIZE)] for table, value in HELD.items()}
    bank.set_holding_registers(0, held["holding"])
    bank.set_input_registers(0, held["input"])
    bank.set_coils(0, held["coil"])
    bank.set_discrete_inputs(0, held["discrete"])
    port = free_port()
    server = ModbusServer(host="127.0.0.1", port=port, no_block=True, data_bank=bank)
    server.start()
    print(port, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
