"""What tests of use cases stand on: a context over a store, and documents of master data."""
