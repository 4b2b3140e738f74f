"""Pure rules of orders, lots, binding, limits and records; no input or output."""
