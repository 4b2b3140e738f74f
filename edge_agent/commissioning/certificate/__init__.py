"""The gateway's OPC UA application certificate."""
