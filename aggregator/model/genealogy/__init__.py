"""Genealogy: what became of what, when, and how much of it; pure rules without a store."""
