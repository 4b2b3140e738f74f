"""What operations looks at: the health of gateways, their sources and the log."""
