"""Equipment protocols, one driver a file; a file dropped in here is found by its name."""
