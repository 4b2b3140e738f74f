"""Reference pages and sample settings, written from what the code says of itself.

``python -m tests.reference`` writes them, ``--check`` only compares; so does tests/arch.
"""
