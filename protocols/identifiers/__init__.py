"""Identifiers on products and carriers, to and from their URI forms; pure."""
