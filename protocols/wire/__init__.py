"""What gateway, aggregator and auditor agree on byte for byte; pure, without socket, clock or disk."""
