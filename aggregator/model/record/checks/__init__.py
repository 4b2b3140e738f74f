"""The checks of a record: each enters what it found into the ledger, or that it passed."""
