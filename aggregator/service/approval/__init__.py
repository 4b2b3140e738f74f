"""Use cases of approval: what takes two persons, asked for by one and approved by another."""
