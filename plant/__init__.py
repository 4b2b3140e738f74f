"""A simulated line with real OPC UA, Modbus and LLRP servers; never installed."""
