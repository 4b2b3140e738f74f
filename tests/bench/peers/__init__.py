"""What is measured beside: others, and baselines."""
