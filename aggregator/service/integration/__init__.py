"""Use cases of integration: events out, orders, lots, genealogy and test results in."""
