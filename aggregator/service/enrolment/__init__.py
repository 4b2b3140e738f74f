"""Gateways are let in: invited by one person, admitted by another."""
