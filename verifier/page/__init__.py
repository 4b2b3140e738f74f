"""The second verifier: one HTML page that works offline, and shares no code with the first."""
