"""Reads equipment: every source apart from the others."""
