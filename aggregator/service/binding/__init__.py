"""Use cases about which readings belong to which lot, and what they are found out from."""
