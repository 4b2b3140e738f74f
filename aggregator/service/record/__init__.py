"""Use cases of what stands in a record besides readings: typed values, and what it rests on."""
