"""OPC UA servers that we did not write."""
