"""What brings back, after an interruption, the values that the server kept."""
