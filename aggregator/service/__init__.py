"""Use cases: one file and one transaction each, every one through the policy of access."""
