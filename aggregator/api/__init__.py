"""The HTTP API under /api/v1: one router a file, every error a problem document (RFC 9457)."""
