"""Runs unattended on a gateway: collects, seals, keeps, forwards."""
