"""Use cases of the genealogy: say what became of what, trace it, and carry out a recall."""
