"""Simulated equipment, each a model and a real server of its protocol."""
