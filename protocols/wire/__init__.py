"""What gateway, aggregator and auditor agree on byte for byte; no socket, clock or disk."""
