"""From the buffer to the broker, and receipts back."""
