"""The batch record: what is judged, what a person must look at, and the one form it is kept in."""
