"""The OPC UA driver against servers on loopback."""
