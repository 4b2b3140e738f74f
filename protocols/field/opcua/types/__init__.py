"""The data types of a server, learned from it."""
