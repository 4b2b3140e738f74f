"""From deliveries to sealed bundles on disk."""
