"""Identifiers that stand on products and carriers, to and from their URI forms. Pure."""
