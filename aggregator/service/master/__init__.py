"""Master data as versioned documents."""
