"""Verifies, stores, binds to lots and work orders, assembles and releases batch records."""
