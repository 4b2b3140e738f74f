"""Values that are made of others: elements of arrays, fields of structures."""
