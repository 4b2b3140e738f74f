"""Where evidence, master data and records are kept; one contract, two stores that pass it."""
