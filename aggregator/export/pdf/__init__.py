"""The batch record on paper: what the page shows, and the page itself."""
