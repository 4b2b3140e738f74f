"""Settings for gateways: offered, approved, and followed until they are in force."""
