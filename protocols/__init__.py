"""Every wire that Lotproof speaks: to equipment, between its own parties, and in identifiers."""
